//! The choice of the engine for a model, and loading the model into it.

use std::sync::Arc;

use serde_json::Value;

use super::local_options::LocalEncoderOptions;
use super::{Engine, Precision};
use crate::candle_backend::{CandleBackend, Device};
use crate::engine::{Backend, NativeBackend, WeightsFile};
use crate::kernels::Kernels;
use crate::store::{MappedFile, ModelFiles};
use crate::{Error, Result};

/// Chooses the engine and the precision for the options.
pub(super) fn choose(config: &Value, options: &LocalEncoderOptions) -> Result<(Engine, Precision)> {
    let refused = |message: String| Err(Error::InvalidArgument(message));
    let native = NativeBackend::check(config);
    let engine = match (options.engine, options.device) {
        (None | Some(Engine::Candle), device) if device != Device::Cpu => Engine::Candle,
        (Some(Engine::Native), device) if device != Device::Cpu => {
            return refused(format!("the native engine runs on the CPU, not on {device}; leave `engine=` out"));
        }
        (Some(Engine::Candle), _) => Engine::Candle,
        (Some(Engine::Native), _) => native.map(|()| Engine::Native)?,
        (None, _) => match (native, options.precision) {
            (Ok(()), _) => Engine::Native,
            // candle has no such model, so the error is about what the native engine lacks.
            (Err(lacking), _) if config["model_type"] == "deberta-v2" => return Err(lacking),
            (Err(_), None | Some(Precision::F32)) => Engine::Candle,
            (Err(lacking), Some(_)) => return Err(lacking),
        },
    };
    match (engine, options.precision) {
        (Engine::Native, precision) => Ok((engine, precision.unwrap_or(Precision::fastest(Kernels::best())))),
        (Engine::Candle, None | Some(Precision::F32)) => Ok((engine, Precision::F32)),
        (Engine::Candle, Some(precision)) => refused(format!(
            "candle computes in f32, not in {precision}; use `precision=f32`, or the native engine on the CPU"
        )),
    }
}

/// Loads the model of `config` (config.json). candle's position tables are built for `max_tokens`.
/// On a GPU a batch has at most `batch_tokens` tokens.
pub(super) fn load_backend(
    files: &ModelFiles,
    config: &Value,
    (engine, precision): (Engine, Precision),
    device: Device,
    max_tokens: usize,
    batch_tokens: usize,
) -> Result<Box<dyn Backend>> {
    match engine {
        Engine::Native => {
            let weights = map_weights(files)?;
            Ok(Box::new(NativeBackend::load(config, weights, &files.dir, precision, Kernels::best())?))
        }
        Engine::Candle => CandleBackend::load_shared(config, &files.weights()?, device, max_tokens, batch_tokens),
    }
}

/// Maps the weights in the form that the engine takes.
pub(super) fn map_weights(files: &ModelFiles) -> Result<Vec<Arc<dyn WeightsFile>>> {
    let mapped = files.map_weights()?.into_iter();
    Ok(mapped.map(|file| Arc::new(Mapped(file)) as Arc<dyn WeightsFile>).collect())
}

/// The store's mapping in the form that the engine takes. Store and engine do not depend on each
/// other.
struct Mapped(MappedFile);

impl WeightsFile for Mapped {
    fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    fn release(&self) {
        self.0.release();
    }
}
