//! Static models: a table of token vectors and a mean, as model2vec and sentence-transformers'
//! `StaticEmbedding` save it.
//!
//! model2vec leaves unknown tokens out, and cuts a text twice: at its limit times the median length
//! of a token in characters, then at its limit in tokens. sentence-transformers keeps unknown
//! tokens, and cuts only where tokenizer.json does. Neither puts special tokens around a text. The
//! folder decides: a config.json of model2vec is read by model2vec's rules, also beside a
//! modules.json.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::{Tokenizer, TruncationDirection};

use super::backend::map_weights;
use super::contract::{Contract, NO_LIMIT};
use super::known_fields::{KnownFields, UnknownField};
use super::listed::{Listed, SENTENCE};
use super::local_options::LocalEncoderOptions;
use super::modules::Module;
use super::overrides::Overrides;
use super::pooling::Pooling;
use super::reader::{CONFIG, MODULES, Reader, TOKENIZER};
use super::reading::Caps;
use super::table_source::TableSource;
use super::tokenized::unknown_id;
use super::tokenizer_settings::TokenizerSettings;
use super::{Engine, Precision};
use crate::candle_backend::Device;
use crate::engine::{TokenTable, WeightsFile};
use crate::store::ModelFiles;
use crate::{Error, Result};

/// The module's class.
const CLASS: &str = "StaticEmbedding";
/// model2vec's limit of a text in tokens, without `max_length` in config.json.
const DEFAULT_LIMIT: u64 = 512;

/// The fields of model2vec's config.json. `seq_length` and those about distilling do not change
/// what a model computes.
const MODEL2VEC_FIELDS: KnownFields = KnownFields {
    known: &[&[
        "apply_pca",
        "apply_zipf",
        "architectures",
        "embedding_dtype",
        "hidden_dim",
        "language",
        "max_length",
        "model_type",
        "normalize",
        "pooling",
        "seq_length",
        "sif_coefficient",
        "tokenizer_name",
        "vocabulary_quantization",
    ]],
    fixed: &[],
    unknown: UnknownField::Told,
};

/// The rules by which the texts of a model2vec model are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct StaticReading {
    /// The median length of a token in characters.
    pub median_token: usize,
    /// The token that is left out.
    pub left_out: Option<u32>,
}

/// The parts of tokenizer.json that sentence-transformers obeys, and the unknown token of Unigram.
#[derive(Deserialize)]
struct StaticTokenizerFile {
    #[serde(default)]
    truncation: Value,
    model: StaticTokenizerModel,
}

#[derive(Deserialize)]
struct StaticTokenizerModel {
    #[serde(default)]
    unk_id: Option<u32>,
}

