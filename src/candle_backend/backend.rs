//! The candle backend: computes hidden states of ragged batches on candle's devices.

use std::ops::Range;
use std::path::PathBuf;

use candle_core::{DType, Device as CandleDevice, Result as CandleResult, Tensor};
use ndarray::Array3;
use rayon::prelude::*;
use serde_json::Value;

use super::Device;
use super::architecture::Architecture;
use super::shared::{Passes, SharedBatches, TokenStates};
use super::weights;
use crate::call::Call;
use crate::engine::{Backend, HiddenSink, ModelMemory, RaggedBatch};
use crate::error::Remedy;
use crate::{Error, Result, foreign};

/// A model on one of candle's devices.
pub struct CandleBackend {
    architecture: Architecture,
    device: CandleDevice,
    hidden_size: usize,
    pad_token_id: u32,
    memory: ModelMemory,
}

impl CandleBackend {
    /// Loads weights (safetensors: one file or its shards; f32, f16 or bf16, computed in f32) of
    /// the architecture that `config` (config.json) names, for texts of up to `max_tokens` tokens.
    ///
    /// # Errors
    /// [`Error::UnsupportedArchitecture`]; [`Error::ModelFile`] when config and weights disagree;
    /// [`Error::Device`] when the device is missing or not compiled in.
    pub fn load(config: &Value, files: &[PathBuf], device: Device, max_tokens: usize) -> Result<Self> {
        let device = open_device(device)?;
        let architecture = Architecture::load(config, files, &device, max_tokens)?;
        let number = |field: &str| config[field].as_u64();
        let hidden_size = number("hidden_size").or(number("n_embd")).or(number("dim")).unwrap_or(0) as usize;
        let pad_token_id = number("pad_token_id").unwrap_or(0) as u32;
        let memory = ModelMemory::of_process(weights::bytes(files)?);
        Ok(Self { architecture, device, hidden_size, pad_token_id, memory })
    }

    /// Loads a model as [`CandleBackend::load`] does, for concurrent calls. On a GPU they share
    /// batches of at most `batch_tokens` tokens, padding included.
    ///
    /// # Errors
    /// The errors of [`CandleBackend::load`].
    pub(crate) fn load_shared(
        config: &Value,
        files: &[PathBuf],
        device: Device,
        max_tokens: usize,
        batch_tokens: usize,
    ) -> Result<Box<dyn Backend>> {
        let backend = Self::load(config, files, device, max_tokens)?;
        Ok(match device {
            Device::Cpu => Box::new(backend),
            _ => Box::new(SharedBatches::new(backend, batch_tokens)),
        })
    }

    /// Computes one forward pass over sequences padded on the right to the longest.
    /// [`Backend::check_expanded`] checks whether tokens that no token attends to are masked.
    fn pass(&self, batch: &RaggedBatch, range: Range<usize>) -> CandleResult<Tensor> {
        let width = range.clone().map(|index| batch.sequence(index).len()).max().unwrap_or(0);
        let shape = (range.len(), width);
        let (mut ids, mut types, mut mask) = (Vec::new(), Vec::new(), Vec::new());
        for index in range {
            let (sequence, first_part) = (batch.sequence(index), batch.first_part_len(index));
            let attended = batch.attended_len(index);
            let padding = width - sequence.len();
            ids.extend_from_slice(sequence);
            ids.extend(std::iter::repeat_n(self.pad_token_id, padding));
            types.extend((0..width).map(|place| u32::from(place >= first_part && place < sequence.len())));
            mask.extend((0..width).map(|place| u32::from(place < attended)));
        }
        let ids = Tensor::from_vec(ids, shape, &self.device)?;
        let types = Tensor::from_vec(types, shape, &self.device)?;
        let mask = Tensor::from_vec(mask, shape, &self.device)?;
        self.architecture.forward(&ids, &types, &mask)?.to_dtype(DType::F32)
    }

