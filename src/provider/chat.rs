//! Questions to language models and their answers, in any provider's format.

use serde::Deserialize;
use serde_json::Value;

use super::answer::AnswerSize;

/// Number of characters of an answer that a reason shows.
const SHOWN_CHARS: usize = 80;
/// Bytes of a token in an answer, escaped. Hidden thoughts are sent too.
pub(super) const TOKEN_BYTES: u64 = 64;

/// The language models of a provider.
pub(crate) trait Chats: Send + Sync {
    /// Returns the path under the base URL.
    fn path(&self) -> &'static str;

    /// Returns the body of a request, with those optional parameters that the model takes.
    fn body(&self, model: &str, question: &Question<'_>, takes: &dyn Fn(Parameter) -> bool) -> Value;

    /// Reads the answer from a reply's body. An answer of white space is accepted here.
    fn read(&self, body: &Value) -> Result<ChatAnswer, Unusable>;

    /// Reads the answer from a reply's body. An empty answer is unusable.
    fn answer(&self, body: &Value) -> Result<ChatAnswer, Unusable> {
        let answer = self.read(body)?;
        if answer.text.trim().is_empty() { Err(Unusable::because("the answer is empty")) } else { Ok(answer) }
    }

    /// Returns a body in which [`Chats::read`] finds this answer.
    fn example(&self, answer: &str) -> Value;

    /// Returns the parameters that a family of models is known to refuse, by the model's name in
    /// lower case and without an organisation before it.
    fn refused(&self, model: &str) -> &'static [Parameter];

    /// Returns true if a model thinks before it answers, in tokens that count as output. `model` is
    /// as for [`Chats::refused`].
    fn reasons(&self, model: &str) -> bool;

    /// Returns the names of a parameter in a request's body.
    fn names(&self, parameter: Parameter) -> &'static [&'static str];

    fn answer_size(&self, _body: &Value, output_tokens: u64) -> AnswerSize {
        AnswerSize { bytes: output_tokens.saturating_mul(TOKEN_BYTES), values: 0 }
    }
}

/// An optional parameter of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parameter {
    /// A temperature of 0: the most likely answer.
    Temperature,
    /// The probabilities of the answer's tokens.
    Logprobs,
    /// The form of the answer as a JSON schema.
    Format,
    /// Low reasoning effort.
    Effort,
    /// The newer name of the limit of tokens. If it is refused, the older name is sent.
    CompletionLimit,
}

impl Parameter {
    pub const ALL: [Self; 5] = [Self::Temperature, Self::Logprobs, Self::Format, Self::Effort, Self::CompletionLimit];

    pub fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// The instructions and the question for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChatPrompt {
    /// The instructions; may be empty.
    pub system: String,
    pub user: String,
}

/// A token of an answer, in the form of OpenAI's `logprobs.content`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct AnswerToken {
    #[serde(flatten)]
    pub chosen: Alternative,
    #[serde(default)]
    pub top_logprobs: Vec<Alternative>,
}

/// A possible token at a position, and its log probability.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Alternative {
    pub token: String,
    pub logprob: f64,
    /// The bytes of the token. If a token is a part of a character, `token` does not show them.
    #[serde(default)]
    pub bytes: Option<Vec<u8>>,
}

/// The required form of an answer.
pub(crate) struct AnswerForm {
    /// The name of the schema.
    pub name: &'static str,
    /// Its JSON schema.
    pub schema: Value,
}

/// A question to a model.
pub(crate) struct Question<'a> {
    pub prompt: &'a ChatPrompt,
    pub form: &'a AnswerForm,
    pub max_output_tokens: u64,
    /// True if the probabilities of the tokens are used.
    pub wants_logprobs: bool,
}

/// The answer of a model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChatAnswer {
    pub text: String,
    /// Its tokens with their probabilities; empty if the service does not report them.
    pub tokens: Vec<AnswerToken>,
}

/// The reason why a reply holds no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unusable {
    pub reason: String,
    /// The limit of tokens cut it off.
    pub is_cut: bool,
    /// Asking again would give the same result.
    pub is_final: bool,
    /// The model or the service's filter refuses to answer because of the texts.
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

/// Returns a text, or the joined texts among the parts of a content.
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

/// Returns the first part of an answer, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_CHARS).collect();
    if text.trim().chars().count() > SHOWN_CHARS { line + "..." } else { line }
}
