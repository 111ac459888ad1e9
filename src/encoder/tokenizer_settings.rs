//! The changes that transformers makes to tokenizer.json when it loads a tokenizer. Some fields of
//! tokenizer_config.json override it.

use serde_json::Value;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{Tokenizer, TruncationDirection};

use super::reader::{Reader, TOKENIZER_CONFIG};
use super::token_names::Demands;
use crate::store::ModelFiles;
use crate::{Error, Result};

/// Classes that build BERT's normalizer from tokenizer_config.json, whatever tokenizer.json has.
const BERT: [&str; 6] = [
    "BertTokenizer",
    "BertTokenizerFast",
    "DistilBertTokenizer",
    "DistilBertTokenizerFast",
    "ElectraTokenizer",
    "ElectraTokenizerFast",
];
/// Classes for which tokenizer_config.json decides whether a text begins with a space.
const BYTES: [&str; 2] = ["RobertaTokenizer", "RobertaTokenizerFast"];

/// The settings of a tokenizer that come from outside tokenizer.json.
#[derive(Debug, Clone)]
pub(crate) struct TokenizerSettings {
    /// The end of a long text that is cut.
    pub direction: TruncationDirection,
    /// The normalizer in place of that of tokenizer.json.
    bert: Option<BertNormalizer>,
    prefix_space: Option<bool>,
    split_special: bool,
    /// True if BERT's normalizer differs from that of tokenizer.json.
    other_normalizer: bool,
    demands: Demands,
}

impl Reader<'_> {
    /// Reads the settings from tokenizer_config.json and config.json. `truncation` and `normalizer`
    /// are those of tokenizer.json.
    pub(super) fn tokenizer_settings(
        &mut self,
        (config, model): (&Value, &Value),
        (truncation, normalizer): (&Value, &Value),
    ) -> Result<TokenizerSettings> {
        let class = config["tokenizer_class"].as_str().unwrap_or_else(|| default_class(model));
        let is_bert = BERT.contains(&class) && normalizer["type"] == "BertNormalizer";
        let bert = is_bert.then(|| self.bert_normalizer(config, normalizer));
        let settings = TokenizerSettings {
            direction: self.direction(config, truncation)?,
            bert: bert.map(|(normalizer, _)| normalizer),
            other_normalizer: bert.is_some_and(|(_, differs)| differs),
            prefix_space: BYTES.contains(&class).then(|| config["add_prefix_space"] == Value::Bool(true)),
            split_special: config["split_special_tokens"] == Value::Bool(true),
            demands: Demands::of(class, config),
        };
        self.note_padding(config, model);
        Ok(settings)
    }

    /// Notes padding on the left. It moves a text to later positions in models that number
    /// positions from the first token.
    fn note_padding(&mut self, config: &Value, model: &Value) {
        let is_numbered = matches!(model["model_type"].as_str(), Some("bert" | "distilbert" | "electra"));
        if config["padding_side"] == "left" && is_numbered {
            let message = "pads texts on the left, so that in sentence-transformers a vector depends on the other texts of its \
                           batch; nearsort gives the vector of the text alone";
            self.note(TOKENIZER_CONFIG, message.into());
        }
    }

    fn direction(&self, config: &Value, truncation: &Value) -> Result<TruncationDirection> {
        let own = &config["truncation_side"];
        match own.as_str().or(truncation["direction"].as_str()).map(str::to_lowercase).as_deref() {
            None if own.is_null() => Ok(TruncationDirection::Right),
            Some("right") => Ok(TruncationDirection::Right),
            Some("left") => Ok(TruncationDirection::Left),
            _ => Err(self.unusable(TOKENIZER_CONFIG, &format!("truncation_side is {own}; expected left or right"))),
        }
    }

    /// Builds BERT's normalizer from tokenizer_config.json, and notes where tokenizer.json
    /// disagrees.
    fn bert_normalizer(&mut self, config: &Value, normalizer: &Value) -> (BertNormalizer, bool) {
        let flag = |field: &str, default: bool| config[field].as_bool().unwrap_or(default);
        let (lowercase, chinese) = (flag("do_lower_case", true), flag("tokenize_chinese_chars", true));
        let accents = config["strip_accents"].as_bool();
        let strips = |accents: Option<bool>, lowercase: bool| accents.unwrap_or(lowercase);
        let own = |field: &str, default: bool| normalizer[field].as_bool().unwrap_or(default);
        let own_lowercase = own("lowercase", true);
        let pairs = [
            ("do_lower_case", lowercase, "lowercase", own_lowercase),
            ("tokenize_chinese_chars", chinese, "handle_chinese_chars", own("handle_chinese_chars", true)),
            (
                "strip_accents",
                strips(accents, lowercase),
                "strip_accents",
                strips(normalizer["strip_accents"].as_bool(), own_lowercase),
            ),
        ];
        let differs = pairs.iter().any(|(_, value, _, other)| value != other);
        for (field, value, own, other) in pairs.into_iter().filter(|(_, value, _, other)| value != other) {
            let says = if config[field].is_null() { "leaves out" } else { "says" };
            self.note(
                TOKENIZER_CONFIG,
                format!(
                    "{says} {field} (= {value}), tokenizer.json {own} = {other}: {value} is used, as transformers does"
                ),
            );
        }
        (BertNormalizer::new(true, chinese, accents, lowercase), differs)
    }
}

