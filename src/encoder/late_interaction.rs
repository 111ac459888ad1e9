//! Late-interaction models: ColBERT as PyLate saves it, and as Stanford's own code does.
//!
//! A late-interaction model gives one vector per token, projected by its dense layers, and no
//! vector of the text. Queries and documents begin with a prefix token that marks their role. A
//! query is filled up with mask tokens, whose vectors count. The vectors of punctuation in
//! documents do not count. The options come from config_sentence_transformers.json, or from
//! Stanford's artifact.metadata, and have PyLate's defaults.

use serde_json::Value;

use super::contract::{Contract, named_prompts, usable_positions};
use super::dense::DenseConfig;
use super::late_options::{Expansion, LateInteraction};
use super::listed::{Listed, TOKENS};
use super::module_weights::stanford_shape;
use super::modules::{Module, shapes};
use super::overrides::Overrides;
use super::pooling::Pooling;
use super::reader::{CONFIG, MODULES, PROMPTS, Reader, TOKENIZER, TOKENIZER_CONFIG};
use super::reading::Caps;
use super::token_names::{SPECIAL_TOKENS, token_name};
use crate::{Error, Result};

const METADATA: &str = "artifact.metadata";
const STANFORD: &str = "HF_ColBERT";
/// Python's `string.punctuation`, whose characters are PyLate's default skip list.
const PUNCTUATION: &str = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
/// The keys of config_sentence_transformers.json that PyLate writes.
const KNOWN_KEYS: [&str; 12] = [
    "__version__",
    "attend_to_expansion_tokens",
    "default_prompt_name",
    "do_query_expansion",
    "document_length",
    "document_prefix",
    "model_type",
    "prompts",
    "query_length",
    "query_prefix",
    "similarity_fn_name",
    "skiplist_words",
];
/// Smallest length: the first token, the prefix, the last token, and one token of the text.
pub(super) const LEAST_LENGTH: usize = 4;
/// The number of positions of a model that does not state it.
const MOST_POSITIONS: u64 = 8192;

