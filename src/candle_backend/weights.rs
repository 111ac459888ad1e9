//! Tensors by the names that candle's architectures request, from files with other names.
//!
//! Checkpoints of one architecture differ in a root prefix (`bert.`, `model.`, none). DistilBERT is
//! BERT with other names and without token types. One adapter between the files and candle's
//! `VarBuilder` covers both, so that the same code loads every checkpoint of an architecture.

use std::path::PathBuf;

use candle_core::safetensors::MmapedSafetensors;
use candle_core::{DType, Device, Error as CandleError, Result as CandleResult, Shape, Tensor};
use candle_nn::VarBuilder;
use candle_nn::var_builder::SimpleBackend;

use crate::engine::{Float, distilbert_name, first_not_finite, root_prefix};
use crate::{Error, Result};

/// The mapping of requested names to names in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// The requested names, unchanged.
    Plain,
    /// The requested names without candle's leading `model.`, which is not part of the
    /// architecture.
    ModelPrefix,
    /// DistilBERT's names in the file for BERT's names in requests.
    DistilBert,
}

const TOKEN_TYPES: &str = "embeddings.token_type_embeddings.weight";

struct CandleWeights {
    tensors: MmapedSafetensors,
    /// The prefix of every name in the file.
    root: String,
    naming: Naming,
    /// The name of the table of word embeddings in the file.
    words: String,
}

/// Maps the safetensors files and returns them as a `VarBuilder` of f32 tensors on `device`.
///
/// `anchor` is a tensor that every checkpoint of the architecture has. Its prefix in the file is
/// the root prefix of all names.
pub(super) fn open(paths: &[PathBuf], anchor: &str, naming: Naming, device: &Device) -> Result<VarBuilder<'static>> {
    let shown = paths.first().cloned().unwrap_or_default();
    let unusable = |message: String| Error::ModelFile { path: shown.clone(), message };
    let tensors = map(paths)?;
    let names = tensors.tensors();
    let root = root_prefix(names.iter().map(|(name, _)| name.as_str()), anchor).ok_or_else(|| {
        unusable(format!("no tensor '{anchor}': these are not weights of the architecture in config.json"))
    })?;
    let words = format!("{root}{anchor}");
    let backend = CandleWeights { tensors, root, naming, words };
    Ok(VarBuilder::from_backend(Box::new(backend), DType::F32, device.clone()))
}

/// Returns the bytes of all tensors in f32.
pub(super) fn bytes(paths: &[PathBuf]) -> Result<u64> {
    let numbers = |shape: &[usize]| shape.iter().map(|&size| size as u64).product::<u64>();
    Ok(map(paths)?.tensors().iter().map(|(_, tensor)| 4 * numbers(tensor.shape())).sum())
}

fn map(paths: &[PathBuf]) -> Result<MmapedSafetensors> {
    let shown = paths.first().cloned().unwrap_or_default();
    let unusable =
        |e: CandleError| Error::ModelFile { path: shown, message: format!("not a readable safetensors file: {e}") };
    // SAFETY: the store replaces model files by renaming, never in place, and a mapping keeps the
    // old file. A program that truncates a mapped file is outside what a mapping can prevent.
    unsafe { MmapedSafetensors::multi(paths) }.map_err(unusable)
}

impl CandleWeights {
    fn name_in_file(&self, asked: &str) -> String {
        let name = match self.naming {
            Naming::Plain => asked.to_owned(),
            Naming::ModelPrefix => asked.strip_prefix("model.").unwrap_or(asked).to_owned(),
            Naming::DistilBert => distilbert_name(asked),
        };
        format!("{}{name}", self.root)
    }

    /// Refuses types that the native engine does not read either, and NaN and infinity, which
    /// maxima and activations would hide. The table of words is not checked: bad numbers there
    /// reach the hidden state of their token, where they are seen, and do not affect other texts.
    fn check_numbers(&self, name: &str) -> Result<(), String> {
        // A missing tensor is reported where it is loaded.
        let Ok(view) = self.tensors.get(name) else { return Ok(()) };
        Float::of(view.dtype()).map_err(|wrong| format!("the tensor '{name}' is of {wrong}"))?;
        let found = if name == self.words { None } else { first_not_finite(view.dtype(), view.data()) };
        found.map_or(Ok(()), |at| {
            Err(format!("'{name}' holds a number that is not finite (at {at}); fetch the model again"))
        })
    }
}

impl SimpleBackend for CandleWeights {
    fn get(&self, shape: Shape, name: &str, _: candle_nn::Init, dtype: DType, device: &Device) -> CandleResult<Tensor> {
        if self.naming == Naming::DistilBert && name == TOKEN_TYPES {
            return Tensor::zeros(shape, dtype, device);
        }
        let tensor = self.get_unchecked(name, dtype, device)?;
        if tensor.shape() != &shape {
            let found = tensor.shape().clone();
            return Err(CandleError::UnexpectedShape {
                msg: format!("the tensor '{}' has another shape than config.json says", self.name_in_file(name)),
                expected: shape,
                got: found,
            });
        }
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> CandleResult<Tensor> {
        let name = self.name_in_file(name);
        self.check_numbers(&name).map_err(CandleError::Msg)?;
        self.tensors.load(&name, device)?.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.tensors.get(&self.name_in_file(name)).is_ok()
    }
}
