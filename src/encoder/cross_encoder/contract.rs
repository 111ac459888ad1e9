//! The contract of a cross-encoder: how to use it, as its own files say.

use serde_json::Value;

use super::super::contract::checked_limit;
use super::super::listed::SCORES;
use super::super::modules::{FeatureShape, Module, shapes};
use super::super::numbers;
use super::super::reader::{CONFIG, MODULES, ModelFinding, PROMPTS, Reader, TOKENIZER_CONFIG};
use super::super::reading::{Caps, Reading, Truncate};
use super::super::tokenizer_settings::TokenizerSettings;
use super::super::transformer_file::TransformerFile;
use crate::store::ModelFiles;
use crate::{Error, Result};

/// The limit on Qwen3-Reranker's card. The model has more positions.
const ANSWERING_LIMIT: u64 = 8192;

/// The use of a folder of model files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelKind {
    /// Turns a text into vectors: [`crate::LocalEncoder`].
    Encoder,
    /// Reads query and document together and gives a score: [`super::CrossEncoder`].
    CrossEncoder,
    /// Turns a text into a vector per token: [`crate::LocalEncoder`], for MaxSim scores only.
    LateInteraction,
}

/// The way that a pair becomes a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairForm {
    /// A classification head over the pair.
    Classifier,
    /// A causal model that answers a question with yes or no: Qwen3-Reranker.
    Answering,
    /// An encoder with the modules of modules.json behind it: Pooling, Dense, LayerNorm.
    Modular,
}

impl PairForm {
    /// Returns sentence-transformers' name for the transformer's task.
    fn task(self) -> &'static str {
        match self {
            Self::Classifier => "sequence-classification",
            Self::Answering => "text-generation",
            Self::Modular => "feature-extraction",
        }
    }
}

/// The settings that a cross-encoder is used with.
#[derive(Debug, Clone)]
pub struct CrossContract {
    /// `model_type` of config.json.
    pub model_type: String,
    /// Longest pair in tokens, special tokens and prompt included.
    pub max_tokens: usize,
    /// True if the model's files ask for logits as scores; else the score is their sigmoid, a
    /// probability.
    pub gives_logits: bool,
    /// Contradictions between the files, and assumptions where they are silent.
    pub findings: Vec<ModelFinding>,
    pub(super) form: PairForm,
    /// True if second texts have a token type of their own, where the tokenizer gives them one.
    pub(super) has_types: bool,
    pub(super) lower_case: bool,
    /// The text put before every query.
    pub(super) query_prompt: String,
    /// The tokens for yes and no in modules.json.
    pub(super) answers: Option<(u64, u64)>,
    /// Changes to tokenizer.json.
    pub(super) tokenizer: TokenizerSettings,
    /// The limits on how much of a text is read, and the end that is cut.
    pub(super) caps: Caps,
    /// The modules that make a score of hidden states; empty except for [`Form::Modular`].
    pub(super) modules: Vec<Module>,
    /// Width of a hidden state.
    pub(super) hidden_size: usize,
    /// The whole config.json.
    pub(super) config: Value,
}

impl ModelKind {
    /// Returns the kind of a model, from the architectures in config.json and from the files of
    /// sentence-transformers.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for a file that is not JSON; [`Error::UnsupportedArchitecture`] for a
    /// cross-encoder of an unknown kind.
    pub fn of(files: &ModelFiles) -> Result<Self> {
        let reader = Reader { files, findings: Vec::new() };
        Ok(match form(&reader)? {
            Some(_) => Self::CrossEncoder,
            None if reader.is_late_interaction()? => Self::LateInteraction,
            None => Self::Encoder,
        })
    }
}