impl Reader<'_> {
    /// Returns true if the files are those of a static model.
    pub(super) fn is_static(&self, config: &Value) -> Result<bool> {
        Ok(is_model2vec(config) || self.listed()?.iter().flatten().next().is_some_and(is_table))
    }

    /// Reads the contract of a model for which [`Reader::is_static`] holds.
    pub(super) fn static_contract(mut self, config: Value, overrides: &Overrides) -> Result<Contract> {
        if overrides.pooling.is_some_and(|pooling| pooling != Pooling::Mean) {
            let why = format!("{} is a static model, whose vector of a text is a mean: leave it out", self.files.name);
            return Err(Error::InvalidOption { option: "pooling", why });
        }
        self.check_kind(&config)?;
        let listed = self.listed()?.unwrap_or_default();
        let is_model2vec = is_model2vec(&config);
        let folder = match listed.first() {
            Some(first) if is_table(first) && !first.path.is_empty() => format!("{}/", first.path),
            _ => String::new(),
        };
        let name = format!("{folder}{TOKENIZER}");
        let tokenizer: StaticTokenizerFile =
            self.parsed(&name)?.ok_or_else(|| self.unusable(&name, "the file is missing"))?;
        let width = self.table_width(&folder)?;
        let mut own = vec![Module::Pooling(Pooling::Mean)];
        match is_model2vec {
            true => own.extend(self.normalize_of_model2vec(&config, &listed)?.then(Module::normalize)),
            false => own.extend(self.behind_table(&listed, width)?),
        }
        let (modules, shapes) = self.overridden_modules(own, overrides, width)?;
        let limit = match is_model2vec {
            true => self.limit_of_model2vec(&config)?,
            false => limit_of_tokenizer(&tokenizer.truncation),
        };
        let max_tokens = self.max_tokens_override(&Value::Null, limit, overrides.max_tokens)?;
        let normalize = modules.last() == Some(&Module::normalize());
        if is_model2vec {
            self.audit(CONFIG, &config, &MODEL2VEC_FIELDS, &[])?;
        }
        self.audit_prompts(normalize)?;
        let cuts_left = !is_model2vec && tokenizer.truncation["direction"].as_str() == Some("Left");
        let direction = if cuts_left { TruncationDirection::Left } else { TruncationDirection::Right };
        let (query_prompt, document_prompt, prompts) = self.prompts(overrides)?;
        Ok(Contract {
            model_type: if is_model2vec { "model2vec" } else { "static" }.to_owned(),
            hidden_size: width,
            dim: shapes[SENTENCE].width(),
            pooling: Pooling::Mean,
            dense: modules.iter().filter_map(super::contract::dense_folder).collect(),
            normalize,
            lower_case: false,
            max_tokens,
            query_prompt,
            document_prompt,
            prompts,
            findings: self.findings,
            tokenizer: TokenizerSettings::plain(direction),
            late_interaction: None,
            caps: Caps::default(),
            token_dim: width,
            modules,
            table: Some(TableSource { folder, is_model2vec, unknown: tokenizer.model.unk_id }),
            config,
        })
    }

    fn table_width(&self, folder: &str) -> Result<usize> {
        let path = self.files.dir.join(format!("{folder}model.safetensors"));
        let files = map_weights(self.files)?;
        let [file] = files.as_slice() else {
            return Err(Error::ModelFile { path, message: "a static model has one weights file".into() });
        };
        TokenTable::width(file.as_ref(), &path)
    }

    /// Returns whether a model2vec model scales its vectors to length 1.
    fn normalize_of_model2vec(&mut self, config: &Value, listed: &[Listed]) -> Result<bool> {
        let normalize = match &config["normalize"] {
            Value::Null => false,
            Value::Bool(normalize) => *normalize,
            other => return Err(self.unusable(CONFIG, &format!("'normalize' is {other}, expected true or false"))),
        };
        let Some((first, rest)) = listed.split_first() else { return Ok(normalize) };
        if !is_table(first) {
            return Err(self.unusable(CONFIG, "is model2vec's, and modules.json begins with another module"));
        }
        if let Some(other) = rest.iter().find(|entry| entry.name() != "Normalize") {
            return Err(self.refused(other));
        }
        if normalize == rest.is_empty() {
            let says = if normalize { "names no Normalize" } else { "names Normalize" };
            let message = format!("{says}, config.json says normalize = {normalize}, which is used, as model2vec does");
            self.note(MODULES, message);
        }
        Ok(normalize)
    }

    /// Returns the modules behind the table.
    fn behind_table(&mut self, listed: &[Listed], width: usize) -> Result<Vec<Module>> {
        let mut modules = vec![Module::Pooling(Pooling::Mean)];
        for entry in listed.iter().skip(1) {
            if !entry.is_known_package() || entry.name() == "Pooling" {
                return Err(self.refused(entry));
            }
            let module = self.module(entry, &modules, width)?;
            modules.extend(module);
        }
        Ok(modules.split_off(1))
    }

    fn limit_of_model2vec(&self, config: &Value) -> Result<usize> {
        match config.get("max_length") {
            None => Ok(DEFAULT_LIMIT as usize),
            Some(Value::Null) => Ok(NO_LIMIT as usize),
            Some(value) => match value.as_u64() {
                Some(limit) if limit > 0 => Ok(limit.min(NO_LIMIT) as usize),
                _ => Err(self.unusable(CONFIG, &format!("'max_length' is {value}, expected a number from 1, or null"))),
            },
        }
    }
}

