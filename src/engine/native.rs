//! The engine as a [`Backend`]. It picks the architecture, packs its weights, and cuts batches to
//! the size of one core's cache.

use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayView2, s};
use serde_json::Value;

use super::batch::{Batch, MICRO_BATCH_TOKENS};
use super::bert::{self, Bert};
use super::config::{Config, Family};
use super::deberta;
use super::forward::Forward;
use super::layer::Builder;
use super::modernbert::{self, Positions};
use super::packed::Memory;
use super::profile::{Laps, Operation, PassTimes};
use super::qwen3;
use super::scratch::{BufferPool, Scratch};
use super::weights::{Tensors, WeightsFile};
use super::{Backend, HiddenSink, ModelMemory, Precision, RaggedBatch};
use crate::call::Call;
use crate::kernels::{Kernels, padded_len};
use crate::{Error, Result};

/// A transformer that runs on this processor's own instructions.
pub struct NativeBackend {
    model: Box<dyn Forward>,
    kernels: &'static Kernels,
    precision: Precision,
    scratch: BufferPool<Scratch>,
    memory: ModelMemory,
}

/// A model that the engine computes, from config.json.
struct NativePlan {
    config: Config,
    own: Own,
}

/// The options of one architecture.
enum Own {
    Bert,
    DebertaV2(deberta::DebertaOptions),
    ModernBert(Positions),
    Qwen3(qwen3::Qwen3Options),
}

impl NativePlan {
    fn read(json: &Value) -> Result<Self, String> {
        let config = Config::read(json)?;
        let own = match config.family {
            Family::ModernBert => Own::ModernBert(Positions::read(json)?),
            Family::DebertaV2 => Own::DebertaV2(deberta::DebertaOptions::read(json, &config)?),
            Family::Qwen3 => Own::Qwen3(qwen3::Qwen3Options::read(json, &config)?),
            _ => Own::Bert,
        };
        Ok(Self { config, own })
    }
}

impl NativeBackend {
    /// Checks that the engine computes the model of this config.json. The error names what is
    /// missing.
    ///
    /// # Errors
    /// [`Error::UnsupportedArchitecture`].
    pub fn check(config: &Value) -> Result<()> {
        NativePlan::read(config).map(drop).map_err(unsupported)
    }

    /// Packs the weights of the model of `json` (config.json). `folder` is for messages. Rows of
    /// word embeddings are read from `files` when a token needs them, so the files stay open.
    ///
    /// # Errors
    /// [`Error::UnsupportedArchitecture`]; [`Error::ModelFile`] when config and weights disagree or
    /// a weight is not a finite number.
    pub fn load(
        json: &Value,
        files: Vec<Arc<dyn WeightsFile>>,
        folder: &Path,
        precision: Precision,
        kernels: &'static Kernels,
    ) -> Result<Self> {
        let NativePlan { config, own } = NativePlan::read(json).map_err(unsupported)?;
        let mapped = files.iter().map(|file| file.bytes().len() as u64).sum();
        let tensors = open_tensors(&config, files, folder)?;
        let memory = Memory::new();
        let builder = Builder { kernels, precision, memory: &memory, tensors: &tensors, config: &config };
        let model: Box<dyn Forward> = match own {
            Own::ModernBert(positions) => Box::new(modernbert::load(&builder, &positions)?),
            Own::Qwen3(options) => Box::new(qwen3::load(&builder, &options)?),
            Own::DebertaV2(options) => Box::new(Bert::load(&builder, Some(&options))?),
            Own::Bert => Box::new(Bert::load(&builder, None)?),
        };
        tensors.release();
        let memory = ModelMemory { own: memory.used(), mapped };
        Ok(Self { model, kernels, precision, scratch: BufferPool::new(), memory })
    }

    /// Returns the arithmetic of the linear layers.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Runs a batch on this thread only, and returns the times of its operations.
    ///
    /// # Errors
    /// The errors of [`Backend::forward`].
    pub fn profile(&self, batch: &RaggedBatch) -> Result<PassTimes> {
        let mut laps = Laps::started();
        for range in micro_batches(&batch.cu_seqlens) {
            self.pass((batch, range), 1, &Call::new(), &mut laps, &|_, _| ())?;
        }
        let mut profile = laps.profile();
        for (operation, linear) in self.model.products() {
            profile.operations[operation as usize] += (linear.operations_per_row() * batch.token_ids.len()) as u64;
        }
        let &Config { num_heads, head_dim, num_layers, .. } = self.model.config();
        let squares: usize = batch.sequences().zip(&batch.attended).map(|(ids, attended)| ids.len() * attended).sum();
        profile.operations[Operation::Attention as usize] = (4 * squares * num_heads * head_dim * num_layers) as u64;
        Ok(profile)
    }

