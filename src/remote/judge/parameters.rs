//! What a model takes beside messages.
//!
//! Services refuse a whole request for one parameter that a model does not take. What is known of families of models is not sent to them; what a
//! service says it refuses is not sent again in this run.

use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::Value;

use crate::service::{Provider, ServiceError};

/// A parameter that a question can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parameter {
    /// `temperature`: 0, the likeliest answer.
    Temperature,
    /// `logprobs` with `top_logprobs`.
    Logprobs,
    /// The form of the answer as a JSON schema: `response_format`, Anthropic's `output_config`.
    Format,
    /// `reasoning_effort`: low.
    Effort,
    /// `max_completion_tokens`; where it is refused, `max_tokens` is said instead.
    CompletionLimit,
}

impl Parameter {
    const ALL: [Self; 5] = [Self::Temperature, Self::Logprobs, Self::Format, Self::Effort, Self::CompletionLimit];

    /// As it stands in a request's body.
    pub fn names(self) -> &'static [&'static str] {
        match self {
            Self::Temperature => &["temperature"],
            Self::Logprobs => &["logprobs", "top_logprobs"],
            Self::Format => &["response_format", "output_config"],
            Self::Effort => &["reasoning_effort"],
            Self::CompletionLimit => &["max_completion_tokens"],
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Which parameters a model takes, as far as is known; threads learn together.
#[derive(Debug)]
pub(super) struct Parameters {
    refused: AtomicU8,
    reasons: bool,
}

impl Parameters {
    /// What is known of a model's family by its name.
    pub fn of_model(provider: Provider, model: &str) -> Self {
        // Gateways put an organisation before it: openai/gpt-5.
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        let reasons = provider != Provider::Anthropic && is_reasoning(&name);
        let refused: &[Parameter] = match provider {
            Provider::OpenAi | Provider::Azure if reasons => &[Parameter::Temperature, Parameter::Logprobs],
            Provider::OpenAi | Provider::Azure => &[Parameter::Effort],
            Provider::Anthropic => refused_by_claude(&name),
        };
        let bits = refused.iter().fold(0, |bits, parameter| bits | parameter.bit());
        Self { refused: AtomicU8::new(bits), reasons }
    }

    /// Whether the model thinks before it answers, in tokens that count as answered.
    pub fn reasons(&self) -> bool {
        self.reasons
    }

    pub fn takes(&self, parameter: Parameter) -> bool {
        self.refused.load(Ordering::Relaxed) & parameter.bit() == 0
    }

    /// Remembers the parameter of a request's body that a service refuses it for; `None` when the error is about something else.
    pub fn learn(&self, error: &ServiceError, body: &Value) -> Option<Parameter> {
        let ServiceError::Refused { status: 400 | 422, param, message, .. } = error else { return None };
        let is_named = |name: &str| match param {
            Some(param) => param.split(['.', '[']).next() == Some(name),
            None => message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|word| word == name),
        };
        let is_refused = |parameter: &Parameter| {
            parameter.names().iter().any(|name| is_named(name))
                && parameter.names().iter().any(|name| body.get(name).is_some())
        };
        let parameter = Parameter::ALL.into_iter().find(is_refused)?;
        self.refused.fetch_or(parameter.bit(), Ordering::Relaxed);
        Some(parameter)
    }
}

/// GPT-5 and the o series.
fn is_reasoning(name: &str) -> bool {
    let is_o_series = name.starts_with('o') && name[1..].starts_with(|c: char| c.is_ascii_digit());
    is_o_series || (name.starts_with("gpt-5") && !name.starts_with("gpt-5-chat"))
}

/// Opus from 4.7 and Sonnet from 5 take no sampling parameters; models whose version stands before the family (claude-3-5-sonnet) know no
/// form of the answer.
fn refused_by_claude(name: &str) -> &'static [Parameter] {
    let mut parts = name.trim_start_matches("claude-").split(['-', '.']);
    let family = parts.next().unwrap_or_default();
    if family.starts_with(|c: char| c.is_ascii_digit()) {
        return &[Parameter::Format];
    }
    // What is longer than two digits is a date.
    let mut number = || parts.next().filter(|part| part.len() <= 2).and_then(|part| part.parse::<u32>().ok());
    let version = (number().unwrap_or(0), number().unwrap_or(0));
    let is_newer = (family == "opus" && version >= (4, 7)) || (family == "sonnet" && version >= (5, 0));
    if is_newer { &[Parameter::Temperature] } else { &[] }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(provider: Provider, model: &str) -> Vec<Parameter> {
        let parameters = Parameters::of_model(provider, model);
        Parameter::ALL.into_iter().filter(|parameter| !parameters.takes(*parameter)).collect()
    }

    #[test]
    fn families_are_told_by_name() {
        use Parameter::{Effort, Format, Logprobs, Temperature};
        for model in ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5-chat-latest", "omni", "llama-3"] {
            assert_eq!(refused(Provider::OpenAi, model), [Effort], "{model}");
        }
        for model in ["gpt-5", "gpt-5-mini", "o1", "o3-mini", "o4-mini-2025-04-16", "openai/gpt-5.1", "GPT-5"] {
            assert_eq!(refused(Provider::Azure, model), [Temperature, Logprobs], "{model}");
            assert!(Parameters::of_model(Provider::OpenAi, model).reasons());
        }
        for model in [
            "claude-opus-4-7",
            "claude-opus-4.8",
            "claude-opus-4-7-20260301",
            "claude-opus-5",
            "claude-sonnet-5-20260801",
        ] {
            assert_eq!(refused(Provider::Anthropic, model), [Temperature], "{model}");
        }
        for model in ["claude-sonnet-4-5", "claude-opus-4-20250514", "claude-opus-4-6", "claude-haiku-4-5-20251001"] {
            assert_eq!(refused(Provider::Anthropic, model), [], "{model}");
        }
        assert_eq!(refused(Provider::Anthropic, "claude-3-5-sonnet-20241022"), [Format]);
    }

    fn error(status: u16, param: Option<&str>, message: &str) -> ServiceError {
        let (host, param, message) = ("h".into(), param.map(str::to_owned), message.to_owned());
        ServiceError::Refused { host, status, code: None, param, message }
    }

    #[test]
    fn a_parameter_that_is_refused_is_learnt() {
        let body = json!({ "temperature": 0, "response_format": {}, "logprobs": true, "top_logprobs": 20 });
        for (param, message, learnt) in [
            (Some("temperature"), "Unsupported parameter", Some(Parameter::Temperature)),
            (None, "temperature: Extra inputs are not permitted", Some(Parameter::Temperature)),
            (None, "`temperature` is deprecated for this model.", Some(Parameter::Temperature)),
            (Some("response_format.json_schema"), "no", Some(Parameter::Format)),
            (Some("top_logprobs"), "no", Some(Parameter::Logprobs)),
            (Some("messages"), "temperature in the message is nothing", None),
            (None, "reasoning_effort was not sent", None),
            (None, "my_temperature", None),
        ] {
            let parameters = Parameters::of_model(Provider::OpenAi, "m");
            assert_eq!(parameters.learn(&error(400, param, message), &body), learnt, "{message}");
            assert!(learnt.is_none_or(|learnt| !parameters.takes(learnt)));
        }
        let parameters = Parameters::of_model(Provider::OpenAi, "m");
        assert_eq!(parameters.learn(&error(401, Some("temperature"), ""), &body), None);
        assert!(parameters.takes(Parameter::Temperature));
    }
}
