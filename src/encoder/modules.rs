//! modules.json: the modules that are applied to a transformer's hidden states, in the order of the
//! list.
//!
//! sentence-transformers passes a table of named features from module to module. The transformer
//! writes `token_embeddings`; a module reads features by name and writes others. A list that
//! nearsort cannot compute is refused with a message that names the reason.

use std::collections::BTreeMap;

use serde_json::Value;

use super::dense::DenseConfig;
use super::layer_norm::LayerNormConfig;
use super::listed::{Listed, SENTENCE, TOKENS, feature_names};
use super::overrides::Overrides;
use super::pooling::Pooling;
use super::reader::{CONFIG, MODULES, PROMPTS, Reader};
use crate::{Error, Result};

/// One step from hidden states to the result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Module {
    /// Pools [`TOKENS`] into [`SENTENCE`].
    Pooling(Pooling),
    /// A linear layer.
    Dense(DenseConfig),
    /// Applies a norm to [`SENTENCE`] in place.
    LayerNorm(LayerNormConfig),
    /// Scales a feature to length 1; for token vectors, each of them.
    Normalize { input: String, output: String },
    /// Keeps the first components of [`SENTENCE`].
    Cut(usize),
}

impl Module {
    /// Returns the module that scales [`SENTENCE`] to length 1 in place.
    pub(crate) fn normalize() -> Self {
        Self::Normalize { input: SENTENCE.into(), output: SENTENCE.into() }
    }
}

/// The shape of a feature at some place of the list; the number is its width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FeatureShape {
    /// A vector per token.
    Tokens(usize),
    /// One vector.
    Vector(usize),
}

impl FeatureShape {
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Tokens(width) | Self::Vector(width) => width,
        }
    }

    fn with_width(self, width: usize) -> Self {
        match self {
            Self::Tokens(_) => Self::Tokens(width),
            Self::Vector(_) => Self::Vector(width),
        }
    }
}

/// The features at the end of a list of modules, by name.
pub(crate) type Shapes = BTreeMap<String, FeatureShape>;

/// Returns the shapes of the features after the modules, from hidden states of width `hidden_size`.
///
/// # Errors
/// A message about the first module that reads a missing feature, or expects another width.
pub(crate) fn shapes(modules: &[Module], hidden_size: usize) -> Result<Shapes, String> {
    let mut shapes = Shapes::from([(TOKENS.to_owned(), FeatureShape::Tokens(hidden_size))]);
    for module in modules {
        step(module, &mut shapes)?;
    }
    Ok(shapes)
}

fn step(module: &Module, shapes: &mut Shapes) -> Result<(), String> {
    let read = |name: &str, who: &str| {
        let missing = || format!("{who} reads '{name}', which no module before it gives");
        shapes.get(name).copied().ok_or_else(missing)
    };
    let fit = |shape: FeatureShape, width: usize, who: &str| match shape.width() {
        found if found == width => Ok(()),
        found => Err(format!("{who} takes {width} components; those before it give {found}")),
    };
    let (output, shape) = match module {
        Module::Pooling(_) => (SENTENCE, FeatureShape::Vector(read(TOKENS, "Pooling")?.width())),
        Module::Dense(dense) => {
            let who = format!("Dense in '{}'", dense.folder);
            let input = read(&dense.input, &who)?;
            fit(input, dense.in_features, &who)?;
            (dense.output.as_str(), input.with_width(dense.out_features))
        }
        Module::LayerNorm(norm) => {
            let who = format!("LayerNorm in '{}'", norm.folder);
            let input = read(SENTENCE, &who)?;
            fit(input, norm.width, &who)?;
            (SENTENCE, input)
        }
        Module::Normalize { input, output } => match shapes.get(input) {
            Some(&shape) => (output.as_str(), shape),
            // sentence-transformers ignores a missing feature.
            None => return Ok(()),
        },
        Module::Cut(width) => (SENTENCE, FeatureShape::Vector(*width)),
    };
    if output == TOKENS && matches!(shape, FeatureShape::Vector(_)) {
        return Err(format!("a module gives one vector as '{TOKENS}', where one per token is expected"));
    }
    shapes.insert(output.to_owned(), shape);
    Ok(())
}

/// Describes a module that is not supported, for the message that refuses it.
fn unsupported(name: &str) -> &'static str {
    match name {
        "Transformer" => "a transformer behind the first module",
        "Router" | "Asym" => "a router, which sends queries and documents through different modules",
        "StaticEmbedding" => "a table of token vectors behind the first module",
        "WordEmbeddings" | "BoW" => "a table of word vectors in place of a transformer",
        "CLIPModel" => "a model of images and texts",
        "CNN" | "LSTM" => "a network of its own over word vectors",
        "WordWeights" => "a weight per word",
        "WeightedLayerPooling" => "a mean over the layers of the transformer",
        "MLMTransformer" | "SpladePooling" | "SparseAutoEncoder" | "SparseStaticEmbedding" | "IDF" | "CSRSparsity" => {
            "part of a sparse encoder, whose vectors have a component per token of the vocabulary"
        }
        "MultiVectorMask" | "TokenPooling" => "part of a late-interaction (ColBERT) model",
        "LogitScore" => "the head of a cross-encoder",
        _ => OTHER,
    }
}