/// Returns the form of a cross-encoder; `None` for any other model.
fn form(reader: &Reader<'_>) -> Result<Option<PairForm>> {
    let json = |file| Ok::<_, Error>(reader.json(file)?.unwrap_or(Value::Null));
    let (config, listed) = (json(CONFIG)?, reader.listed()?.unwrap_or_default());
    let is_declared = json(PROMPTS)?["model_type"] == "CrossEncoder";
    match listed.len() {
        0 | 1 => {}
        _ if !is_declared => return Ok(None),
        _ if listed.iter().all(|module| module.name() != "LogitScore") => return Ok(Some(PairForm::Modular)),
        _ => {}
    }
    let architectures: Vec<&str> =
        config["architectures"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if architectures.iter().any(|name| name.ends_with("ForSequenceClassification")) {
        return Ok(Some(PairForm::Classifier));
    }
    // An embedding model may have the same architecture, as Qwen3-Embedding does.
    if architectures.contains(&"Qwen3ForCausalLM") && (is_declared || is_named_reranker(reader.files)) {
        return Ok(Some(PairForm::Answering));
    }
    match is_declared {
        true => Err(Error::UnsupportedArchitecture {
            found: format!("{} as a cross-encoder", architectures.join(", ")),
            supported: "models with ...ForSequenceClassification, and Qwen3ForCausalLM".into(),
        }),
        false => Ok(None),
    }
}

/// Returns true if a model's requested name, or its folder's name, contains "reranker".
fn is_named_reranker(files: &ModelFiles) -> bool {
    let folder = files.dir.canonicalize().unwrap_or_else(|_| files.dir.clone());
    let folder = folder.file_name().map(|name| name.to_string_lossy().to_lowercase());
    files.name.to_lowercase().contains("reranker") || folder.is_some_and(|folder| folder.contains("reranker"))
}

impl CrossContract {
    /// Reads the files of a cross-encoder; `max_tokens` is the user's own limit.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when a required file is missing, is not JSON, or describes a classifier
    /// of several labels; [`Error::InvalidArgument`] for a model that is not a cross-encoder, and
    /// for a limit out of range.
    pub fn read(files: &ModelFiles, max_tokens: Option<usize>) -> Result<Self> {
        let mut reader = Reader { files, findings: Vec::new() };
        let Some(form) = form(&reader)? else {
            return Err(Error::InvalidArgument(format!("{} is an embedding model, not a cross-encoder", files.name)));
        };
        let config = reader.json(CONFIG)?.ok_or_else(|| reader.unusable(CONFIG, "the file is missing"))?;
        numbers::check(&mut reader, &config)?;
        let hidden_size = reader.hidden_size(&config)?;
        let modules = match form {
            PairForm::Modular => modules(&mut reader, hidden_size)?,
            PairForm::Classifier => check_labels(&reader, &config).map(|()| Vec::new())?,
            PairForm::Answering => Vec::new(),
        };
        let transformer = reader.transformer_file()?;
        let tokenizer = reader.json(TOKENIZER_CONFIG)?.unwrap_or(Value::Null);
        let own_limit = match form {
            PairForm::Classifier | PairForm::Modular => reader.max_tokens(&config, &transformer, &tokenizer),
            PairForm::Answering => answering_limit(&config, &tokenizer),
        };
        let max_tokens = reader.max_tokens_override(&config, own_limit, max_tokens)?;
        let settings = reader.compare_tokenizer(&config, &tokenizer, max_tokens)?;
        if settings.cuts_left() && form == PairForm::Answering {
            let message = "truncation_side is left, which would cut the question; expected right";
            return Err(reader.unusable(TOKENIZER_CONFIG, message));
        }
        reader.audit_config(&config)?;
        reader.audit_prompts(true)?;
        reader.audit_transformer(&transformer, form.task())?;
        let query_prompt = query_prompt(&mut reader, form)?;
        let answers = if form == PairForm::Answering { answers(&reader, &transformer, &tokenizer)? } else { None };
        let gives_logits = gives_logits(&mut reader, &config)?;
        let inputs = tokenizer["model_input_names"].as_array();
        Ok(Self {
            model_type: config["model_type"].as_str().unwrap_or_default().to_owned(),
            max_tokens,
            gives_logits,
            form,
            has_types: inputs.is_none_or(|inputs| inputs.contains(&Value::from("token_type_ids"))),
            lower_case: transformer.lower_case(),
            query_prompt,
            answers,
            tokenizer: settings,
            caps: Caps::default(),
            findings: reader.findings,
            modules,
            hidden_size,
            config,
        })
    }
}

impl CrossContract {
    /// Returns the name of the model's one label.
    pub fn label(&self) -> &str {
        let named = self.config["id2label"].as_object().and_then(|labels| labels.values().next());
        named.and_then(Value::as_str).unwrap_or("LABEL_0")
    }

    /// Returns true if truncation cuts the beginning of texts, not their end.
    pub(super) fn cuts_left(&self) -> bool {
        self.caps.cuts_left.unwrap_or(self.tokenizer.cuts_left())
    }

    /// Returns the contract with the options of `reading`. `name` is the model's name. No file is
    /// read.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for an option that does not apply to the model, and for a value out
    /// of range.
    pub(super) fn reading(&self, reading: &Reading, name: &str) -> Result<Self> {
        let is_asked = self.form == PairForm::Answering;
        reading.refuse(&["query_prompt", "document_prompt", "dim", "normalize"], |_| {
            let instead = if is_asked { "; `instruction=` sets the question" } else { "" };
            format!("is for embedding models, and {name} is a cross-encoder: leave it out{instead}")
        })?;
        if !is_asked {
            reading.refuse(&["instruction"], |_| not_asked(name))?;
        }
        if is_asked && reading.truncate == Some(Truncate::Start) {
            let why = format!("is start, which would cut the question that {name} is asked; expected end or never");
            return Err(Error::InvalidOption { option: "truncate", why });
        }
        let max_tokens = match reading.max_tokens {
            Some(tokens) => checked_limit(&self.config, tokens)?,
            None => self.max_tokens,
        };
        Ok(Self { caps: reading.caps(self.caps, self.tokenizer.cuts_left())?, max_tokens, ..self.clone() })
    }
}

/// Returns the reason why a cross-encoder takes no instruction.
pub(super) fn not_asked(name: &str) -> String {
    format!(
        "is for models that are asked a question, such as Qwen3-Reranker; {name} reads query and document alone: leave it out"
    )
}

/// Returns the modules behind the encoder, which must end in one score.
fn modules(reader: &mut Reader<'_>, hidden_size: usize) -> Result<Vec<Module>> {
    let listed = reader.listed()?.unwrap_or_default();
    let modules = reader.modules(&listed, hidden_size)?;
    let shapes = shapes(&modules, hidden_size).map_err(|message| reader.unusable(MODULES, &message))?;
    let message = match shapes.get(SCORES) {
        Some(FeatureShape::Vector(1)) => return Ok(modules),
        Some(FeatureShape::Vector(labels)) => several_labels(*labels, ""),
        Some(FeatureShape::Tokens(_)) => format!("a module gives one vector per token as '{SCORES}'; add a Pooling"),
        None => format!("no module gives '{SCORES}', which a cross-encoder ends in"),
    };
    Err(reader.unusable(MODULES, &message))
}

fn several_labels(count: usize, named: &str) -> String {
    format!(
        "the model tells {count} labels apart{named}: it is a classifier, and none of its numbers is a score of relevance; give a cross-encoder \
         with one label, such as cross-encoder/ms-marco-MiniLM-L6-v2"
    )
}

/// Checks that there is one label, because several are not a score. transformers assumes two labels
/// where config.json names none.
fn check_labels(reader: &Reader<'_>, config: &Value) -> Result<()> {
    let labels: Vec<&str> =
        config["id2label"].as_object().into_iter().flatten().filter_map(|(_, l)| l.as_str()).collect();
    let count = if config["id2label"].is_object() { labels.len() } else { 2 };
    if count == 1 {
        return Ok(());
    }
    let named = if labels.is_empty() { String::new() } else { format!(" ({})", labels.join(", ")) };
    Err(reader.unusable(CONFIG, &several_labels(count, &named)))
}

/// Returns the default prompt, which sentence-transformers puts before the first text of a pair.
fn query_prompt(reader: &mut Reader<'_>, form: PairForm) -> Result<String> {
    let own = reader.json(PROMPTS)?.filter(|_| form != PairForm::Answering).unwrap_or(Value::Null);
    let Some(name) = own["default_prompt_name"].as_str() else { return Ok(String::new()) };
    match own["prompts"][name].as_str() {
        Some(prompt) => Ok(prompt.to_owned()),
        None => Err(reader.unusable(PROMPTS, &format!("the default prompt '{name}' is not among the prompts"))),
    }
}

/// The sentence that identifies the question of Qwen3-Reranker's card.
const QUESTION: &str = "Judge whether the Document meets the requirements based on the Query";

/// Returns the answers that a LogitScore module names. The model's question must be the one that
/// nearsort asks.
fn answers(reader: &Reader<'_>, transformer: &TransformerFile, tokenizer: &Value) -> Result<Option<(u64, u64)>> {
    let listed = reader.listed()?.unwrap_or_default();
    let Some(entry) = listed.iter().find(|entry| entry.name() == "LogitScore") else { return Ok(None) };
    if listed.len() != 2 {
        return Err(reader.unusable(MODULES, "lists modules beside Transformer and LogitScore, which is not supported"));
    }
    let template = match tokenizer["chat_template"].as_str() {
        Some(template) => template.to_owned(),
        None => reader
            .files
            .read("chat_template.jinja")?
            .map_or_else(String::new, |bytes| String::from_utf8_lossy(&bytes).into_owned()),
    };
    if transformer.content["modality_config"]["message"].is_null() || !template.contains(QUESTION) {
        let message = "a causal model whose chat template does not ask the question of Qwen3-Reranker is not supported";
        return Err(reader.unusable(MODULES, message));
    }
    let file = entry.file("config.json");
    let config = reader.module_config(&file)?;
    match (config["true_token_id"].as_u64(), config["false_token_id"].as_u64()) {
        (Some(yes), Some(no)) => Ok(Some((yes, no))),
        _ => {
            Err(reader
                .unusable(&file, "expected true_token_id and false_token_id; a score of one token is not supported"))
        }
    }
}

fn answering_limit(config: &Value, tokenizer: &Value) -> usize {
    let limits = [&config["max_position_embeddings"], &tokenizer["model_max_length"]];
    limits.into_iter().filter_map(Value::as_u64).fold(ANSWERING_LIMIT, u64::min) as usize
}

/// Returns true if scores are logits, by the rules of sentence-transformers: its own file, else
/// config.json in the current form or the one before version 4, else the sigmoid.
fn gives_logits(reader: &mut Reader<'_>, config: &Value) -> Result<bool> {
    let own = reader.json(PROMPTS)?.unwrap_or(Value::Null);
    let places = [
        (PROMPTS, &own["activation_fn"]),
        (CONFIG, &config["sentence_transformers"]["activation_fn"]),
        (CONFIG, &config["sbert_ce_default_activation_function"]),
    ];
    let named = places.into_iter().find_map(|(file, value)| Some((file, value.as_str()?)));
    let Some((file, name)) = named else { return Ok(false) };
    // sentence-transformers runs only torch's own.
    match name.strip_prefix("torch.").and_then(|name| name.rsplit('.').next()).unwrap_or_default() {
        "Identity" => Ok(true),
        "Sigmoid" => Ok(false),
        _ => {
            reader.note(
                file,
                format!("names the activation '{name}', which nearsort does not know: the sigmoid is used"),
            );
            Ok(false)
        }
    }
}