    /// Computes the sequences `range` and passes each to `sink`. For more than a micro-batch,
    /// `call` is checked before each layer.
    fn pass(
        &self,
        (batch, range): (&RaggedBatch, std::ops::Range<usize>),
        threads: usize,
        call: &Call<'_>,
        laps: &mut Laps,
        sink: &HiddenSink<'_>,
    ) -> Result<()> {
        let first = batch.cu_seqlens[range.start];
        let relative = |edges: &[usize]| edges.iter().map(|edge| edge - first).collect::<Vec<usize>>();
        let cu_seqlens = relative(&batch.cu_seqlens[range.start..=range.end]);
        let second_parts = relative(&batch.second_parts[range.clone()]);
        let attended = &batch.attended[range.clone()];
        let ids = &batch.token_ids[first..batch.cu_seqlens[range.end]];
        let config = self.model.config();
        let (hidden, width) = (config.hidden_size, padded_len(config.hidden_size));
        self.scratch.scratch(|scratch| {
            let (cu_seqlens, second_parts) = (cu_seqlens.as_slice(), second_parts.as_slice());
            let call = (ids.len() > MICRO_BATCH_TOKENS).then_some(call);
            let view = Batch { kernels: self.kernels, ids, cu_seqlens, second_parts, attended, threads, call };
            self.model.forward(&view, scratch, laps)?;
            let states = &scratch.hidden.as_slice()[..ids.len() * width];
            let failed = |e: ndarray::ShapeError| Error::Compute { context: CONTEXT.into(), message: e.to_string() };
            let states = ArrayView2::from_shape((ids.len(), width), states).map_err(failed)?;
            for (index, edges) in range.zip(cu_seqlens.windows(2)) {
                sink(index, states.slice(s![edges[0]..edges[1], ..hidden]));
            }
            Ok(())
        })
    }
}

const CONTEXT: &str = "the forward pass failed";

/// Opens the tensors of an encoder of this family, and those beside it.
pub(super) fn open_tensors(config: &Config, files: Vec<Arc<dyn WeightsFile>>, folder: &Path) -> Result<Tensors> {
    let anchor = match config.family {
        Family::ModernBert => modernbert::ANCHOR,
        Family::Qwen3 => qwen3::ANCHOR,
        _ => bert::ANCHOR,
    };
    Tensors::open(files, folder.join("model.safetensors"), anchor, config.family == Family::DistilBert)
}

pub(super) fn unsupported(lacking: String) -> Error {
    Error::UnsupportedArchitecture {
        found: lacking,
        supported: "by the native engine: bert, distilbert, electra, roberta, xlm-roberta, camembert, modernbert, \
                    deberta-v2 and qwen3; `engine=candle` has others"
            .into(),
    }
}

/// Cuts sequences into runs of at most [`MICRO_BATCH_TOKENS`] tokens; a longer sequence is alone.
/// The runs have similar sizes, because a small rest would read all weights once more.
fn micro_batches(cu_seqlens: &[usize]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let sequences = cu_seqlens.len().saturating_sub(1);
    let mut first = 0;
    std::iter::from_fn(move || {
        if first == sequences {
            return None;
        }
        let tokens = |end: usize| cu_seqlens[end] - cu_seqlens[first];
        let share = tokens(sequences) / tokens(sequences).div_ceil(MICRO_BATCH_TOKENS).max(1);
        let mut end = first + 1;
        while end < sequences && tokens(end + 1) <= MICRO_BATCH_TOKENS && tokens(end) < share {
            end += 1;
        }
        let range = first..end;
        first = end;
        Some(range)
    })
}

impl Backend for NativeBackend {
    fn hidden_size(&self) -> usize {
        self.model.config().hidden_size
    }

    fn memory(&self) -> ModelMemory {
        self.memory
    }