const OTHER: &str = "not a module of sentence-transformers, but Python code of its own";

impl Reader<'_> {
    /// Returns the entries of modules.json; `None` without the file.
    pub(super) fn listed(&self) -> Result<Option<Vec<Listed>>> {
        let Some(list) = self.json(MODULES)? else { return Ok(None) };
        let entries = list.as_array().ok_or_else(|| self.unusable(MODULES, "not a list of modules"))?;
        let text = |entry: &Value, field: &str| entry[field].as_str().map(str::to_owned);
        let listed = entries.iter().map(|entry| {
            let missing = |field| self.unusable(MODULES, &format!("an entry has no '{field}'"));
            let class = text(entry, "type").ok_or_else(|| missing("type"))?;
            let path = text(entry, "path").ok_or_else(|| missing("path"))?;
            // model2vec writes `.` for the model's own folder.
            let path = if path == "." { String::new() } else { path };
            Ok(Listed { class, path, more: more(entry) })
        });
        listed.collect::<Result<Vec<_>>>().map(Some)
    }

    /// Returns the modules after the transformer, as listed.
    pub(super) fn modules(&mut self, listed: &[Listed], hidden_size: usize) -> Result<Vec<Module>> {
        let Some((first, rest)) = listed.split_first() else {
            return Err(self.unusable(MODULES, "lists no modules"));
        };
        if first.name() != "Transformer" || !first.is_known_package() {
            return Err(self.refused(first));
        }
        if !first.path.is_empty() {
            let message = format!("the transformer lies in the folder '{}', which is not supported", first.path);
            return Err(self.unusable(MODULES, &message));
        }
        for entry in listed {
            if !entry.is_known_package() {
                return Err(self.refused(entry));
            }
            if let Some(more) = &entry.more {
                let message =
                    format!("the module '{}' has {more}, which nearsort does not know and leaves out", entry.class);
                self.note(MODULES, message);
            }
        }
        let mut modules = Vec::new();
        for entry in rest {
            let module = self.module(entry, &modules, hidden_size)?;
            modules.extend(module);
        }
        Ok(modules)
    }

    /// Reads one module; `None` for a module that does nothing outside training.
    pub(super) fn module(&mut self, entry: &Listed, before: &[Module], hidden_size: usize) -> Result<Option<Module>> {
        if let Some(config) = self.json(&entry.file("config.json"))?.filter(|_| !entry.path.is_empty()) {
            self.audit_module(entry, &config)?;
        }
        let module = match entry.name() {
            "Pooling" => {
                let shapes = shapes(before, hidden_size).map_err(|message| self.unusable(MODULES, &message))?;
                Module::Pooling(self.pooling(entry, shapes[TOKENS].width(), hidden_size)?)
            }
            "Dense" => Module::Dense(self.dense(entry)?),
            "LayerNorm" => Module::LayerNorm(self.layer_norm(entry)?),
            "Normalize" => self.normalize(entry)?,
            "Dropout" => return Ok(None),
            _ => return Err(self.refused(entry)),
        };
        Ok(Some(module))
    }

    /// Refuses models that sentence-transformers and PyLate load with other classes than
    /// SentenceTransformer.
    pub(super) fn check_kind(&self, config: &Value) -> Result<()> {
        let own = self.json(PROMPTS)?.unwrap_or(Value::Null);
        let is_colbert = |name: &Value| name.as_str().is_some_and(|name| name.contains("ColBERT"));
        if config["architectures"].as_array().into_iter().flatten().any(is_colbert) {
            return Err(self.late_interaction(CONFIG, "names a ColBERT architecture"));
        }
        match own["model_type"].as_str() {
            None | Some("SentenceTransformer" | "CrossEncoder") => Ok(()),
            Some(name @ ("ColBERT" | "MultiVectorEncoder")) => {
                Err(self.late_interaction(PROMPTS, &format!("says model_type = {name}")))
            }
            Some("SparseEncoder") => Err(self.unusable(
                PROMPTS,
                "says model_type = SparseEncoder: this is a sparse encoder, whose vectors have a component per token of the \
                 vocabulary, which is not supported; give an embedding model, such as all-MiniLM-L6-v2",
            )),
            Some(other) => Err(self.unusable(
                PROMPTS,
                &format!("says model_type = {other}; expected SentenceTransformer or CrossEncoder"),
            )),
        }
    }

    /// Returns the error for a late-interaction model of an unsupported form.
    pub(super) fn late_interaction(&self, file: &str, because: &str) -> Error {
        let message = format!(
            "{because}: this is a late-interaction (ColBERT) model of a form that is not supported; PyLate's and Stanford's folders are"
        );
        self.unusable(file, &message)
    }

    pub(super) fn refused(&self, entry: &Listed) -> Error {
        let message = format!(
            "the module '{}' is not supported: it is {}; supported are Transformer or StaticEmbedding (first), Pooling, Dense, LayerNorm, Normalize and Dropout",
            entry.class,
            if entry.is_known_package() { unsupported(entry.name()) } else { OTHER }
        );
        self.unusable(MODULES, &message)
    }

    fn pooling(&mut self, entry: &Listed, width: usize, hidden_size: usize) -> Result<Pooling> {
        let file = entry.file("config.json");
        let config = self.module_config(&file)?;
        let own = config["word_embedding_dimension"].as_u64().or(config["embedding_dimension"].as_u64());
        if let Some(own) = own.filter(|&own| own != width as u64) {
            let message = match width == hidden_size {
                true => format!("says the hidden size is {own}; config.json says {hidden_size}, which is used"),
                false => format!("says the hidden size is {own}; the modules before it give {width}, which is used"),
            };
            self.note(&file, message);
        }
        if config["include_prompt"] == Value::Bool(false) {
            return Err(self.unusable(
                &file,
                "include_prompt is false (pooling without the prompt's tokens), which is not supported",
            ));
        }
        match active_pooling_modes(&config).as_slice() {
            [] => {
                self.note(
                    &file,
                    "names no pooling mode: mean pooling is assumed, as sentence-transformers does".into(),
                );
                Ok(Pooling::Mean)
            }
            [mode] if mode == "cls" => Ok(Pooling::Cls),
            [mode] if mode == "mean" => Ok(Pooling::Mean),
            [mode] if mode == "lasttoken" => Ok(Pooling::LastToken),
            modes => {
                let message =
                    format!("pooling by {} is not supported; supported are cls, mean and lasttoken", modes.join(" + "));
                Err(self.unusable(&file, &message))
            }
        }
    }

    /// Reads a Normalize module. Its config.json is newer than the names of features, so older
    /// models have none.
    fn normalize(&self, entry: &Listed) -> Result<Module> {
        let config = self.json(&entry.file("config.json"))?.filter(|_| !entry.path.is_empty()).unwrap_or(Value::Null);
        let (input, output) = feature_names(&config, SENTENCE);
        Ok(Module::Normalize { input, output })
    }

    /// Reads the config.json of a module that must have one.
    pub(super) fn module_config(&self, file: &str) -> Result<Value> {
        self.json(file)?.ok_or_else(|| self.unusable(file, "the file is missing; modules.json points to it"))
    }
}

