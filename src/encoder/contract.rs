//! What a model's own files say about how it wants to be used.
//!
//! Pooling, normalisation, length limit and prompts come from the files that sentence-transformers writes
//! (`modules.json` and what it points to), never from the architecture's habit. Where two files disagree, the one that
//! sentence-transformers obeys wins and the disagreement is kept as a [`Finding`]: such disagreements are the
//! usual reason for a model that ranks worse here than there.

use std::fmt;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Pooling, numbers};
use crate::store::ModelFiles;
use crate::{Error, Result};

/// Settings of the user's that override the model's files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// Put before every query; `Some("")` removes the model's.
    pub query_prompt: Option<String>,
    /// Put before every document; `Some("")` removes the model's.
    pub document_prompt: Option<String>,
    /// Longest text in tokens.
    pub max_tokens: Option<usize>,
    /// How token vectors become one, whatever the model's files say.
    pub pooling: Option<Pooling>,
    /// Components to keep of a vector (Matryoshka): the vector is cut, then normalised.
    pub dim: Option<usize>,
}

/// Something about a model's files that a user should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file that says it.
    pub file: &'static str,
    /// What it says, what another file says, and what nearsort does.
    pub message: String,
}

/// How a model is used. See the module's documentation for where each part comes from.
#[derive(Debug, Clone)]
pub struct Contract {
    /// `model_type` of config.json.
    pub model_type: String,
    /// Width of a hidden state.
    pub hidden_size: usize,
    /// Components of a vector.
    pub dim: usize,
    /// How token vectors become one.
    pub pooling: Pooling,
    /// Folders of the dense layers after pooling, in order.
    pub dense: Vec<String>,
    /// Whether vectors are scaled to length 1.
    pub normalize: bool,
    /// Whether texts are lower-cased before tokenizing, apart from what the tokenizer itself does.
    pub lower_case: bool,
    /// Longest text in tokens, special tokens and prompt included.
    pub max_tokens: usize,
    /// Put before every query.
    pub query_prompt: String,
    /// Put before every document.
    pub document_prompt: String,
    /// Contradictions between the files, and assumptions where they are silent.
    pub findings: Vec<Finding>,
    /// config.json, whole.
    pub(crate) config: Value,
}

pub(super) const CONFIG: &str = "config.json";
pub(super) const MODULES: &str = "modules.json";
pub(super) const TRANSFORMER: &str = "sentence_bert_config.json";
pub(super) const PROMPTS: &str = "config_sentence_transformers.json";
pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const POOLING: &str = "1_Pooling/config.json";
/// transformers' `VERY_LARGE_INTEGER` (1e30) and other ways of saying "no limit".
const NO_LIMIT: u64 = 1 << 31;

impl Contract {
    /// Reads the files of a model and applies the user's overrides.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when a file is missing that must be there, is not JSON, or asks for a module that nearsort does
    /// not compute; [`Error::InvalidArgument`] when an override is out of range.
    pub fn read(files: &ModelFiles, overrides: &Overrides) -> Result<Self> {
        Reader { files, findings: Vec::new() }.contract(overrides)
    }
}

/// Reads a model's files, and notes what a user should know of them.
pub(super) struct Reader<'a> {
    pub files: &'a ModelFiles,
    pub findings: Vec<Finding>,
}

/// What is compared of tokenizer.json. Its vocabulary, megabytes in some models, is counted and not kept: the file is read at
/// every start.
#[derive(Deserialize)]
struct TokenizerFile {
    #[serde(default)]
    truncation: Value,
    #[serde(default)]
    padding: Value,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    model: TokenizerModel,
}

#[derive(Default, Deserialize)]
struct TokenizerModel {
    #[serde(default)]
    vocab: VocabularySize,
}

/// `None` where the vocabulary is a list, as Unigram's.
#[derive(Default)]
struct VocabularySize(Option<u64>);

