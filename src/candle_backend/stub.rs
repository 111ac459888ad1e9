//! A stub of the backend for builds without the `candle` feature.

use std::path::PathBuf;

use super::Device;
use crate::call::Call;
use crate::engine::{Backend, HiddenSink, RaggedBatch};
use crate::{Error, Result};

/// A type without values: [`CandleBackend::load`] always fails.
#[derive(Debug)]
pub enum CandleBackend {}

impl CandleBackend {
    /// Always fails.
    ///
    /// # Errors
    /// Always [`Error::FeatureOff`].
    pub fn load(_: &serde_json::Value, _: &[PathBuf], _: Device, _: usize) -> Result<Self> {
        Err(Error::FeatureOff { feature: "candle" })
    }

    /// Always fails.
    ///
    /// # Errors
    /// Always [`Error::FeatureOff`].
    pub(crate) fn load_shared(
        config: &serde_json::Value,
        files: &[PathBuf],
        device: Device,
        max_tokens: usize,
        _: usize,
    ) -> Result<Box<dyn Backend>> {
        Ok(Box::new(Self::load(config, files, device, max_tokens)?))
    }
}

impl Backend for CandleBackend {
    fn hidden_size(&self) -> usize {
        match *self {}
    }

    fn forward(&self, _: &RaggedBatch, _: usize, _: &Call<'_>, _: &HiddenSink<'_>) -> Result<()> {
        match *self {}
    }
}
