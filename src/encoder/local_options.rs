//! Options for loading and running local models.

use super::overrides::Overrides;
use super::{Engine, Precision};
use crate::candle_backend::Device;

/// Options for loading and running a local model.
#[derive(Debug, Clone)]
pub struct LocalEncoderOptions {
    /// The device of the forward pass.
    pub device: Device,
    /// Number of threads for tokenizing and the forward pass; `None`: rayon's global pool, one per
    /// core.
    pub threads: Option<usize>,
    /// The engine of the forward pass; `None`: the native engine if it can, else candle.
    pub engine: Option<Engine>,
    /// The arithmetic of the forward pass; `None`: [`Precision::fastest`] for the native engine,
    /// f32 for candle.
    pub precision: Option<Precision>,
    /// Maximum number of tokens per batch, padding included. A larger batch needs more memory; on a
    /// GPU it is faster up to a point. Concurrent calls share the batches of a GPU.
    pub batch_tokens: usize,
    /// The settings that override the model's own files.
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
