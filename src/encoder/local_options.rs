//! How local models are loaded and run.

use super::overrides::Overrides;
use super::{Engine, Precision};
use crate::candle_backend::Device;

/// How a local model is loaded and run.
#[derive(Debug, Clone)]
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
        }
    }
}