/// Returns the first unknown field of an entry, with its value. Empty arguments count as none.
fn more(entry: &Value) -> Option<String> {
    let mut fields = entry.as_object().into_iter().flatten();
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let other =
        fields.find(|(name, value)| !["idx", "name", "path", "type"].contains(&name.as_str()) && !is_empty(value));
    other.map(|(name, value)| format!("'{name}' = {value}"))
}

/// Applies the user's overrides: the pooling, and the number of components to keep.
pub(super) fn overridden(mut modules: Vec<Module>, overrides: &Overrides, full_dim: usize) -> Vec<Module> {
    if let Some(pooling) = overrides.pooling {
        let poolings = modules.iter_mut().filter(|module| matches!(module, Module::Pooling(_)));
        poolings.for_each(|module| *module = Module::Pooling(pooling));
    }
    if let Some(dim) = overrides.dim.filter(|&dim| dim < full_dim) {
        // The cut comes before the last norm, so that the vector is scaled once.
        if modules.last() == Some(&Module::normalize()) {
            modules.pop();
        }
        modules.extend([Module::Cut(dim), Module::normalize()]);
    }
    modules
}

/// Returns the modules with another end: cut to `dim` components, and normalised or not. Two cuts
/// count as one, and so do two norms.
pub(super) fn ended(mut modules: Vec<Module>, dim: Option<usize>, normalize: bool) -> Vec<Module> {
    while modules.last() == Some(&Module::normalize()) {
        modules.pop();
    }
    if let Some(dim) = dim {
        modules.pop_if(|module| matches!(module, Module::Cut(_)));
        modules.push(Module::Cut(dim));
    }
    modules.extend(normalize.then(Module::normalize));
    modules
}

/// Reads both forms of a pooling config: `pooling_mode` (a name or names), and one flag per mode.
fn active_pooling_modes(config: &Value) -> Vec<String> {
    const FLAGS: [(&str, &str); 6] = [
        ("pooling_mode_cls_token", "cls"),
        ("pooling_mode_max_tokens", "max"),
        ("pooling_mode_mean_tokens", "mean"),
        ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"),
        ("pooling_mode_weightedmean_tokens", "weightedmean"),
        ("pooling_mode_lasttoken", "lasttoken"),
    ];
    match &config["pooling_mode"] {
        Value::String(mode) => vec![mode.clone()],
        Value::Array(modes) => modes.iter().filter_map(|mode| mode.as_str().map(str::to_owned)).collect(),
        _ => FLAGS
            .iter()
            .filter(|(flag, _)| config[*flag] == Value::Bool(true))
            .map(|(_, mode)| (*mode).to_owned())
            .collect(),
    }
}
