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

    /// These tensors in f32, in the order of `wanted`: names and shapes. Any other tensor would belong
    /// to a module that computes something else, so it is an error.
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
        if view.shape() != shape {
            return Err(self.unusable(format!("{name} has the shape {:?}, expected {shape:?}", view.shape())));
        }
        let float = Float::of(view.dtype()).map_err(|wrong| self.unusable(format!("{name} has weights of {wrong}")))?;
        let mut values = vec![0.0; view.shape().iter().product()];
        float.read(view.data(), &mut values);
        match values.iter().position(|value| !value.is_finite()) {
            Some(at) => Err(self
                .unusable(format!("a weight is not finite ({} at {at} of {name}); fetch the model again", values[at]))),
            None => Ok(values),
        }
    }

    fn unusable(&self, message: String) -> Error {
        Error::ModelFile { path: self.path.clone(), message }
    }
}
