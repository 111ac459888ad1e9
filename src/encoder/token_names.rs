//! The tokens that tokenizer_config.json names, where they differ from those of tokenizer.json.
//!
//! Some transformers classes rebuild a tokenizer from its vocabulary and the names in
//! tokenizer_config.json. For these, the tokens around a text in tokenizer.json have no effect.
//! Every class also adds named tokens that are missing from the added tokens of tokenizer.json.

use serde_json::Value;
use tokenizers::{ModelWrapper, Tokenizer};

use super::reader::{Reader, TOKENIZER_CONFIG};
use crate::Result;

/// The file of named tokens in older models.
pub(super) const SPECIAL_TOKENS: &str = "special_tokens_map.json";
/// The file of tokens with their ids in older models.
const ADDED_TOKENS: &str = "added_tokens.json";
/// The fields that hold several names.
const LISTS: [&str; 4] =
    ["additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens", "added_tokens_decoder"];
/// Maximum number of names listed in a message.
const SHOWN: usize = 5;

/// The fields of the tokens before and behind a text, by class name (without `Fast`).
const CLASSES: [(&str, [&str; 2]); 6] = [
    ("BertTokenizer", ["cls_token", "sep_token"]),
    ("ElectraTokenizer", ["cls_token", "sep_token"]),
    ("RobertaTokenizer", ["cls_token", "sep_token"]),
    ("XLMRobertaTokenizer", ["bos_token", "eos_token"]),
    ("CamembertTokenizer", ["bos_token", "eos_token"]),
    ("Qwen2Tokenizer", ["", ""]),
];

/// The requirements of a class that leaves a tokenizer as it is. `None` stands for no requirement.
#[derive(Debug, Clone, Default)]
pub(super) struct Demands {
    /// The tokens before and behind a text: the field that names each, and the name.
    ends: [Option<(&'static str, String)>; 2],
    /// The token for words outside the vocabulary.
    unknown: Option<String>,
    /// True if a text begins with a space.
    prefix_space: Option<bool>,
}

impl Demands {
    /// Returns the demands of a class, with the names of tokenizer_config.json.
    pub fn of(class: &str, config: &Value) -> Self {
        let class = class.strip_suffix("Fast").unwrap_or(class);
        let class = if class == "DistilBertTokenizer" { "BertTokenizer" } else { class };
        let Some((_, fields)) = CLASSES.iter().find(|(known, _)| *known == class) else { return Self::default() };
        let is_bert = fields[0] == "cls_token" && class != "RobertaTokenizer";
        // RoBERTa's space is set by `TokenizerSettings`, and BERT has none.
        let has_space = fields[0] != "cls_token";
        Self {
            ends: fields.map(|field| Some((field, token_name(&config[field])?.to_owned()))),
            unknown: token_name(&config["unk_token"]).filter(|_| is_bert).map(str::to_owned),
            prefix_space: config["add_prefix_space"].as_bool().filter(|_| has_space),
        }
    }

    /// Checks a tokenizer against the demands.
    ///
    /// # Errors
    /// A message that says what differs.
    pub fn check(&self, tokenizer: &Tokenizer) -> Result<(), String> {
        let around = tokenizer.encode("", true).map_err(|e| format!("it cannot encode an empty text: {e}"))?;
        let ids = [around.get_ids().first(), around.get_ids().last()];
        for ((end, id), place) in self.ends.iter().zip(ids).zip(["before", "behind"]) {
            if let Some((field, name)) = end
                && tokenizer.token_to_id(name).as_ref() != id
            {
                let message = format!("{field} is '{name}', and tokenizer.json puts another token {place} a text");
                return Err(differs(&message));
            }
        }
        if let (Some(name), ModelWrapper::WordPiece(model)) = (&self.unknown, tokenizer.get_model())
            && *name != model.unk_token
        {
            let message = format!("unk_token is '{name}', and that of tokenizer.json '{}'", model.unk_token);
            return Err(differs(&message));
        }
        match self.prefix_space.filter(|space| *space != begins_with_space(tokenizer)) {
            Some(space) => Err(differs(&format!("add_prefix_space is {space}, and tokenizer.json does the opposite"))),
            None => Ok(()),
        }
    }
}

fn differs(message: &str) -> String {
    format!(
        "{message}; transformers goes by tokenizer_config.json, which is not supported here: make both files say the same with \
         AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)"
    )
}

fn begins_with_space(tokenizer: &Tokenizer) -> bool {
    let steps = serde_json::to_string(&tokenizer.get_pre_tokenizer()).unwrap_or_default();
    let signs = ["\"add_prefix_space\":true", "\"prepend_scheme\":\"always\"", "\"prepend_scheme\":\"first\""];
    signs.iter().any(|sign| steps.contains(sign))
}

/// Returns the name of a token, which is a string or an object with the name.
pub(super) fn token_name(value: &Value) -> Option<&str> {
    value.as_str().or(value["content"].as_str()).filter(|name| !name.is_empty())
}

impl Reader<'_> {
    /// Returns tokenizer_config.json with the names that transformers reads from older files.
    pub(super) fn token_names(&self, config: &Value) -> Result<Value> {
        let mut names = config.clone();
        let older = match config.get("added_tokens_decoder") {
            Some(_) => None,
            None => self.json(SPECIAL_TOKENS)?,
        };
        if let (Value::Object(older), Value::Object(names)) = (older.unwrap_or(Value::Null), &mut names) {
            names.extend(older);
        }
        Ok(names)
    }

    /// Notes the named tokens that are missing in tokenizer.json. `added` are its added tokens.
    pub(super) fn note_added_tokens(&mut self, names: &Value, added: &Value) -> Result<()> {
        let own: Vec<&str> = added.as_array().into_iter().flatten().filter_map(token_name).collect();
        let single = names.as_object().into_iter().flatten().filter(|(field, _)| field.ends_with("_token"));
        let lists = LISTS.iter().flat_map(|field| values(&names[*field]));
        let mut lacking: Vec<String> =
            single.map(|(_, value)| value).chain(lists).filter_map(token_name).map(str::to_owned).collect();
        if names.get("added_tokens_decoder").is_none() {
            let older = self.json(ADDED_TOKENS)?.unwrap_or(Value::Null);
            lacking.extend(older.as_object().into_iter().flatten().map(|(name, _)| name.clone()));
        }
        lacking.retain(|name| !own.contains(&name.as_str()));
        lacking.sort_unstable();
        lacking.dedup();
        if !lacking.is_empty() {
            let more = if lacking.len() > SHOWN { ", ..." } else { "" };
            lacking.truncate(SHOWN);
            let message = format!(
                "names tokens that tokenizer.json does not have among its added ones ('{}'{more}): transformers adds them, nearsort does not, \
                 and a text in which one stands gets other tokens",
                lacking.join("', '")
            );
            self.note(TOKENIZER_CONFIG, message);
        }
        Ok(())
    }
}

/// Returns the values of a list or of an object.
fn values(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => Vec::new(),
    }
}
