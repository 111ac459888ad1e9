//! Ragged batches in, hidden states out, on candle's devices.

use std::path::PathBuf;

use candle_core::{DType, Device as CandleDevice, Result as CandleResult, Tensor};
use ndarray::ArrayView2;
use rayon::prelude::*;
use serde_json::Value;

use super::Device;
use super::architecture::Architecture;
use crate::engine::{Backend, HiddenSink, RaggedBatch};
use crate::{Error, Result};

/// A model on one of candle's devices.
pub struct CandleBackend {
    architecture: Architecture,
    device: CandleDevice,
    hidden_size: usize,
    pad_token_id: u32,
}

impl CandleBackend {
    /// Loads weights (safetensors: one file or its shards; f32, f16 or bf16, computed in f32) of the architecture that
    /// `config` (config.json) names, for texts of up to `max_tokens` tokens.
    ///
    /// # Errors
    /// [`Error::UnsupportedArchitecture`]; [`Error::ModelFile`] when config and weights disagree;
    /// [`Error::Device`] when the device is not there or not compiled in.
    pub fn load(config: &Value, weights: &[PathBuf], device: Device, max_tokens: usize) -> Result<Self> {
        let device = open_device(device)?;
        let architecture = Architecture::load(config, weights, &device, max_tokens)?;
        let number = |field: &str| config[field].as_u64();
        let hidden_size = number("hidden_size").or(number("n_embd")).or(number("dim")).unwrap_or(0) as usize;
        let pad_token_id = number("pad_token_id").unwrap_or(0) as u32;
        Ok(Self { architecture, device, hidden_size, pad_token_id })
    }

    /// One forward pass over sequences padded on the right to the longest.
    fn pass(&self, sequences: &[&[u32]]) -> CandleResult<Tensor> {
        let width = sequences.iter().map(|ids| ids.len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(sequences.len() * width);
        let mut mask = Vec::with_capacity(sequences.len() * width);
        for sequence in sequences {
            let padding = width - sequence.len();
            ids.extend_from_slice(sequence);
            ids.extend(std::iter::repeat_n(self.pad_token_id, padding));
            mask.extend(std::iter::repeat_n(1u32, sequence.len()));
            mask.extend(std::iter::repeat_n(0u32, padding));
        }
        let shape = (sequences.len(), width);
        let ids = Tensor::from_vec(ids, shape, &self.device)?;
        let mask = Tensor::from_vec(mask, shape, &self.device)?;
        self.architecture.forward(&ids, &mask)?.to_dtype(DType::F32)
    }

    fn pass_into(&self, first: usize, sequences: &[&[u32]], sink: &HiddenSink<'_>) -> Result<()> {
        let run = || -> CandleResult<_> {
            let hidden = self.pass(sequences)?;
            Ok((hidden.dims3()?, hidden.flatten_all()?.to_vec1::<f32>()?))
        };
        let failed = |message: String| Error::Compute { context: "the forward pass failed".into(), message };
        let ((_, width, hidden_size), hidden) = run().map_err(|e| failed(e.to_string()))?;
        if hidden_size != self.hidden_size {
            return Err(failed(format!(
                "hidden states have {hidden_size} numbers, config.json says {}",
                self.hidden_size
            )));
        }
        for (offset, (sequence, rows)) in sequences.iter().zip(hidden.chunks(width * hidden_size)).enumerate() {
            let own = &rows[..sequence.len() * hidden_size];
            let view = ArrayView2::from_shape((sequence.len(), hidden_size), own).map_err(|e| failed(e.to_string()))?;
            sink(first + offset, view);
        }
        Ok(())
    }

    fn pass_runs_of_equal_length(&self, sequences: &[&[u32]], sink: &HiddenSink<'_>) -> Result<()> {
        let mut first = 0;
        for run in sequences.chunk_by(|a, b| a.len() == b.len()) {
            self.pass_into(first, run, sink)?;
            first += run.len();
        }
        Ok(())
    }
}

impl Backend for CandleBackend {
    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    fn forward(&self, batch: &RaggedBatch, _threads: usize, sink: &HiddenSink<'_>) -> Result<()> {
        if !self.device.is_cpu() {
            return self.forward_padded(batch, sink);
        }
        (0..batch.len()).into_par_iter().try_for_each(|index| self.pass_into(index, &[batch.sequence(index)], sink))
    }

    fn forward_padded(&self, batch: &RaggedBatch, sink: &HiddenSink<'_>) -> Result<()> {
        let sequences: Vec<&[u32]> = batch.sequences().collect();
        if self.architecture.pads() {
            self.pass_into(0, &sequences, sink)
        } else {
            self.pass_runs_of_equal_length(&sequences, sink)
        }
    }
}

fn open_device(device: Device) -> Result<CandleDevice> {
    let (opened, feature) = match device {
        Device::Cpu => return Ok(CandleDevice::Cpu),
        Device::Cuda(number) => (CandleDevice::new_cuda(number), "cuda"),
        Device::Metal => (CandleDevice::new_metal(0), "metal"),
    };
    let compiled = Device::compiled().contains(&feature);
    opened.map_err(|e| Error::Device {
        device: device.to_string(),
        message: if compiled {
            format!("{e}; is the driver installed and the device visible? `--device cpu` always works")
        } else {
            format!("this build has no {feature} support; rebuild with `--features {feature}`, or use `--device cpu`")
        },
    })
}
