//! sentence-transformers' `Dense` module: a linear layer with an activation and an optional
//! residual connection.

use serde_json::Value;

use super::listed::{Listed, SENTENCE, TOKENS, feature_names};
use super::module_weights::{ModuleWeights, stanford_projection};
use super::reader::Reader;
use crate::Result;
use crate::kernels::{self, Kernels, padded_len};
use crate::store::ModelFiles;

/// An activation, named after torch's class with its default arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DenseActivation {
    Identity,
    Tanh,
    Relu,
    /// The exact GELU, by erf.
    Gelu,
    /// Swish.
    Silu,
    Sigmoid,
}

const ACTIVATIONS: [(&str, DenseActivation); 6] = [
    ("Identity", DenseActivation::Identity),
    ("Tanh", DenseActivation::Tanh),
    ("ReLU", DenseActivation::Relu),
    ("GELU", DenseActivation::Gelu),
    ("SiLU", DenseActivation::Silu),
    ("Sigmoid", DenseActivation::Sigmoid),
];

impl DenseActivation {
    /// Returns the activation of a class path, such as `torch.nn.modules.activation.Tanh`.
    /// sentence-transformers loads only torch's own.
    fn of(path: &str) -> Option<Self> {
        let name = path.strip_prefix("torch.")?.rsplit('.').next()?;
        ACTIVATIONS.iter().find(|(known, _)| *known == name).map(|(_, activation)| *activation)
    }

    /// Applies the activation to every component.
    fn apply(self, kernels: &Kernels, vector: &mut Vec<f32>) {
        let known = match self {
            Self::Identity => return,
            Self::Tanh => return vector.iter_mut().for_each(|x| *x = x.tanh()),
            Self::Sigmoid => return vector.iter_mut().for_each(|x| *x = 1.0 / (1.0 + (-*x).exp())),
            Self::Relu => kernels::Activation::Relu,
            Self::Gelu => kernels::Activation::Gelu,
            Self::Silu => kernels::Activation::Silu,
        };
        let width = vector.len();
        vector.resize(padded_len(width), 0.0);
        kernels.elementwise.activate(known, vector);
        vector.truncate(width);
    }
}

/// The config.json of a dense layer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DenseConfig {
    /// The layer's folder; empty if its weight is among those of the model.
    pub folder: String,
    /// The name of the feature that the layer reads.
    pub input: String,
    /// The name of the feature that the layer writes.
    pub output: String,
    pub in_features: usize,
    pub out_features: usize,
    has_bias: bool,
    activation: DenseActivation,
    use_residual: bool,
}

impl DenseConfig {
    /// Returns the projection of tokens that is among a model's own weights (Stanford's ColBERT).
    pub(super) fn of_model(in_features: usize, out_features: usize) -> Self {
        Self {
            folder: String::new(),
            input: TOKENS.to_owned(),
            output: TOKENS.to_owned(),
            in_features,
            out_features,
            has_bias: false,
            activation: DenseActivation::Identity,
            use_residual: false,
        }
    }
}

impl Reader<'_> {
    /// Reads the config.json of a dense layer.
    pub(super) fn dense(&mut self, entry: &Listed) -> Result<DenseConfig> {
        let file = entry.file("config.json");
        let config = self.module_config(&file)?;
        let width = |field: &str| match config[field].as_u64() {
            Some(width) if width > 0 => Ok(width as usize),
            _ => Err(self.unusable(&file, &format!("no {field}"))),
        };
        let flag = |field: &str, default: bool| match &config[field] {
            Value::Null => Ok(default),
            Value::Bool(value) => Ok(*value),
            other => Err(self.unusable(&file, &format!("{field} is {other}, expected true or false"))),
        };
        // PyLate's layers project the tokens, but do not name the feature.
        let default = if entry.is_pylate() { TOKENS } else { SENTENCE };
        let (input, output) = feature_names(&config, default);
        Ok(DenseConfig {
            folder: entry.path.clone(),
            input,
            output,
            in_features: width("in_features")?,
            out_features: width("out_features")?,
            has_bias: flag("bias", true)?,
            activation: self.activation(&config, &file)?,
            use_residual: flag("use_residual", false)?,
        })
    }

    fn activation(&self, config: &Value, file: &str) -> Result<DenseActivation> {
        let Some(value) = config.get("activation_function") else { return Ok(DenseActivation::Tanh) };
        value.as_str().and_then(DenseActivation::of).ok_or_else(|| {
            let names = ACTIVATIONS.map(|(name, _)| name).join(", ");
            let shown = value.as_str().map_or_else(|| value.to_string(), |name| format!("'{name}'"));
            self.unusable(file, &format!("the activation {shown} is not supported; supported are torch's {names}"))
        })
    }
}

/// A dense layer; matrices are row-major `[out, in]`.
pub(crate) struct Dense {
    config: DenseConfig,
    weight: Vec<f32>,
    /// Empty without a bias.
    bias: Vec<f32>,
    /// The projection of the input for a residual connection; empty if the widths are equal.
    residual: Vec<f32>,
    kernels: &'static Kernels,
}

impl Dense {
    /// Reads the layer's weights.
    ///
    /// # Errors
    /// [`crate::Error::ModelFile`] when they are missing or do not match the layer's config.json.
    pub(crate) fn load(files: &ModelFiles, config: &DenseConfig, kernels: &'static Kernels) -> Result<Self> {
        let shape = [config.out_features, config.in_features];
        if config.folder.is_empty() {
            let weight = stanford_projection(files, &shape)?;
            return Ok(Self { config: config.clone(), weight, bias: Vec::new(), residual: Vec::new(), kernels });
        }
        let projects = config.use_residual && config.in_features != config.out_features;
        let [weight, bias, residual] = ModuleWeights::read(files, &config.folder)?.tensors(&[
            Some(("linear.weight", &shape)),
            config.has_bias.then_some(("linear.bias", &shape[..1])),
            projects.then_some(("residual.weight", &shape)),
        ])?;
        Ok(Self { config: config.clone(), weight, bias, residual, kernels })
    }

    pub(crate) fn config(&self) -> &DenseConfig {
        &self.config
    }

    /// Returns `activation(weight x + bias)`; with a residual connection, plus `x` or its
    /// projection.
    pub(crate) fn apply(&self, vector: &[f32]) -> Vec<f32> {
        let mut out = self.product(vector, &self.weight);
        out.iter_mut().zip(&self.bias).for_each(|(y, b)| *y += b);
        self.config.activation.apply(self.kernels, &mut out);
        if self.config.use_residual {
            let add = |out: &mut [f32], from: &[f32]| out.iter_mut().zip(from).for_each(|(y, x)| *y += x);
            match self.residual.is_empty() {
                true => add(&mut out, vector),
                false => add(&mut out, &self.product(vector, &self.residual)),
            }
        }
        out
    }

    fn product(&self, vector: &[f32], weight: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.config.out_features];
        self.kernels.dot_f32.rows(vector, weight, &mut out);
        out
    }
}