    fn forward(&self, batch: &RaggedBatch, threads: usize, call: &Call<'_>, sink: &HiddenSink<'_>) -> Result<()> {
        micro_batches(&batch.cu_seqlens).try_for_each(|range| {
            call.check()?;
            self.pass((batch, range), threads, call, &mut Laps::off(), sink)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::call::CancelToken;
    use crate::kernels::Isa;

    /// Returns the hidden states of two short sequences, an expanded one and one of more than a
    /// block, by a tiny model of `models/`.
    fn states(name: &str, kernels: &'static Kernels, precision: Precision, threads: usize) -> Vec<Vec<f32>> {
        let engine = engine(name, kernels, precision);
        let mut batch = RaggedBatch::of([&[5, 6, 7, 8, 9][..], &[4], &[10; 33], &[]].into_iter());
        batch.push_expanded(&[11, 12, 13, 14], 2);
        let rows = Mutex::new(vec![Vec::new(); batch.len()]);
        let sink = |index: usize, hidden: ArrayView2<'_, f32>| {
            rows.lock().unwrap()[index] = hidden.iter().copied().collect();
        };
        engine.forward(&batch, threads, &Call::new(), &sink).unwrap();
        rows.into_inner().unwrap()
    }

    fn engine(name: &str, kernels: &'static Kernels, precision: Precision) -> NativeBackend {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
        let read = |file: &str| std::fs::read(folder.join(file)).unwrap();
        let config = serde_json::from_slice(&read("config.json")).unwrap();
        let weights: Vec<Arc<dyn WeightsFile>> = vec![Arc::new(read("model.safetensors"))];
        NativeBackend::load(&config, weights, &folder, precision, kernels).unwrap()
    }

    #[test]
    fn a_long_text_is_given_up_between_two_layers_and_a_short_one_is_finished() {
        let token = CancelToken::new();
        token.cancel();
        let call = Call::new().cancel(&token);
        let engine = engine("tiny-modernbert", Kernels::best(), Precision::F32);
        // The tiny model has 80 positions, so several texts stand for a long one.
        for (texts, tokens, is_given_up) in [(8, MICRO_BATCH_TOKENS / 8, false), (9, MICRO_BATCH_TOKENS / 9 + 1, true)]
        {
            let batch = RaggedBatch::of(std::iter::repeat_n([5; 80].split_at(tokens).0, texts));
            let result = engine.pass((&batch, 0..texts), 1, &call, &mut Laps::off(), &|_, _| ());
            assert_eq!(matches!(result, Err(Error::Cancelled)), is_given_up, "{tokens}: {result:?}");
        }
    }

    #[test]
    fn a_matrix_unit_computes_the_models_of_plain_kernels() {
        let plain: &'static Kernels = Box::leak(Box::new(Kernels::for_isa(Isa::Scalar).unwrap()));
        let tiles: &'static Kernels = Box::leak(Box::new(Kernels::emulating_tiles()));
        for name in [
            "tiny-bert",
            "tiny-distilbert",
            "cross-tiny-electra",
            "tiny-roberta",
            "tiny-modernbert",
            "cross-tiny-deberta",
            "tiny-qwen3",
        ] {
            let expected = states(name, plain, Precision::F32, 1);
            for (precision, least) in [(Precision::Bf16, 0.9999), (Precision::I8, 0.998), (Precision::F32, 1.0 - 1e-9)]
            {
                let found = states(name, tiles, precision, 1);
                for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                    assert!(found.is_finite() && (found - expected).abs() < 0.5, "{name} {precision}: {found}");
                }
                let dot = |a: &[Vec<f32>], b: &[Vec<f32>]| -> f64 {
                    a.iter().flatten().zip(b.iter().flatten()).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
                };
                let cosine = dot(&found, &expected) / (dot(&found, &found) * dot(&expected, &expected)).sqrt();
                assert!(cosine >= least, "{name} {precision}: cosine {cosine}");
                assert_eq!(states(name, tiles, precision, 3), found, "{name} {precision}: threads change bits");
            }
        }
    }

    #[test]
    fn micro_batches_hold_every_sequence_once() {
        let cut = |lengths: &[usize]| {
            let edges = lengths.iter().scan(0, |sum, length| {
                *sum += length;
                Some(*sum)
            });
            let cu_seqlens: Vec<usize> = std::iter::once(0).chain(edges).collect();
            micro_batches(&cu_seqlens).collect::<Vec<_>>()
        };
        assert!(cut(&[]).is_empty());
        let whole = |cut: Vec<std::ops::Range<usize>>| cut.len() == 1 && cut[0] == (0..1);
        assert!(whole(cut(&[0])) && whole(cut(&[1000])));
        assert_eq!(cut(&[MICRO_BATCH_TOKENS - 1, 1, 1, 1000, 0, 2]), [0..1, 1..3, 3..4, 4..6]);
        assert_eq!(cut(&[86; 8]), [0..4, 4..8], "not five and three");
        assert_eq!(cut(&[86; 4]).len(), 1);
    }
}
