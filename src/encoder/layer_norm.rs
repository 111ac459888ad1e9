//! sentence-transformers' `LayerNorm` module.

use super::listed::Listed;
use super::module_weights::ModuleWeights;
use super::reader::Reader;
use crate::Result;
use crate::store::ModelFiles;

/// torch's default. The module does not change it.
const EPS: f64 = 1e-5;

/// The config.json of a norm.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LayerNormConfig {
    pub folder: String,
    pub width: usize,
}

impl Reader<'_> {
    /// Reads the config.json of a norm.
    pub(super) fn layer_norm(&mut self, entry: &Listed) -> Result<LayerNormConfig> {
        let file = entry.file("config.json");
        let config = self.module_config(&file)?;
        match config["dimension"].as_u64() {
            Some(width) if width > 0 => Ok(LayerNormConfig { folder: entry.path.clone(), width: width as usize }),
            _ => Err(self.unusable(&file, "no dimension")),
        }
    }
}

/// A norm with its weights.
pub(crate) struct LayerNorm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl LayerNorm {
    /// Reads the norm's weights.
    ///
    /// # Errors
    /// [`crate::Error::ModelFile`] when weights are missing or of another width.
    pub(crate) fn load(files: &ModelFiles, config: &LayerNormConfig) -> Result<Self> {
        let shape = [config.width];
        let [weight, bias] = ModuleWeights::read(files, &config.folder)?
            .tensors(&[Some(("norm.weight", &shape)), Some(("norm.bias", &shape))])?;
        Ok(Self { weight, bias })
    }

    /// Brings the components to mean 0 and variance 1, then scales and shifts each.
    pub(crate) fn apply(&self, vector: &mut [f32]) {
        let count = vector.len() as f64;
        let mean = vector.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let variance = vector.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
        let scale = 1.0 / (variance + EPS).sqrt();
        for ((x, weight), bias) in vector.iter_mut().zip(&self.weight).zip(&self.bias) {
            *x = ((f64::from(*x) - mean) * scale) as f32 * weight + bias;
        }
    }
}