    /// Computes the hidden states of a range of sequences by one pass.
    fn states_of(&self, batch: &RaggedBatch, range: Range<usize>) -> Result<Vec<TokenStates>> {
        let run = || -> CandleResult<_> {
            let hidden = self.pass(batch, range.clone())?;
            Ok((hidden.dims3()?, hidden.flatten_all()?.to_vec1::<f32>()?))
        };
        let failed = |message: String| Error::Compute { context: "the forward pass failed".into(), message };
        let computed = foreign::call(run).map_err(|panic| failed(format!("candle stopped: {panic}")))?;
        let (shape, hidden) = computed.map_err(|e| failed(e.to_string()))?;
        if shape.2 != self.hidden_size {
            let found = shape.2;
            return Err(failed(format!("hidden states have {found} numbers, config.json says {}", self.hidden_size)));
        }
        let pass = Array3::from_shape_vec(shape, hidden).map_err(|e| failed(e.to_string()))?;
        Ok(TokenStates::of_pass(pass, range.map(|index| batch.sequence(index).len())))
    }

    /// Computes runs of sequences of equal length, for models that do not pad.
    fn states_of_runs(&self, batch: &RaggedBatch) -> Result<Vec<TokenStates>> {
        let sequences: Vec<&[u32]> = batch.sequences().collect();
        let mut states = Vec::with_capacity(batch.len());
        for run in sequences.chunk_by(|a, b| a.len() == b.len()) {
            states.extend(self.states_of(batch, states.len()..states.len() + run.len())?);
        }
        Ok(states)
    }
}

impl Passes for CandleBackend {
    fn states(&self, batch: &RaggedBatch) -> Result<Vec<TokenStates>> {
        if self.architecture.pads() { self.states_of(batch, 0..batch.len()) } else { self.states_of_runs(batch) }
    }
}

impl Backend for CandleBackend {
    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    fn memory(&self) -> ModelMemory {
        self.memory
    }

    fn forward(&self, batch: &RaggedBatch, _threads: usize, call: &Call<'_>, sink: &HiddenSink<'_>) -> Result<()> {
        call.check()?;
        if !self.device.is_cpu() {
            return self.forward_padded(batch, sink);
        }
        (0..batch.len()).into_par_iter().try_for_each(|index| {
            call.check()?;
            let states = self.states_of(batch, index..index + 1)?;
            states.iter().for_each(|states| sink(index, states.view()));
            Ok(())
        })
    }

    fn forward_padded(&self, batch: &RaggedBatch, sink: &HiddenSink<'_>) -> Result<()> {
        let states = self.states(batch)?;
        states.iter().enumerate().for_each(|(index, states)| sink(index, states.view()));
        Ok(())
    }

    fn check_expanded(&self, tokens: usize) -> Result<()> {
        match self.architecture.lacks_for_expanded(tokens) {
            None => Ok(()),
            Some(lacking) => Err(Error::UnsupportedArchitecture {
                found: lacking,
                supported:
                    "by candle: BERT's family, NomicBERT, and ModernBERT where the whole query fits half a window; \
                            the native engine has ModernBERT without that limit"
                        .into(),
            }),
        }
    }
}

/// Opens a device. A missing driver or device is an error, even where the driver's bindings panic.
fn open_device(device: Device) -> Result<CandleDevice> {
    let open = || match device {
        Device::Cpu => Ok(CandleDevice::Cpu),
        Device::Cuda(number) => CandleDevice::new_cuda(number),
        Device::Metal => CandleDevice::new_metal(0),
    };
    let lacking = match foreign::call(open) {
        Ok(Ok(opened)) => return Ok(opened),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic,
    };
    let feature = if device == Device::Metal { "metal" } else { "cuda" };
    let (message, remedy) = match Device::compiled().contains(&feature) {
        true => (lacking, Remedy::UseCpu),
        false => (format!("this build has no {feature} support"), Remedy::RebuildOrUseCpu { feature }),
    };
    Err(Error::Device { device: device.to_string(), message }.advised(remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No machine has this many devices, so the test needs neither a driver nor a device, and also
    /// passes where they exist.
    #[test]
    fn a_device_that_cannot_be_opened_is_an_error_that_names_it() {
        assert!(open_device(Device::Cpu).is_ok());
        let error = open_device(Device::Cuda(9_999)).err().unwrap().to_string();
        assert!(error.contains("cuda:9999"), "{error}");
        assert_eq!(error.contains("this build has no cuda support"), !cfg!(feature = "cuda"), "{error}");
    }
}