impl Reader<'_> {
    /// Returns true if the files are those of a ColBERT model.
    pub(super) fn is_late_interaction(&self) -> Result<bool> {
        let (config, own) = (self.json(CONFIG)?.unwrap_or(Value::Null), self.json(PROMPTS)?.unwrap_or(Value::Null));
        let is_declared = match own["model_type"].as_str() {
            Some("ColBERT") => true,
            Some("MultiVectorEncoder") => return Ok(false),
            _ => own["similarity_fn_name"] == "MaxSim",
        };
        Ok(is_declared || is_stanford(&config) || self.listed()?.iter().flatten().any(Listed::is_pylate))
    }

    /// Reads the contract of a model for which [`Reader::is_late_interaction`] holds.
    pub(super) fn late_contract(mut self, config: Value, overrides: &Overrides) -> Result<Contract> {
        self.refuse_overrides(overrides)?;
        let hidden_size = self.hidden_size(&config)?;
        let modules = self.projection(&config, hidden_size)?;
        let shapes = shapes(&modules, hidden_size).map_err(|message| self.unusable(MODULES, &message))?;
        let options = LateOptions::read(&mut self, &config)?;
        let late = options.late_interaction(&self, &config)?;
        let own_limit = self.document_length(&config, &options)?;
        let max_tokens = self.max_tokens_override(&config, own_limit, overrides.max_tokens)?;
        if max_tokens < LEAST_LENGTH {
            let why = format!("{max_tokens}: this model needs at least {LEAST_LENGTH}, its prefix included");
            return Err(Error::InvalidOption { option: "max_tokens", why });
        }
        let tokenizer_config = self.json(TOKENIZER_CONFIG)?.unwrap_or(Value::Null);
        let tokenizer = self.compare_tokenizer(&config, &tokenizer_config, max_tokens)?;
        if tokenizer.cuts_left() {
            let message = "truncation_side is left; of a late-interaction (ColBERT) model only right is computed";
            return Err(self.unusable(TOKENIZER_CONFIG, message));
        }
        let transformer = self.transformer_file()?;
        self.audit_config(&config)?;
        self.audit_transformer(&transformer, "feature-extraction")?;
        let prompt = |wanted: &Option<String>, names: &[&str]| options.prompt(wanted.as_deref(), names);
        let prompts = named_prompts(&options.own);
        Ok(Contract {
            model_type: config["model_type"].as_str().unwrap_or_default().to_owned(),
            hidden_size,
            dim: shapes[TOKENS].width(),
            pooling: Pooling::Mean,
            dense: modules
                .iter()
                .filter_map(|m| if let Module::Dense(d) = m { Some(d.folder.clone()) } else { None })
                .collect(),
            normalize: true,
            lower_case: transformer.lower_case(),
            tokenizer,
            max_tokens,
            query_prompt: prompt(&overrides.query_prompt, &["query"]),
            document_prompt: prompt(&overrides.document_prompt, &["document", "passage", "corpus"]),
            prompts,
            findings: self.findings,
            late_interaction: Some(late),
            caps: Caps::default(),
            token_dim: shapes[TOKENS].width(),
            modules,
            table: None,
            config,
        })
    }

    fn refuse_overrides(&self, overrides: &Overrides) -> Result<()> {
        let refused = |option: &'static str, why: &str| {
            let name = &self.files.name;
            let why = format!(
                "is for embedding models, and {name} is a late-interaction (ColBERT) model, {why}: leave it out"
            );
            Err(Error::InvalidOption { option, why })
        };
        match overrides {
            Overrides { pooling: Some(_), .. } => refused("pooling", "which does not pool its tokens"),
            Overrides { dim: Some(_), .. } => refused("dim", "whose token vectors cannot be cut"),
            _ => Ok(()),
        }
    }

    /// Returns the dense layers that project the tokens' hidden states.
    fn projection(&mut self, config: &Value, hidden_size: usize) -> Result<Vec<Module>> {
        let listed = self.listed()?.unwrap_or_default();
        if listed.iter().all(|entry| entry.name() != "Dense") && is_stanford(config) {
            let [out, width] = stanford_shape(self.files)?;
            if width != hidden_size {
                let message =
                    format!("linear.weight takes {width} components; config.json says hidden_size = {hidden_size}");
                return Err(self.unusable("model.safetensors", &message));
            }
            return Ok(vec![Module::Dense(DenseConfig::of_model(width, out))]);
        }
        if listed.is_empty() {
            return Err(self.no_projection());
        }
        let mut modules = self.modules(&listed, hidden_size)?;
        if let Some(Module::Normalize { .. }) = modules.last() {
            modules.pop(); // MaxSim normalises anyway
        }
        for module in &mut modules {
            let Module::Dense(dense) = module else {
                return Err(self.unusable(
                    MODULES,
                    "lists another module than Transformer and Dense, while other files say that this is a late-interaction (ColBERT) model",
                ));
            };
            // PyLate applies them to the tokens, whatever features they name.
            (dense.input, dense.output) = (TOKENS.to_owned(), TOKENS.to_owned());
        }
        if modules.is_empty() { Err(self.no_projection()) } else { Ok(modules) }
    }

    fn no_projection(&self) -> Error {
        self.unusable(
            MODULES,
            "lists no Dense, while other files say that this is a late-interaction (ColBERT) model: it has no projection, and PyLate \
             would add one of random numbers; train it first",
        )
    }

    /// Returns the longest document that the model's files allow.
    fn document_length(&mut self, config: &Value, options: &LateOptions) -> Result<usize> {
        let length = options.length(self, "document_length", "doc_maxlen", 180)?;
        match usable_positions(config).map(|positions| positions as usize) {
            Some(positions) if length > positions => {
                let message =
                    format!("document_length is {length}; the model has {positions} positions, which are used");
                self.note(options.file, message);
                Ok(positions)
            }
            _ => Ok(length),
        }
    }

    /// Returns the name of a special token, such as `mask_token`.
    fn special_token(&self, role: &str) -> Result<Option<String>> {
        for file in [TOKENIZER_CONFIG, SPECIAL_TOKENS] {
            let names = self.json(file)?.unwrap_or(Value::Null);
            if let Some(name) = token_name(&names[role]) {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }
}

/// Returns true if config.json is that of a checkpoint of Stanford's ColBERT.
fn is_stanford(config: &Value) -> bool {
    config["architectures"][0] == STANFORD
}

/// The files' options for reading texts.
struct LateOptions {
    /// config_sentence_transformers.json.
    own: Value,
    /// Stanford's artifact.metadata, for one of Stanford's checkpoints.
    metadata: Value,
    is_stanford: bool,
    /// The file that messages name.
    file: &'static str,
}

impl LateOptions {
    fn read(reader: &mut Reader<'_>, config: &Value) -> Result<Self> {
        let own = reader.json(PROMPTS)?.unwrap_or(Value::Null);
        let listed = reader.listed()?.unwrap_or_default();
        let is_stanford = is_stanford(config) && listed.iter().all(|entry| entry.name() != "Dense");
        let metadata = match is_stanford {
            true => reader.json(METADATA)?.unwrap_or(Value::Null),
            false => Value::Null,
        };
        let options = Self { own, metadata, is_stanford, file: if is_stanford { METADATA } else { PROMPTS } };
        options.check_metadata(reader)?;
        options.note_unknown(reader);
        options.note_prompts(reader);
        Ok(options)
    }

    /// Refuses or notes the metadata fields that PyLate does not read.
    fn check_metadata(&self, reader: &mut Reader<'_>) -> Result<()> {
        for (field, computed) in [("similarity", "cosine"), ("interaction", "colbert")] {
            if let Some(other) = self.metadata[field].as_str().filter(|value| *value != computed) {
                return Err(reader.unusable(METADATA, &format!("{field} is '{other}'; only '{computed}' is supported")));
            }
        }
        if self.metadata["mask_punctuation"] == false {
            let message = "says mask_punctuation = false; PyLate and nearsort leave punctuation out of documents";
            reader.note(METADATA, message.into());
        }
        Ok(())
    }

    fn note_unknown(&self, reader: &mut Reader<'_>) {
        let unknown = |(key, value): &(&String, &Value)| !value.is_null() && !KNOWN_KEYS.contains(&key.as_str());
        for (key, value) in self.own.as_object().into_iter().flatten().filter(unknown) {
            reader
                .note(PROMPTS, format!("says {key} = {value}, which PyLate and nearsort do not know and leave aside"));
        }
    }

    fn note_prompts(&self, reader: &mut Reader<'_>) {
        let named = self.own["prompts"].as_object().into_iter().flatten();
        if named.into_iter().any(|(_, prompt)| prompt.as_str().is_some_and(|prompt| !prompt.is_empty())) {
            let message =
                "names prompts; nearsort puts them before texts, PyLate only where encode() is given prompt_name";
            reader.note(PROMPTS, message.into());
        }
        if let Some(name) = self.own["default_prompt_name"].as_str() {
            reader.note(PROMPTS, format!("names '{name}' as the default prompt; nearsort always knows whether a text is a query or a document, and uses no default"));
        }
    }

    /// Returns the prompt of these names. White space in front of a text is cut, as in PyLate.
    fn prompt(&self, wanted: Option<&str>, names: &[&str]) -> String {
        let own = names.iter().find_map(|name| self.own["prompts"][name].as_str().filter(|prompt| !prompt.is_empty()));
        trim_start(wanted.or(own).unwrap_or_default()).to_owned()
    }

    fn late_interaction(&self, reader: &Reader<'_>, config: &Value) -> Result<LateInteraction> {
        let query_length = self.length(reader, "query_length", "query_maxlen", 32)?;
        let positions = usable_positions(config).unwrap_or(MOST_POSITIONS);
        if query_length as u64 > positions {
            let message = format!("query_length is {query_length}; the model has {positions} positions");
            return Err(reader.unusable(self.file, &message));
        }
        if json_text(reader, TOKENIZER_CONFIG, "padding_side")?.is_some_and(|side| side != "right") {
            let message = "padding_side is not \"right\": queries filled up on the left are not supported";
            return Err(reader.unusable(TOKENIZER_CONFIG, message));
        }
        let defaults = if self.is_stanford { ["[unused0]", "[unused1]"] } else { ["[Q] ", "[D] "] };
        let expands = self.flag(reader, "do_query_expansion", "", true)?;
        let attended = self.flag(reader, "attend_to_expansion_tokens", "attend_to_mask_tokens", false)?;
        Ok(LateInteraction {
            query_prefix: self.text(reader, "query_prefix", "query_token_id", defaults[0])?,
            document_prefix: self.text(reader, "document_prefix", "doc_token_id", defaults[1])?,
            query_length,
            expansion: match expands {
                true => Some(Expansion { token: expansion_token(reader)?, attended }),
                false => None,
            },
            skiplist: self.skiplist(reader)?,
        })
    }

    /// Returns the value under PyLate's name, else under Stanford's, with the file that has it.
    /// Nulls count as absent.
    fn value(&self, own: &str, stanford: &str) -> Option<(&Value, &'static str)> {
        let found = [(&self.own[own], PROMPTS), (&self.metadata[stanford], METADATA)];
        found.into_iter().find(|(value, _)| !value.is_null())
    }

    fn length(&self, reader: &Reader<'_>, own: &str, stanford: &str, default: usize) -> Result<usize> {
        let Some((value, file)) = self.value(own, stanford) else { return Ok(default) };
        let length = value.as_u64().and_then(|length| usize::try_from(length).ok());
        length.filter(|length| *length >= LEAST_LENGTH).ok_or_else(|| {
            let name = if file == PROMPTS { own } else { stanford };
            reader.unusable(file, &format!("{name} is {value}, expected a number of tokens from {LEAST_LENGTH}"))
        })
    }

    fn flag(&self, reader: &Reader<'_>, own: &str, stanford: &str, default: bool) -> Result<bool> {
        let Some((value, file)) = self.value(own, stanford) else { return Ok(default) };
        let wrong = || reader.unusable(file, &format!("{own} is {value}, expected true or false"));
        value.as_bool().ok_or_else(wrong)
    }

    fn text(&self, reader: &Reader<'_>, own: &str, stanford: &str, default: &str) -> Result<String> {
        let Some((value, file)) = self.value(own, stanford) else { return Ok(default.to_owned()) };
        let wrong = || reader.unusable(file, &format!("{own} is {value}, expected a token"));
        value.as_str().map(str::to_owned).ok_or_else(wrong)
    }

    fn skiplist(&self, reader: &Reader<'_>) -> Result<Vec<String>> {
        let Some((value, file)) = self.value("skiplist_words", "") else {
            return Ok(PUNCTUATION.chars().map(String::from).collect());
        };
        let wrong = || reader.unusable(file, &format!("skiplist_words is {value}, expected a list of tokens"));
        let words = value.as_array().ok_or_else(wrong)?;
        words.iter().map(|word| word.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
    }
}

/// Returns the token that PyLate fills queries up with: the mask token, else the token that ends a
/// text, else padding.
fn expansion_token(reader: &Reader<'_>) -> Result<String> {
    if let Some(token) = reader.special_token("mask_token")? {
        return Ok(token);
    }
    // Some tokenizer classes have a mask token that no file names.
    let tokenizer = reader.json(TOKENIZER)?.unwrap_or(Value::Null);
    let added = tokenizer["added_tokens"].as_array().into_iter().flatten();
    let added: Vec<&str> = added.filter_map(|token| token["content"].as_str()).collect();
    if let Some(token) = ["[MASK]", "<mask>"].into_iter().find(|name| added.contains(name)) {
        return Ok(token.to_owned());
    }
    for role in ["eos_token", "pad_token"] {
        if let Some(token) = reader.special_token(role)? {
            return Ok(token);
        }
    }
    Err(reader.unusable(TOKENIZER_CONFIG, "names no mask_token, which queries are filled up with"))
}

fn json_text(reader: &Reader<'_>, file: &str, field: &str) -> Result<Option<String>> {
    Ok(reader.json(file)?.and_then(|json| json[field].as_str().map(str::to_owned)))
}

/// Strips white space in front, like Python's `str.lstrip`.
pub(super) fn trim_start(text: &str) -> &str {
    text.trim_start_matches(is_python_space)
}

/// Strips white space at the end, like Python's `str.rstrip`.
pub(super) fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_python_space)
}

/// Returns true for white space in Python, which includes the separators of ASCII.
fn is_python_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}