impl<'de> Deserialize<'de> for VocabularySize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(VocabularyCounter)
    }
}

struct VocabularyCounter;

impl<'de> Visitor<'de> for VocabularyCounter {
    type Value = VocabularySize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a vocabulary: an object or a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<VocabularySize, A::Error> {
        let mut tokens = 0;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            tokens += 1;
        }
        Ok(VocabularySize(Some(tokens)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<VocabularySize, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(VocabularySize(None))
    }
}

/// What modules.json lists after the transformer.
struct Modules {
    transformer_path: String,
    pooling_path: Option<String>,
    dense: Vec<String>,
    normalize: bool,
}

impl Reader<'_> {
    fn contract(mut self, overrides: &Overrides) -> Result<Contract> {
        let config = self.json(CONFIG)?.ok_or_else(|| self.unusable(CONFIG, "the file is missing"))?;
        numbers::check(&mut self, &config)?;
        let model_type = config["model_type"].as_str().unwrap_or_default().to_owned();
        let hidden_size = ["hidden_size", "n_embd", "dim"]
            .iter()
            .find_map(|field| config[field].as_u64())
            .ok_or_else(|| self.unusable(CONFIG, "no hidden_size"))? as usize;
        let modules = self.modules()?;
        if !modules.transformer_path.is_empty() {
            let path = &modules.transformer_path;
            return Err(
                self.unusable(MODULES, &format!("the transformer lies in the folder '{path}', which is not supported"))
            );
        }
        let pooling = match overrides.pooling {
            Some(pooling) => pooling,
            None => self.pooling(modules.pooling_path.as_deref(), hidden_size)?,
        };
        let transformer = self.json(TRANSFORMER)?.unwrap_or(Value::Null);
        let tokenizer_config = self.json(TOKENIZER_CONFIG)?.unwrap_or(Value::Null);
        let model_limit = self.max_tokens(&config, &transformer, &tokenizer_config);
        let max_tokens = self.max_tokens_override(&config, model_limit, overrides.max_tokens)?;
        self.compare_tokenizer(&config, &tokenizer_config, max_tokens)?;
        let (query_prompt, document_prompt) = self.prompts(overrides)?;
        let full_dim = self.dim(hidden_size, &modules.dense)?;
        let dim = match overrides.dim {
            Some(dim) if dim == 0 || dim > full_dim => {
                return Err(Error::InvalidArgument(format!(
                    "--dim {dim}: the model's vectors have 1 to {full_dim} components"
                )));
            }
            dim => dim.unwrap_or(full_dim),
        };
        Ok(Contract {
            model_type,
            hidden_size,
            dim,
            pooling,
            dense: modules.dense,
            normalize: modules.normalize || dim < full_dim,
            lower_case: transformer["do_lower_case"].as_bool().unwrap_or(false),
            max_tokens,
            query_prompt,
            document_prompt,
            findings: self.findings,
            config,
        })
    }

    pub(super) fn json(&self, file: &str) -> Result<Option<Value>> {
        self.parsed(file)
    }