fn is_table(entry: &Listed) -> bool {
    entry.name() == CLASS && entry.is_known_package()
}

fn is_model2vec(config: &Value) -> bool {
    let mut architectures = config["architectures"].as_array().into_iter().flatten();
    config["model_type"] == "model2vec" || architectures.any(|name| name == "StaticModel")
}

fn limit_of_tokenizer(truncation: &Value) -> usize {
    truncation["max_length"].as_u64().map_or(NO_LIMIT, |limit| limit.clamp(1, NO_LIMIT)) as usize
}

/// Returns engine and precision of a static model. Refuses options that do not apply to it.
pub(super) fn check_options(name: &str, options: &LocalEncoderOptions) -> Result<(Engine, Precision)> {
    let refused = |what: String, option: &str| {
        let why = format!("{name} is a static model, which {what}; leave `{option}=` out");
        Err(Error::InvalidArgument(why))
    };
    match (options.device, options.engine, options.precision) {
        (device, ..) if device != Device::Cpu => refused(format!("runs on the CPU, not on {device}"), "device"),
        (_, Some(engine @ Engine::Candle), _) => refused(format!("{engine} does not compute"), "engine"),
        (.., Some(precision)) if precision != Precision::F32 => {
            refused(format!("sums its table's numbers in f32, not in {precision}"), "precision")
        }
        _ => Ok((Engine::Native, Precision::F32)),
    }
}

/// Opens the table. `tokenizer` is the model's.
pub(super) fn load_table(files: &ModelFiles, source: &TableSource, tokenizer: &Tokenizer) -> Result<TokenTable> {
    let path = files.dir.join(format!("{}model.safetensors", source.folder));
    let tokens = tokenizer.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
    let missing = || Error::ModelFile { path: path.clone(), message: "the file is missing".into() };
    let file: Arc<dyn WeightsFile> = map_weights(files)?.into_iter().next().ok_or_else(missing)?;
    TokenTable::load(file, &path, tokens)
}

impl StaticReading {
    /// Returns the rules for the tokenizer of a model2vec model; `None` for
    /// sentence-transformers', which leaves nothing out.
    pub fn of(source: &TableSource, tokenizer: &Tokenizer) -> Option<Self> {
        if !source.is_model2vec {
            return None;
        }
        let left_out = source.unknown.or_else(|| match tokenizer.get_model() {
            // Without `unk_id` a Unigram vocabulary has no unknown token.
            tokenizers::ModelWrapper::Unigram(_) => None,
            _ => unknown_id(tokenizer),
        });
        let mut lengths: Vec<usize> = tokenizer.get_vocab(true).keys().map(|token| token.chars().count()).collect();
        lengths.sort_unstable();
        let middle = lengths.len() / 2;
        let median_token = match (lengths.len() % 2, lengths.as_slice()) {
            (_, []) => 0,
            (1, lengths) => lengths[middle],
            // numpy's median is a mean of two, which model2vec rounds down.
            (_, lengths) => (lengths[middle - 1] + lengths[middle]) / 2,
        };
        Some(Self { median_token, left_out })
    }

    /// Returns the part of a text that is tokenized, for a limit in tokens. `before` is the number
    /// of characters in front of it.
    pub fn beginning<'a>(&self, text: &'a str, max_tokens: usize, before: usize) -> &'a str {
        if max_tokens as u64 >= NO_LIMIT {
            return text;
        }
        let characters = max_tokens.saturating_mul(self.median_token).saturating_sub(before);
        if text.len() <= characters {
            return text;
        }
        text.char_indices().nth(characters).map_or(text, |(at, _)| &text[..at])
    }
}