/// Returns the class of a model_type, for a tokenizer_config.json without one.
fn default_class(config: &Value) -> &'static str {
    match config["model_type"].as_str() {
        Some("bert" | "distilbert" | "electra" | "nomic_bert") => BERT[0],
        Some("roberta") => BYTES[0],
        _ => "",
    }
}

impl TokenizerSettings {
    /// Returns the settings of a tokenizer that is used as tokenizer.json says, but for the end that
    /// is cut.
    pub(super) fn plain(direction: TruncationDirection) -> Self {
        Self {
            direction,
            bert: None,
            prefix_space: None,
            split_special: false,
            other_normalizer: false,
            demands: Demands::default(),
        }
    }

    /// Returns true if texts become the tokens that tokenizer.json alone would give.
    pub(super) fn is_plain(&self) -> bool {
        let right = matches!(self.direction, TruncationDirection::Right);
        right && !self.other_normalizer && !self.split_special && self.prefix_space != Some(true)
    }

    /// Returns true if truncation cuts the beginning of a text, not its end.
    pub(super) fn cuts_left(&self) -> bool {
        matches!(self.direction, TruncationDirection::Left)
    }

    /// Returns true if BERT's normalizer is built from tokenizer_config.json.
    pub(super) fn is_bert(&self) -> bool {
        self.bert.is_some()
    }

    /// Changes a tokenizer that was read from tokenizer.json.
    ///
    /// # Errors
    /// [`Error::Compute`] when the tokenizers library refuses a normalizer; [`Error::ModelFile`]
    /// for a tokenizer that transformers would change in another way.
    pub(crate) fn apply(&self, files: &ModelFiles, tokenizer: &mut Tokenizer) -> Result<()> {
        let failed = |e: tokenizers::Error| Error::Compute {
            context: "preparing the tokenizer failed".into(),
            message: e.to_string(),
        };
        if let Some(bert) = self.bert {
            tokenizer.with_normalizer(Some(bert)).map_err(failed)?;
        }
        if let (Some(space), Some(PreTokenizerWrapper::ByteLevel(bytes))) =
            (self.prefix_space, tokenizer.get_pre_tokenizer())
        {
            let bytes = bytes.add_prefix_space(space);
            tokenizer.with_pre_tokenizer(Some(bytes));
        }
        let unusable = |message| Error::ModelFile { path: files.dir.join(TOKENIZER_CONFIG), message };
        self.demands.check(tokenizer).map_err(unusable)?;
        if self.split_special {
            tokenizer.set_encode_special_tokens(true);
        }
        Ok(())
    }
}