    fn parsed<T: DeserializeOwned>(&self, file: &str) -> Result<Option<T>> {
        let Some(bytes) = self.files.read(file)? else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).map_err(|e| self.unusable(file, &format!("not JSON: {e}")))
    }

    pub(super) fn unusable(&self, file: &str, message: &str) -> Error {
        Error::ModelFile { path: self.files.dir.join(file), message: message.to_owned() }
    }

    pub(super) fn note(&mut self, file: &'static str, message: String) {
        self.findings.push(Finding { file, message });
    }

    fn modules(&mut self) -> Result<Modules> {
        let mut modules =
            Modules { transformer_path: String::new(), pooling_path: None, dense: Vec::new(), normalize: false };
        let Some(list) = self.json(MODULES)? else {
            self.note(
                MODULES,
                "missing: mean pooling without normalisation is assumed, as sentence-transformers does".into(),
            );
            return Ok(modules);
        };
        let entries = list.as_array().ok_or_else(|| self.unusable(MODULES, "not a list of modules"))?;
        for entry in entries {
            let path = entry["path"].as_str().unwrap_or_default().to_owned();
            let class = entry["type"].as_str().unwrap_or_default();
            // The module path in front of the class name changes between releases.
            match class.rsplit('.').next().unwrap_or_default() {
                "Transformer" => modules.transformer_path = path,
                "Pooling" => modules.pooling_path = Some(path),
                "Dense" => modules.dense.push(path),
                "Normalize" => modules.normalize = true,
                _ => {
                    let message = format!(
                        "the module '{class}' is not supported; supported are Transformer, Pooling, Dense and Normalize"
                    );
                    return Err(self.unusable(MODULES, &message));
                }
            }
        }
        Ok(modules)
    }

    fn pooling(&mut self, path: Option<&str>, hidden_size: usize) -> Result<Pooling> {
        let Some(folder) = path else { return Ok(Pooling::Mean) };
        let file = format!("{folder}/config.json");
        let config =
            self.json(&file)?.ok_or_else(|| self.unusable(&file, "the file is missing; modules.json points to it"))?;
        let width = config["word_embedding_dimension"].as_u64().or(config["embedding_dimension"].as_u64());
        if let Some(width) = width.filter(|&width| width != hidden_size as u64) {
            self.note(
                POOLING,
                format!("says the hidden size is {width}; config.json says {hidden_size}, which is used"),
            );
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
                    POOLING,
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

    /// The limit that sentence-transformers uses: its own file's, else the smaller of the tokenizer's and the positions'.
    pub(super) fn max_tokens(&mut self, config: &Value, transformer: &Value, tokenizer: &Value) -> usize {
        let positions = usable_positions(config);
        // Larger integers than u64 come as floats; both mean "no limit".
        let tokenizer_limit = tokenizer["model_max_length"].as_u64().filter(|&limit| limit < NO_LIMIT);
        let own = transformer["max_seq_length"].as_u64();
        let limit = match (own, tokenizer_limit) {
            (Some(own), Some(other)) if own != other => {
                self.note(
                    TOKENIZER_CONFIG,
                    format!(
                        "says {other} tokens; {TRANSFORMER} says {own}, which sentence-transformers and nearsort use"
                    ),
                );
                own
            }
            (Some(limit), _) | (None, Some(limit)) => limit,
            (None, None) => positions.unwrap_or(512),
        };
        match positions {
            Some(positions) if limit > positions => {
                self.note(CONFIG, format!("the model has {positions} positions, fewer than the {limit} tokens that another file allows: {positions} are used"));
                positions as usize
            }
            _ => limit as usize,
        }
    }

    pub(super) fn max_tokens_override(
        &self,
        config: &Value,
        model_limit: usize,
        wanted: Option<usize>,
    ) -> Result<usize> {
        let positions = usable_positions(config).map_or(usize::MAX, |positions| positions as usize);
        match wanted {
            None => Ok(model_limit),
            // Two special tokens and one of the text: anything less encodes nothing.
            Some(tokens) if tokens < 3 || tokens > positions => {
                Err(Error::InvalidArgument(format!("--max-tokens {tokens}: the model takes 3 to {positions} tokens")))
            }
            Some(tokens) => Ok(tokens),
        }
    }

    pub(super) fn compare_tokenizer(
        &mut self,
        config: &Value,
        tokenizer_config: &Value,
        max_tokens: usize,
    ) -> Result<()> {
        let tokenizer: TokenizerFile = self.parsed(TOKENIZER)?.ok_or_else(|| {
            self.unusable(TOKENIZER, "the file is missing; a folder with only vocab.txt or sentencepiece.bpe.model can be converted with transformers: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)")
        })?;
        if let Some(limit) = tokenizer.truncation["max_length"].as_u64().filter(|&limit| limit != max_tokens as u64) {
            self.note(
                TOKENIZER,
                format!("truncates at {limit} tokens; the model's limit is {max_tokens}, which is used"),
            );
        }
        if let Some(width) = tokenizer.padding["strategy"]["Fixed"].as_u64() {
            self.note(TOKENIZER, format!("pads every text to {width} tokens; sentence-transformers does not, and nearsort computes no padding"));
        }
        if let (Some(vocabulary), Some(rows)) = (tokenizer.model.vocab.0, config["vocab_size"].as_u64())
            && vocabulary > rows
        {
            let message = format!(
                "has {vocabulary} tokens, config.json embeddings for only {rows}: the two are of different models"
            );
            return Err(self.unusable(TOKENIZER, &message));
        }
        self.compare_case(tokenizer_config, &tokenizer.normalizer);
        Ok(())
    }

    fn compare_case(&mut self, config: &Value, normalizer: &Value) {
        let (Some(says), Some(does)) = (config["do_lower_case"].as_bool(), normalizer["lowercase"].as_bool()) else {
            return;
        };
        if says != does {
            let does = if does { "lower-cases" } else { "keeps the case of" };
            self.note(
                TOKENIZER_CONFIG,
                format!("says do_lower_case = {says}, but tokenizer.json {does} texts, which is what happens"),
            );
        }
    }

    /// (query, document): the user's, else the model's file's, else the registry's.
    fn prompts(&mut self, overrides: &Overrides) -> Result<(String, String)> {
        let config = self.json(PROMPTS)?.unwrap_or(Value::Null);
        let named = |names: &[&str]| {
            names.iter().find_map(|name| config["prompts"][name].as_str().filter(|prompt| !prompt.is_empty()))
        };
        let mut prompts = (named(&["query"]), named(&["document", "passage", "corpus"]));
        if let Some(name) = config["default_prompt_name"].as_str() {
            self.note(PROMPTS, format!("names '{name}' as the default prompt; nearsort always knows whether a text is a query or a document, and uses no default"));
        }
        let card = self.files.entry.as_deref().map(|entry| (&*entry.prompts.query, &*entry.prompts.document));
        if let Some((query, document)) = card.filter(|&card| prompts == (None, None) && card != ("", "")) {
            prompts = (Some(query), Some(document));
            self.note(PROMPTS, "names no prompts; the registry's, from the model's card, are used".into());
        }
        if prompts == (None, None) && self.files.entry.is_none() {
            self.note(PROMPTS, "names no prompts, and none are used; models such as E5, BGE and Nomic need them (--query-prompt, --document-prompt)".into());
        }
        let pick = |wanted: &Option<String>, own: Option<&str>| match wanted {
            Some(prompt) => prompt.clone(),
            None => own.unwrap_or_default().to_owned(),
        };
        Ok((pick(&overrides.query_prompt, prompts.0), pick(&overrides.document_prompt, prompts.1)))
    }

    fn dim(&self, hidden_size: usize, dense: &[String]) -> Result<usize> {
        let Some(last) = dense.last() else { return Ok(hidden_size) };
        let file = format!("{last}/config.json");
        let config =
            self.json(&file)?.ok_or_else(|| self.unusable(&file, "the file is missing; modules.json points to it"))?;
        let width = config["out_features"].as_u64().ok_or_else(|| self.unusable(&file, "no out_features"))?;
        Ok(width as usize)
    }
}

/// Positions that a text can take. RoBERTa numbers positions from `pad_token_id + 1`.
fn usable_positions(config: &Value) -> Option<u64> {
    let positions = config["max_position_embeddings"].as_u64().or(config["n_positions"].as_u64())?;
    match config["model_type"].as_str() {
        Some("roberta" | "xlm-roberta" | "camembert") => {
            Some(positions.saturating_sub(config["pad_token_id"].as_u64().unwrap_or(1) + 1))
        }
        _ => Some(positions),
    }
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
