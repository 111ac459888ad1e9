//! How local models are loaded and run.

use std::fmt;
use std::sync::Arc;

use super::overrides::Overrides;
use super::{Engine, Precision};
use crate::candle_backend::Device;

/// Called with the number of texts just finished; from any thread.
pub type ProgressFn = Arc<dyn Fn(usize) + Send + Sync>;

/// How a local model is loaded and run.
#[derive(Clone)]
pub struct LocalEncoderOptions {
    /// Where the forward pass runs.
    pub device: Device,
    /// Threads for tokenizing and the forward pass; `None`: rayon's global pool, one per core.
    pub threads: Option<usize>,
    /// What computes the forward pass; `None`: the native engine if it can, else candle.
    pub engine: Option<Engine>,
    /// Arithmetic of the forward pass; `None`: [`Precision::fastest`] by the native engine, f32 by candle.
    pub precision: Option<Precision>,
    /// Tokens per batch, padding included. More needs more memory; on a GPU it is faster up to a point.
    pub batch_tokens: usize,
    /// What overrides the model's own files.
    pub overrides: Overrides,
    /// Told about every finished text.
    pub progress: Option<ProgressFn>,
}

impl Default for LocalEncoderOptions {
    fn default() -> Self {
        Self {
            device: Device::Cpu,
            threads: None,
            engine: None,
            precision: None,
            batch_tokens: 16_384,
            overrides: Overrides::default(),
            progress: None,
        }
    }
}

impl fmt::Debug for LocalEncoderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEncoderOptions")
            .field("device", &self.device)
            .field("threads", &self.threads)
            .field("engine", &self.engine)
            .field("precision", &self.precision)
            .field("batch_tokens", &self.batch_tokens)
            .field("overrides", &self.overrides)
            .finish_non_exhaustive()
    }
}
