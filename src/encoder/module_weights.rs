//! The weights of one module of modules.json.

use std::path::PathBuf;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::engine::Float;
use crate::store::ModelFiles;
use crate::{Error, Result};

/// The bytes of a module's model.safetensors.
pub(super) struct ModuleWeights {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl ModuleWeights {
    /// Reads the file in `folder`.
    pub fn read(files: &ModelFiles, folder: &str) -> Result<Self> {
        let path = files.dir.join(folder);
        match files.read(&format!("{folder}/model.safetensors"))? {
            Some(bytes) => Ok(Self { path, bytes }),
            None => {
                let message = "model.safetensors is missing; nearsort reads no pickles (pytorch_model.bin), which can run code when opened";
                Err(Error::ModelFile { path, message: message.into() })
            }
        }
    }

    /// Returns the tensors in `wanted` (names and shapes) in f32, in the same order. Any other
    /// tensor is an error, because it would belong to a module that computes something else.
    pub fn tensors<const N: usize>(&self, wanted: &[Option<(&str, &[usize])>; N]) -> Result<[Vec<f32>; N]> {
        let file =
            SafeTensors::deserialize(&self.bytes).map_err(|e| self.unusable(format!("model.safetensors: {e}")))?;
        let names: Vec<&str> = wanted.iter().flatten().map(|(name, _)| *name).collect();
        if let Some(other) = file.names().into_iter().find(|name| !names.contains(name)) {
            return Err(self.unusable(format!(
                "model.safetensors has a tensor '{other}', which its config.json says nothing of; expected {}",
                names.join(" and ")
            )));
        }
        let mut values = [const { Vec::new() }; N];
        for (to, (name, shape)) in values.iter_mut().zip(wanted).filter_map(|(to, want)| Some((to, (*want)?))) {
            let tensor = file.tensor(name).map_err(|e| self.unusable(e.to_string()))?;
            *to = self.floats(name, &tensor, shape)?;
        }
        Ok(values)
    }

    fn floats(&self, name: &str, view: &TensorView<'_>, shape: &[usize]) -> Result<Vec<f32>> {
        floats(name, view, shape).map_err(|message| self.unusable(message))
    }

    fn unusable(&self, message: String) -> Error {
        Error::ModelFile { path: self.path.clone(), message }
    }
}

/// Returns a tensor of this shape in f32.
fn floats(name: &str, view: &TensorView<'_>, shape: &[usize]) -> Result<Vec<f32>, String> {
    if view.shape() != shape {
        return Err(format!("{name} has the shape {:?}, expected {shape:?}", view.shape()));
    }
    let float = Float::of(view.dtype()).map_err(|wrong| format!("{name} has weights of {wrong}"))?;
    let mut values = vec![0.0; view.shape().iter().product()];
    float.read(view.data(), &mut values);
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(format!("a weight is not finite ({} at {at} of {name}); fetch the model again", values[at])),
        None => Ok(values),
    }
}

/// The name of the tensor with the projection of Stanford's ColBERT, among the weights of the
/// encoder.
const PROJECTION: &str = "linear.weight";

/// Returns the shape of the projection of one of Stanford's checkpoints: outputs and inputs.
///
/// # Errors
/// [`Error::ModelFile`] when there is no projection.
pub(super) fn stanford_shape(files: &ModelFiles) -> Result<[usize; 2]> {
    with_projection(files, |view| match view.shape() {
        &[out, width] if out > 0 && width > 0 => Ok([out, width]),
        other => Err(format!("{PROJECTION} has the shape {other:?}, expected two numbers from 1")),
    })
}

/// Reads the projection of one of Stanford's checkpoints.
pub(super) fn stanford_projection(files: &ModelFiles, shape: &[usize; 2]) -> Result<Vec<f32>> {
    with_projection(files, |view| floats(PROJECTION, view, shape))
}

/// Finds the projection in the weights files and reads it.
fn with_projection<T>(files: &ModelFiles, read: impl Fn(&TensorView<'_>) -> Result<T, String>) -> Result<T> {
    let paths = files.weights()?;
    for (mapped, path) in files.map_weights()?.iter().zip(&paths) {
        let unusable = |message: String| Error::ModelFile { path: path.clone(), message };
        let tensors = SafeTensors::deserialize(mapped.bytes()).map_err(|e| unusable(e.to_string()))?;
        if let Ok(view) = tensors.tensor(PROJECTION) {
            return read(&view).map_err(unusable);
        }
    }
    let message = format!("no tensor '{PROJECTION}', which a ColBERT model projects its tokens with");
    Err(Error::ModelFile { path: files.dir.join("model.safetensors"), message })
}
