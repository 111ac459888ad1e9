//! sentence-transformers' `Dense` module: a linear layer with an activation, applied to the pooled vector.

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;

use crate::engine::Float;
use crate::store::ModelFiles;
use crate::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activation {
    Identity,
    Tanh,
}

/// One layer; `weight` is row-major `[out, in]`.
pub(crate) struct Dense {
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    activation: Activation,
}

impl Dense {
    /// Reads `folder/config.json` and `folder/model.safetensors` of a layer that takes `in_features` components.
    pub(crate) fn load(files: &ModelFiles, folder: &str, in_features: usize) -> Result<Self> {
        let path = files.dir.join(folder);
        let unusable = |message: String| Error::ModelFile { path: path.clone(), message };
        let config =
            files.read(&format!("{folder}/config.json"))?.ok_or_else(|| unusable("config.json is missing".into()))?;
        let config: serde_json::Value =
            serde_json::from_slice(&config).map_err(|e| unusable(format!("config.json: {e}")))?;
        let activation = match config["activation_function"].as_str().and_then(|name| name.rsplit('.').next()) {
            Some("Identity") => Activation::Identity,
            Some("Tanh") | None => Activation::Tanh,
            Some(other) => {
                return Err(unusable(format!(
                    "the activation '{other}' is not supported; supported are Identity and Tanh"
                )));
            }
        };
        let bytes = files.read(&format!("{folder}/model.safetensors"))?.ok_or_else(|| {
            unusable("model.safetensors is missing; nearsort reads no pickles (pytorch_model.bin), which can run code when opened".into())
        })?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| unusable(format!("model.safetensors: {e}")))?;
        let weight = tensors.tensor("linear.weight").map_err(|e| unusable(e.to_string()))?;
        let bias = tensors.tensor("linear.bias").ok();
        let width = |field: &str| config[field].as_u64().unwrap_or(0) as usize;
        if weight.shape() != [width("out_features"), in_features] {
            return Err(unusable(format!(
                "linear.weight has the shape {:?}, expected [{}, {in_features}]",
                weight.shape(),
                width("out_features")
            )));
        }
        if bias.as_ref().is_some_and(|bias| bias.shape() != [width("out_features")]) {
            return Err(unusable("linear.bias has another length than out_features".into()));
        }
        let floats = |view: &TensorView<'_>| to_f32(view).map_err(&unusable);
        Ok(Self { weight: floats(&weight)?, bias: bias.as_ref().map(floats).transpose()?, activation })
    }

    pub(crate) fn out_features(&self, in_features: usize) -> usize {
        self.weight.len() / in_features
    }

    pub(crate) fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let rows = self.weight.chunks_exact(vector.len());
        let linear = rows.enumerate().map(|(out, row)| {
            let bias = self.bias.as_ref().map_or(0.0, |bias| bias[out]);
            row.iter().zip(vector).map(|(w, x)| w * x).sum::<f32>() + bias
        });
        match self.activation {
            Activation::Identity => linear.collect(),
            Activation::Tanh => linear.map(f32::tanh).collect(),
        }
    }
}

fn to_f32(view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let float = Float::of(view.dtype()).map_err(|wrong| format!("weights of {wrong}"))?;
    let mut values = vec![0.0; view.shape().iter().product()];
    float.read(view.data(), &mut values);
    match values.iter().position(|x| !x.is_finite()) {
        None => Ok(values),
        Some(at) => Err(format!("a weight is not finite ({} at {at}); fetch the model again", values[at])),
    }
}
