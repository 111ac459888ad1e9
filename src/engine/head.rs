//! The classification heads of cross-encoders, as in transformers' `...ForSequenceClassification`:
//! a dense layer over one vector of the sequence, and a linear layer to the labels.
//!
//! | family | vector | dense layer | labels |
//! |---|---|---|---|
//! | BERT | first token | `pooler.dense`, tanh | `classifier` |
//! | DistilBERT | first token | `pre_classifier`, relu | `classifier` |
//! | RoBERTa | first token | `classifier.dense`, tanh | `classifier.out_proj` |
//! | ELECTRA | first token | `classifier.dense`, gelu | `classifier.out_proj` |
//! | DeBERTa-v2 | first token | `pooler.dense`, gelu or by `pooler_hidden_act` | `classifier` |
//! | ModernBERT | first token or mean | `head.dense`, gelu, `head.norm` | `classifier` |
//!
//! The head is in f32 for any precision of the layers: it costs 150,000 multiply-adds per pair,
//! once.

use std::path::Path;
use std::sync::Arc;

use ndarray::{ArrayView2, Axis};
use serde_json::Value;

use super::config::{Config, ConfigReader, Family};
use super::native::{open_tensors, unsupported};
use super::norm::Norm;
use super::weights::{Tensors, WeightsFile};
use crate::kernels::{Activation, Kernels, padded_len};
use crate::{Error, Result};

/// A head that computes logits from an encoder's last hidden states, for any backend.
pub struct ClassificationHead {
    kernels: &'static Kernels,
    mean: bool,
    dense: HeadLayer,
    activation: Function,
    norm: Option<Norm>,
    labels: HeadLayer,
}

#[derive(Clone, Copy)]
enum Function {
    Tanh,
    Of(Activation),
}

/// `weight` is row-major `[out, in]`; `bias` may be empty.
struct HeadLayer {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl HeadLayer {
    /// Loads a layer whose bias may be missing.
    fn load(tensors: &Tensors, name: &str, (out, input): (usize, usize)) -> Result<Self> {
        let weight = tensors.values_exactly(&format!("{name}.weight"), &[out, input])?;
        let bias_name = format!("{name}.bias");
        let bias = match tensors.contains_exactly(&bias_name) {
            true => tensors.values_exactly(&bias_name, &[out])?,
            false => Vec::new(),
        };
        Ok(Self { weight, bias })
    }

    fn apply(&self, kernels: &Kernels, input: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.weight.len() / input.len()];
        kernels.dot_f32.rows(input, &self.weight, &mut out);
        out.iter_mut().zip(&self.bias).for_each(|(y, b)| *y += b);
        out
    }
}

/// Returns the activation of DeBERTa-v2's pooler, which must be as wide as the layers.
fn pooler_activation(json: &Value) -> Result<Function, String> {
    let width = &json["pooler_hidden_size"];
    if !width.is_null() && *width != json["hidden_size"] {
        return Err(format!("'pooler_hidden_size' is {width}, and 'hidden_size' is {}", json["hidden_size"]));
    }
    match json["pooler_hidden_act"].as_str() {
        Some("tanh") => Ok(Function::Tanh),
        _ => ConfigReader(json).activation("pooler_hidden_act").map(Function::Of),
    }
}

fn unsupported_classifier() -> Error {
    Error::UnsupportedArchitecture {
        found: "Qwen3ForSequenceClassification as a cross-encoder".into(),
        supported: "Qwen3ForCausalLM, which answers yes or no".into(),
    }
}

impl ClassificationHead {
    /// Loads the head of the model of `json` (config.json), whose tensors are beside the encoder's.
    /// `folder` is for messages.
    ///
    /// # Errors
    /// [`crate::Error::UnsupportedArchitecture`]; [`crate::Error::ModelFile`] when the head is
    /// missing in the weights or has another shape.
    pub fn load(
        json: &Value,
        files: Vec<Arc<dyn WeightsFile>>,
        folder: &Path,
        kernels: &'static Kernels,
    ) -> Result<Self> {
        let config = Config::read(json).map_err(unsupported)?;
        let tensors = open_tensors(&config, files, folder)?;
        let pooler = format!("{}pooler.dense", tensors.root());
        let (dense, labels, activation) = match config.family {
            Family::Bert => (pooler.as_str(), "classifier", Function::Tanh),
            Family::DistilBert => ("pre_classifier", "classifier", Function::Of(Activation::Relu)),
            Family::Roberta => ("classifier.dense", "classifier.out_proj", Function::Tanh),
            Family::Electra => ("classifier.dense", "classifier.out_proj", Function::Of(Activation::Gelu)),
            Family::DebertaV2 => ("pooler.dense", "classifier", pooler_activation(json).map_err(unsupported)?),
            Family::ModernBert => ("head.dense", "classifier", Function::Of(Activation::Gelu)),
            Family::Qwen3 => return Err(unsupported_classifier()),
        };
        if let Some(name) = [dense, labels].iter().find(|name| !tensors.contains_exactly(&format!("{name}.weight"))) {
            return Err(tensors.unusable(format!(
                "no tensor '{name}.weight': the model has no classification head, so it is not a cross-encoder"
            )));
        }
        let pooling = &json["classifier_pooling"];
        let activation_name = json["classifier_activation"].as_str().unwrap_or("gelu");
        if config.family == Family::ModernBert && activation_name != "gelu" {
            return Err(tensors.unusable(format!("a head with the activation '{activation_name}' is not supported")));
        }
        let hidden = config.hidden_size;
        let norm = (config.family == Family::ModernBert).then(|| {
            let gamma = tensors.values_exactly("head.norm.weight", &[hidden])?;
            Ok::<_, Error>(Norm::new(&gamma, &[], config.norm_eps))
        });
        let num_labels = json["id2label"].as_object().map_or(2, |labels| labels.len());
        let head = Self {
            kernels,
            mean: config.family == Family::ModernBert && pooling == "mean",
            dense: HeadLayer::load(&tensors, dense, (hidden, hidden))?,
            activation,
            norm: norm.transpose()?,
            labels: HeadLayer::load(&tensors, labels, (num_labels, hidden))?,
        };
        tensors.release();
        Ok(head)
    }

    /// Returns one number per label, from the last hidden states of a sequence, `[tokens,
    /// hidden_size]`. A sequence without tokens counts as zeros.
    pub fn logits(&self, hidden: ArrayView2<'_, f32>) -> Vec<f32> {
        let vector = match hidden.mean_axis(Axis(0)) {
            Some(mean) if self.mean => mean.to_vec(),
            Some(_) => hidden.row(0).to_vec(),
            None => vec![0.0; hidden.ncols()],
        };
        let width = vector.len();
        let mut inner = self.dense.apply(self.kernels, &vector);
        inner.resize(padded_len(width), 0.0);
        match self.activation {
            Function::Tanh => inner.iter_mut().for_each(|x| *x = x.tanh()),
            Function::Of(activation) => self.kernels.elementwise.activate(activation, &mut inner),
        }
        if let Some(norm) = &self.norm {
            norm.apply(self.kernels, &mut inner);
        }
        self.labels.apply(self.kernels, &inner[..width])
    }
}
