//! Questions to language models and their answers, whatever the provider's format.

use serde::Deserialize;
use serde_json::Value;

use super::answer::AnswerSize;

/// Characters of an answer that a reason shows.
const SHOWN_CHARS: usize = 80;
/// Bytes of a token in an answer, escaped; hidden thoughts are told too.
pub(super) const TOKEN_BYTES: u64 = 64;

/// The language models of a provider.
pub(crate) trait Chats: Send + Sync {
    /// Under the base URL.
    fn path(&self) -> &'static str;

    /// The body of a request, with those optional parameters that the model takes.
    fn body(&self, model: &str, question: &Question<'_>, takes: &dyn Fn(Parameter) -> bool) -> Value;

    /// The answer in a reply's body. An answer of nothing but white space is an answer here.
    fn read(&self, body: &Value) -> Result<Answer, Unusable>;

    /// The answer in a reply's body, with something in it.
    fn answer(&self, body: &Value) -> Result<Answer, Unusable> {
        let answer = self.read(body)?;
        if answer.text.trim().is_empty() { Err(Unusable::because("the answer is empty")) } else { Ok(answer) }
    }

    /// A body in which [`Chats::read`] finds this answer.
    fn example(&self, answer: &str) -> Value;

    /// Parameters that a family of models is known to refuse, by the model's name in lower case
    /// and without an organisation before it.
    fn refused(&self, model: &str) -> &'static [Parameter];

    /// Whether a model thinks before it answers, in tokens that count as answered; as above.
    fn reasons(&self, model: &str) -> bool;

    /// A parameter as it stands in a request's body.
    fn names(&self, parameter: Parameter) -> &'static [&'static str];

    fn answer_size(&self, _body: &Value, output_tokens: u64) -> AnswerSize {
        AnswerSize { bytes: output_tokens.saturating_mul(TOKEN_BYTES), values: 0 }
    }
}

/// A parameter that a question can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameter {
    /// A temperature of 0: the likeliest answer.
    Temperature,
    /// The probabilities of the answer's tokens.
    Logprobs,
    /// The form of the answer as a JSON schema.
    Format,
    /// Little effort in thinking.
    Effort,
    /// The newer name of the limit of tokens; where it is refused, the older one is said.
    CompletionLimit,
}

impl Parameter {
    pub const ALL: [Self; 5] = [Self::Temperature, Self::Logprobs, Self::Format, Self::Effort, Self::CompletionLimit];

    pub fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What a model is told and asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    /// Empty: there are no instructions.
    pub system: String,
    pub user: String,
}

/// A token of an answer, as OpenAI's `logprobs.content` has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Token {
    #[serde(flatten)]
    pub chosen: Alternative,
    #[serde(default)]
    pub top_logprobs: Vec<Alternative>,
}

/// A token that could stand in a place, and how likely it is.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Alternative {
    pub token: String,
    pub logprob: f64,
    /// A token can be a part of a character; then `token` is not what it says.
    #[serde(default)]
    pub bytes: Option<Vec<u8>>,
}

/// How an answer is to look.
pub(crate) struct Form {
    /// Of the schema.
    pub name: &'static str,
    /// Its JSON schema.
    pub schema: Value,
}

/// A question to a model.
pub(crate) struct Question<'a> {
    pub prompt: &'a Prompt,
    pub form: &'a Form,
    pub max_output_tokens: u64,
    /// Whether the probabilities of the tokens are of use.
    pub wants_logprobs: bool,
}

/// What a model answers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub text: String,
    /// Its tokens with their probabilities; empty where the service does not tell.
    pub tokens: Vec<Token>,
}

/// Why a reply holds no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unusable {
    pub reason: String,
    /// It was cut off by the limit of tokens.
    pub is_cut: bool,
    /// Asking again would give the same.
    pub is_final: bool,
    /// The model or the service's filter will not answer for what the texts say.
    pub is_refusal: bool,
}

impl Unusable {
    pub fn because(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), is_cut: false, is_final: false, is_refusal: false }
    }

    pub fn refusal(reason: impl Into<String>) -> Self {
        Self { is_refusal: true, ..Self::because(reason) }
    }

    pub fn cut() -> Self {
        Self { is_cut: true, ..Self::because("the answer was cut off by the limit of tokens") }
    }
}

/// A text, or the texts among the parts of a content.
pub(super) fn text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().filter(|part| part["type"] == "text").map(|part| part["text"].as_str());
            texts.collect::<Option<Vec<&str>>>().map(|texts| texts.concat())
        }
        _ => None,
    }
}

/// The beginning of an answer, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_CHARS).collect();
    if text.trim().chars().count() > SHOWN_CHARS { line + "..." } else { line }
}
