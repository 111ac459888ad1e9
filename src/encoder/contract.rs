//! The contract of a model: how to use it, as its own files say.
//!
//! Pooling, normalisation, length limit and prompts come from the files that sentence-transformers
//! writes (`modules.json` and what it points to), never from the architecture's habit. Where two
//! files disagree, the one that sentence-transformers obeys wins and the disagreement is kept as a
//! [`ModelFinding`]: such disagreements are the usual reason for a model that ranks worse here than
//! there.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::late_options::LateInteraction;
use super::listed::{SENTENCE, TOKENS};
use super::modules::{FeatureShape, Module, Shapes, overridden, shapes};
use super::numbers;
use super::overrides::Overrides;
use super::pooling::Pooling;
use super::reader::{CONFIG, MODULES, ModelFinding, PROMPTS, Reader, TOKENIZER, TOKENIZER_CONFIG};
use super::reading::Caps;
use super::table_source::TableSource;
use super::tokenizer_settings::TokenizerSettings;
use super::transformer_file::TransformerFile;
use crate::store::ModelFiles;
use crate::{Error, Result};

/// The settings that a model is used with. See the module's documentation for the source of each.
#[derive(Debug, Clone)]
pub struct Contract {
    /// `model_type` of config.json.
    pub model_type: String,
    /// Width of a hidden state.
    pub hidden_size: usize,
    /// Number of components of a vector.
    pub dim: usize,
    /// The operation that makes one vector of the token vectors.
    pub pooling: Pooling,
    /// Folders of the dense layers, in order.
    pub dense: Vec<String>,
    /// True if vectors are scaled to length 1 at the end.
    pub normalize: bool,
    /// True if texts are lower-cased before tokenizing, apart from what the tokenizer itself does.
    pub lower_case: bool,
    /// Longest text in tokens, special tokens and prompt included.
    pub max_tokens: usize,
    /// The text put before every query.
    pub query_prompt: String,
    /// The text put before every document.
    pub document_prompt: String,
    /// The prompts that the model's files name, by name. They come from
    /// config_sentence_transformers.json, else from the registry.
    pub prompts: BTreeMap<String, String>,
    /// Contradictions between the files, and assumptions where the files are silent.
    pub findings: Vec<ModelFinding>,
    /// Changes to tokenizer.json.
    pub(crate) tokenizer: TokenizerSettings,
    /// The options of a late-interaction (ColBERT) model; `None` for other models. A
    /// late-interaction model gives one vector per token and no vector of the text. Its `dim` is
    /// the width of a token vector, nothing is pooled, and `max_tokens` is the limit of documents.
    pub late_interaction: Option<LateInteraction>,
    /// The limits on how much of a text is read, and the end that is cut.
    pub(crate) caps: Caps,
    /// Number of components of a token vector.
    pub(crate) token_dim: usize,
    /// The modules that turn hidden states into a vector, in order.
    pub(crate) modules: Vec<Module>,
    /// The table of a static model; `None` for a transformer.
    pub(crate) table: Option<TableSource>,
    /// The whole config.json; null for a static model without one.
    pub(crate) config: Value,
}

/// transformers' `VERY_LARGE_INTEGER` (1e30) and other ways of saying "no limit".
pub(super) const NO_LIMIT: u64 = 1 << 31;

impl Contract {
    /// Reads the files of a model and applies the user's overrides.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when a file is missing that must be there, is not JSON, or asks for a
    /// module that nearsort does not compute; [`Error::InvalidArgument`] when an override is out of
    /// range.
    pub fn read(files: &ModelFiles, overrides: &Overrides) -> Result<Self> {
        Reader { files, findings: Vec::new() }.contract(overrides)
    }

    /// Returns the longest text of either role in tokens.
    pub(crate) fn longest_text(&self) -> usize {
        let query = self.late_interaction.as_ref().map_or(0, |late| late.query_length);
        query.max(self.max_tokens)
    }

    /// Returns true if truncation cuts the beginning of a text, not its end.
    pub(crate) fn cuts_left(&self) -> bool {
        self.caps.cuts_left.unwrap_or(self.tokenizer.cuts_left())
    }

    /// Returns the number of tokens that the tokenizer may give a text, for the role with the lower
    /// limit.
    pub(crate) fn least_limit(&self) -> usize {
        match &self.late_interaction {
            // One token is the prefix.
            Some(late) => late.query_length.min(self.max_tokens) - 1,
            None => self.max_tokens,
        }
    }

    /// Returns the longest text in tokens that has tokens without attention. `None` if no text has
    /// any.
    pub(crate) fn longest_partly_seen(&self) -> Option<usize> {
        let late = self.late_interaction.as_ref()?;
        late.expansion.as_ref().filter(|expansion| !expansion.attended).map(|_| late.query_length)
    }

    /// Returns true if the modules only pool, cut and normalise.
    pub(crate) fn is_plain(&self) -> bool {
        let rest = self.modules.strip_prefix(&[Module::Pooling(self.pooling)]).unwrap_or(&self.modules);
        let rest = if let [Module::Cut(_), rest @ ..] = rest { rest } else { rest };
        rest.is_empty() || rest == [Module::normalize()]
    }
}

/// The parts of tokenizer.json that are compared. The vocabulary, megabytes in some models, is
/// counted and not kept, because the file is read at every start.
#[derive(Deserialize)]
struct TokenizerFile {
    #[serde(default)]
    truncation: Value,
    #[serde(default)]
    padding: Value,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    added_tokens: Value,
    #[serde(default)]
    model: TokenizerModel,
}

#[derive(Default, Deserialize)]
struct TokenizerModel {
    #[serde(default)]
    vocab: VocabularySize,
}

/// The number of tokens; `None` where the vocabulary is a list, as in Unigram.
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

impl Reader<'_> {
    fn contract(mut self, overrides: &Overrides) -> Result<Contract> {
        let config = self.json(CONFIG)?;
        if self.is_static(config.as_ref().unwrap_or(&Value::Null))? {
            return self.static_contract(config.unwrap_or(Value::Null), overrides);
        }
        let config = config.ok_or_else(|| self.unusable(CONFIG, "the file is missing"))?;
        numbers::check(&mut self, &config)?;
        let model_type = config["model_type"].as_str().unwrap_or_default().to_owned();
        if self.is_late_interaction()? {
            return self.late_contract(config, overrides);
        }
        self.check_kind(&config)?;
        let hidden_size = self.hidden_size(&config)?;
        let own = self.own_modules(&config, hidden_size)?;
        let (modules, shapes) = self.overridden_modules(own, overrides, hidden_size)?;
        let transformer = self.transformer_file()?;
        let tokenizer_config = self.json(TOKENIZER_CONFIG)?.unwrap_or(Value::Null);
        let model_limit = self.max_tokens(&config, &transformer, &tokenizer_config);
        let max_tokens = self.max_tokens_override(&config, model_limit, overrides.max_tokens)?;
        let tokenizer = self.compare_tokenizer(&config, &tokenizer_config, max_tokens)?;
        self.audit_config(&config)?;
        self.audit_prompts(modules.last() == Some(&Module::normalize()))?;
        self.audit_transformer(&transformer, "feature-extraction")?;
        let (query_prompt, document_prompt, prompts) = self.prompts(overrides)?;
        Ok(Contract {
            model_type,
            hidden_size,
            dim: shapes[SENTENCE].width(),
            pooling: last_pooling(&modules),
            dense: modules.iter().filter_map(dense_folder).collect(),
            normalize: modules.last() == Some(&Module::normalize()),
            token_dim: shapes[TOKENS].width(),
            modules,
            lower_case: transformer.lower_case(),
            tokenizer,
            max_tokens,
            query_prompt,
            document_prompt,
            prompts,
            findings: self.findings,
            late_interaction: None,
            caps: Caps::default(),
            table: None,
            config,
        })
    }

    /// Returns the width of a hidden state.
    pub(super) fn hidden_size(&self, config: &Value) -> Result<usize> {
        let width = ["hidden_size", "n_embd", "dim"].iter().find_map(|field| config[field].as_u64());
        width.map(|width| width as usize).ok_or_else(|| self.unusable(CONFIG, "no hidden_size"))
    }

    /// Returns the modules that the files name, else sentence-transformers' default modules.
    fn own_modules(&mut self, config: &Value, hidden_size: usize) -> Result<Vec<Module>> {
        if let Some(listed) = self.listed()? {
            return self.modules(&listed, hidden_size);
        }
        let (pooling, of_what) = default_pooling(config);
        let message = format!("missing: {of_what} without normalisation is assumed, as sentence-transformers does");
        self.note(MODULES, message);
        Ok(vec![Module::Pooling(pooling)])
    }

    /// Returns the features at the end of the modules. One of them must be one vector of the text.
    pub(super) fn shapes(&self, modules: &[Module], hidden_size: usize) -> Result<Shapes> {
        let shapes = shapes(modules, hidden_size).map_err(|message| self.unusable(MODULES, &message))?;
        match shapes.get(SENTENCE) {
            Some(FeatureShape::Vector(_)) => Ok(shapes),
            Some(FeatureShape::Tokens(_)) => {
                Err(self.unusable(MODULES, &format!("a module gives one vector per token as '{SENTENCE}'")))
            }
            None if modules.iter().any(|module| !matches!(module, Module::Normalize { .. })) => {
                Err(self.late_interaction(MODULES, "lists a projection of the tokens and no Pooling"))
            }
            None => Err(self.unusable(
                MODULES,
                "lists no Pooling, so that there is a vector per token and none of the text; add a Pooling",
            )),
        }
    }

    /// Returns the modules with the overrides, and the features at their end. `own` are those that
    /// the files list; a cut that the files name elsewhere comes behind them.
    pub(super) fn overridden_modules(
        &self,
        mut own: Vec<Module>,
        overrides: &Overrides,
        hidden_size: usize,
    ) -> Result<(Vec<Module>, Shapes)> {
        let full_dim = self.shapes(&own, hidden_size)?[SENTENCE].width();
        if overrides.dim.is_none() {
            own.extend(self.truncate_dim(full_dim)?.map(Module::Cut));
        }
        self.check_dim(full_dim, overrides.dim)?;
        let modules = overridden(own, overrides, full_dim);
        let shapes = self.shapes(&modules, hidden_size)?;
        Ok((modules, shapes))
    }

    fn check_dim(&self, full_dim: usize, wanted: Option<usize>) -> Result<()> {
        match wanted {
            Some(dim) if dim == 0 || dim > full_dim => {
                let why = format!("{dim}: the model's vectors have 1 to {full_dim} components");
                Err(Error::InvalidOption { option: "dim", why })
            }
            _ => Ok(()),
        }
    }

    /// Returns the number of components that the model's files keep, if it is less than `full_dim`.
    /// sentence-transformers does not rescale the cut vector.
    fn truncate_dim(&self, full_dim: usize) -> Result<Option<usize>> {
        let own = self.json(PROMPTS)?.filter(|_| self.files.path(MODULES).is_some());
        match &own.unwrap_or(Value::Null)["truncate_dim"] {
            Value::Null => Ok(None),
            value => match value.as_u64() {
                Some(dim) if dim > 0 => Ok(Some(dim as usize).filter(|&dim| dim < full_dim)),
                _ => Err(self.unusable(PROMPTS, &format!("truncate_dim is {value}, expected a number from 1"))),
            },
        }
    }

    /// Returns the limit that sentence-transformers uses: its own file's, else the tokenizer's,
    /// else the number of positions. The number of positions bounds all of them.
    pub(super) fn max_tokens(&mut self, config: &Value, transformer: &TransformerFile, tokenizer: &Value) -> usize {
        let positions = usable_positions(config);
        // Larger integers than u64 come as floats; both mean "no limit".
        let tokenizer_limit = tokenizer.get("model_max_length").or(tokenizer.get("max_len"));
        let tokenizer_limit = tokenizer_limit.and_then(Value::as_u64).filter(|&limit| limit < NO_LIMIT);
        let (file, own) = (transformer.name, transformer.max_tokens());
        let limit = match (own, tokenizer_limit) {
            (Some(own), Some(other)) if own != other => {
                self.note(
                    TOKENIZER_CONFIG,
                    format!("says {other} tokens; {file} says {own}, which sentence-transformers and nearsort use"),
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
        wanted.map_or(Ok(model_limit), |tokens| checked_limit(config, tokens))
    }

    pub(super) fn compare_tokenizer(
        &mut self,
        config: &Value,
        tokenizer_config: &Value,
        max_tokens: usize,
    ) -> Result<TokenizerSettings> {
        let tokenizer: TokenizerFile = self.parsed(TOKENIZER)?.ok_or_else(|| {
            self.unusable(TOKENIZER, "the file is missing; a folder with only vocab.txt, spm.model or sentencepiece.bpe.model can be converted with transformers: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)")
        })?;
        if let Some(limit) = tokenizer.truncation["max_length"].as_u64().filter(|&limit| limit != max_tokens as u64) {
            self.note(TOKENIZER, format!("truncates at {limit} tokens; the model's limit {max_tokens} is used"));
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
        self.audit_tokenizer(tokenizer_config)?;
        let names = self.token_names(tokenizer_config)?;
        self.note_added_tokens(&names, &tokenizer.added_tokens)?;
        let of_json = (&tokenizer.truncation, &tokenizer.normalizer);
        let settings = self.tokenizer_settings((&names, config), of_json)?;
        if !settings.is_bert() {
            self.compare_case(tokenizer_config, &tokenizer.normalizer);
        }
        Ok(settings)
    }

    fn compare_case(&mut self, config: &Value, normalizer: &Value) {
        let (Some(says), Some(does)) = (config["do_lower_case"].as_bool(), normalizer["lowercase"].as_bool()) else {
            return;
        };
        if says != does {
            let does = if does { "lower-cases" } else { "keeps the case of" };
            self.note(
                TOKENIZER_CONFIG,
                format!("says do_lower_case = {says}, but tokenizer.json {does} texts, which takes precedence"),
            );
        }
    }

    /// Reads config_sentence_transformers.json. sentence-transformers reads it only beside
    /// modules.json.
    fn prompt_file(&mut self) -> Result<Value> {
        let config = self.json(PROMPTS)?.unwrap_or(Value::Null);
        if self.json(MODULES)?.is_some() {
            return Ok(config);
        }
        if config["prompts"].as_object().is_some_and(|prompts| !prompts.is_empty()) {
            let message = "has prompts, which are not read without modules.json, as in sentence-transformers";
            self.note(PROMPTS, message.into());
        }
        Ok(Value::Null)
    }

    /// Returns (query prompt, document prompt, all prompts by name): the user's, else the model's,
    /// else the registry's.
    pub(super) fn prompts(&mut self, overrides: &Overrides) -> Result<(String, String, BTreeMap<String, String>)> {
        let config = self.prompt_file()?;
        let named = |names: &[&str]| {
            names.iter().find_map(|name| config["prompts"][name].as_str().filter(|prompt| !prompt.is_empty()))
        };
        let mut all = named_prompts(&config);
        let mut prompts = (named(&["query"]), named(&["document", "passage", "corpus"]));
        if let Some(name) = config["default_prompt_name"].as_str() {
            self.note(PROMPTS, format!("names '{name}' as the default prompt; nearsort always knows whether a text is a query or a document, and uses no default"));
        }
        let card = self.files.entry.as_deref().map(|entry| (&*entry.prompts.query, &*entry.prompts.document));
        if let Some((query, document)) = card.filter(|&card| prompts == (None, None) && card != ("", "")) {
            prompts = (Some(query), Some(document));
            all.extend([("query".to_owned(), query.to_owned()), ("document".to_owned(), document.to_owned())]);
            self.note(PROMPTS, "names no prompts; the registry's are used, which come from the model card".into());
        }
        if prompts == (None, None) && self.files.entry.is_none() {
            self.note(PROMPTS, "names no prompts, and none are used; models such as E5, BGE and Nomic need them (`query_prompt=`, `document_prompt=`)".into());
        }
        let pick = |wanted: &Option<String>, own: Option<&str>| match wanted {
            Some(prompt) => prompt.clone(),
            None => own.unwrap_or_default().to_owned(),
        };
        Ok((pick(&overrides.query_prompt, prompts.0), pick(&overrides.document_prompt, prompts.1), all))
    }
}

/// Returns the prompts of config_sentence_transformers.json.
pub(super) fn named_prompts(config: &Value) -> BTreeMap<String, String> {
    let named = config["prompts"].as_object().into_iter().flatten();
    named.filter_map(|(name, prompt)| Some((name.clone(), prompt.as_str()?.to_owned()))).collect()
}

/// Checks a user's token limit against the number of positions in config.json.
pub(super) fn checked_limit(config: &Value, tokens: usize) -> Result<usize> {
    let positions = usable_positions(config).map_or(usize::MAX, |positions| positions as usize);
    match tokens {
        // Fewer than three tokens (two special ones and one of the text) encode nothing.
        tokens if tokens < 3 || tokens > positions => {
            let why = format!("{tokens}: the model takes 3 to {positions} tokens");
            Err(Error::InvalidOption { option: "max_tokens", why })
        }
        tokens => Ok(tokens),
    }
}

/// Returns sentence-transformers' pooling without modules.json, and its description. A causal model
/// pools by its last token.
fn default_pooling(config: &Value) -> (Pooling, &'static str) {
    let is_causal = config["is_causal"] != Value::Bool(false);
    match config["architectures"][0].as_str() {
        Some(name) if name.ends_with("ForCausalLM") && is_causal => (Pooling::LastToken, "pooling by the last token"),
        _ => (Pooling::Mean, "mean pooling"),
    }
}

/// Returns the last pooling among the modules; the mean if none pools.
fn last_pooling(modules: &[Module]) -> Pooling {
    let pooling = |module: &Module| if let Module::Pooling(pooling) = module { Some(*pooling) } else { None };
    modules.iter().rev().find_map(pooling).unwrap_or(Pooling::Mean)
}

pub(super) fn dense_folder(module: &Module) -> Option<String> {
    if let Module::Dense(dense) = module { Some(dense.folder.clone()) } else { None }
}

/// Returns the number of positions that a text can take. RoBERTa numbers positions from
/// `pad_token_id + 1`.
pub(super) fn usable_positions(config: &Value) -> Option<u64> {
    let positions = config["max_position_embeddings"].as_u64().or(config["n_positions"].as_u64())?;
    match config["model_type"].as_str() {
        Some("roberta" | "xlm-roberta" | "camembert") => {
            Some(positions.saturating_sub(config["pad_token_id"].as_u64().unwrap_or(1) + 1))
        }
        _ => Some(positions),
    }
}
