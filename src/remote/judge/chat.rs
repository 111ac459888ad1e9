//! Questions and answers in the formats of the services: OpenAI's chat completions and Anthropic's messages.

use serde_json::{Value, json};

use super::Prompt;
use super::expected::Token;
use super::parameters::{Parameter, Parameters};
use super::words::excerpt;
use crate::service::Provider;

/// Likely tokens that are asked for at each place of an answer; the most that OpenAI gives.
const TOP_LOGPROBS: u64 = 20;

/// How an answer is to look.
pub(super) struct Form {
    /// Of the schema.
    pub name: &'static str,
    /// Its JSON schema.
    pub schema: Value,
}

/// A question to a model.
pub(super) struct Question<'a> {
    pub prompt: &'a Prompt,
    pub form: &'a Form,
    pub max_output_tokens: u64,
    /// Whether the probabilities of the tokens are of use.
    pub wants_logprobs: bool,
}

/// What a model answers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    pub text: String,
    /// Its tokens with their probabilities; empty where the service does not tell.
    pub tokens: Vec<Token>,
}

/// Why a reply holds no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unusable {
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

    fn refusal(reason: impl Into<String>) -> Self {
        Self { is_refusal: true, ..Self::because(reason) }
    }

    fn cut() -> Self {
        Self { is_cut: true, ..Self::because("the answer was cut off by the limit of tokens") }
    }
}

/// Where questions go, under the service's address.
pub(super) fn path(provider: Provider) -> &'static str {
    match provider {
        Provider::OpenAi | Provider::Azure => "/chat/completions",
        Provider::Anthropic => "/messages",
    }
}

/// The body of a request, with the parameters that the model takes.
pub(super) fn body(provider: Provider, model: &str, question: &Question<'_>, parameters: &Parameters) -> Value {
    match provider {
        Provider::OpenAi | Provider::Azure => completion(model, question, parameters),
        Provider::Anthropic => message(model, question, parameters),
    }
}

fn completion(model: &str, question: &Question<'_>, parameters: &Parameters) -> Value {
    let Question { prompt, form, max_output_tokens, wants_logprobs } = question;
    let mut messages = vec![json!({ "role": "user", "content": prompt.user })];
    if !prompt.system.is_empty() {
        messages.insert(0, json!({ "role": "system", "content": prompt.system }));
    }
    let mut body = json!({ "model": model, "messages": messages });
    let limit = if parameters.takes(Parameter::CompletionLimit) { "max_completion_tokens" } else { "max_tokens" };
    body[limit] = (*max_output_tokens).into();
    if parameters.takes(Parameter::Temperature) {
        body["temperature"] = 0.into();
    }
    if parameters.takes(Parameter::Effort) {
        body["reasoning_effort"] = "low".into();
    }
    if parameters.takes(Parameter::Format) {
        let schema = json!({ "name": form.name, "strict": true, "schema": form.schema });
        body["response_format"] = json!({ "type": "json_schema", "json_schema": schema });
    }
    if *wants_logprobs && parameters.takes(Parameter::Logprobs) {
        body["logprobs"] = true.into();
        body["top_logprobs"] = TOP_LOGPROBS.into();
    }
    body
}

fn message(model: &str, question: &Question<'_>, parameters: &Parameters) -> Value {
    let Question { prompt, form, max_output_tokens, .. } = question;
    let messages = json!([{ "role": "user", "content": prompt.user }]);
    let mut body = json!({ "model": model, "max_tokens": max_output_tokens, "messages": messages });
    if !prompt.system.is_empty() {
        body["system"] = prompt.system.clone().into();
    }
    if parameters.takes(Parameter::Temperature) {
        body["temperature"] = 0.into();
    }
    if parameters.takes(Parameter::Format) {
        body["output_config"] = json!({ "format": { "type": "json_schema", "schema": form.schema } });
    }
    body
}

/// The answer in a reply.
pub(super) fn read(provider: Provider, body: &Value) -> Result<Answer, Unusable> {
    let answer = match provider {
        Provider::OpenAi | Provider::Azure => read_completion(body)?,
        Provider::Anthropic => read_message(body)?,
    };
    if answer.text.trim().is_empty() { Err(Unusable::because("the answer is empty")) } else { Ok(answer) }
}

fn read_completion(body: &Value) -> Result<Answer, Unusable> {
    let choice = &body["choices"][0];
    if let Some(refusal) = choice["message"]["refusal"].as_str().filter(|refusal| !refusal.is_empty()) {
        return Err(Unusable::refusal(format!("the model refuses: '{}'", excerpt(refusal))));
    }
    match choice["finish_reason"].as_str() {
        Some("length") => return Err(Unusable::cut()),
        Some("content_filter") => {
            let reason = "the service's content filter withheld the answer";
            return Err(Unusable { is_final: true, ..Unusable::refusal(reason) });
        }
        _ => {}
    }
    let text = text(&choice["message"]["content"]).ok_or_else(|| Unusable::because("the reply has no answer in it"))?;
    // Servers that speak the format have these in other shapes, or not at all; the grade itself is there.
    let tokens = serde_json::from_value(choice["logprobs"]["content"].clone()).unwrap_or_default();
    Ok(Answer { text, tokens })
}

fn read_message(body: &Value) -> Result<Answer, Unusable> {
    match body["stop_reason"].as_str() {
        Some("refusal") => return Err(Unusable::refusal("the model refuses to answer")),
        Some("max_tokens" | "model_context_window_exceeded") => return Err(Unusable::cut()),
        _ => {}
    }
    let text = text(&body["content"]).ok_or_else(|| Unusable::because("the reply has no answer in it"))?;
    Ok(Answer { text, tokens: Vec::new() })
}

/// A text, or the texts among the parts of a content.
fn text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().filter(|part| part["type"] == "text").map(|part| part["text"].as_str());
            texts.collect::<Option<Vec<&str>>>().map(|texts| texts.concat())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(provider: Provider, model: &str) -> Value {
        let prompt = Prompt { system: "Grade.".into(), user: "Which?".into() };
        let form = Form { name: "grade", schema: json!({ "type": "object" }) };
        let question = Question { prompt: &prompt, form: &form, max_output_tokens: 64, wants_logprobs: true };
        body(provider, model, &question, &Parameters::of_model(provider, model))
    }

    #[test]
    fn bodies_are_in_each_services_format() {
        assert_eq!(
            question(Provider::OpenAi, "gpt-4o"),
            json!({
                "model": "gpt-4o",
                "messages": [{ "role": "system", "content": "Grade." }, { "role": "user", "content": "Which?" }],
                "max_completion_tokens": 64,
                "temperature": 0,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": { "name": "grade", "strict": true, "schema": { "type": "object" } },
                },
                "logprobs": true,
                "top_logprobs": 20,
            })
        );
        assert_eq!(
            question(Provider::Anthropic, "claude-sonnet-4-5"),
            json!({
                "model": "claude-sonnet-4-5",
                "system": "Grade.",
                "messages": [{ "role": "user", "content": "Which?" }],
                "max_tokens": 64,
                "temperature": 0,
                "output_config": { "format": { "type": "json_schema", "schema": { "type": "object" } } },
            })
        );
    }

    #[test]
    fn what_a_model_refuses_is_not_sent() {
        let keys = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let expected = ["model", "messages", "max_completion_tokens", "reasoning_effort", "response_format"];
        assert_eq!(keys(&question(Provider::OpenAi, "gpt-5-mini")), expected);
        let sonnet = question(Provider::Anthropic, "claude-sonnet-5");
        assert_eq!(keys(&sonnet), ["model", "max_tokens", "messages", "system", "output_config"]);
        let older = question(Provider::Anthropic, "claude-3-5-sonnet-20241022");
        assert_eq!(keys(&older), ["model", "max_tokens", "messages", "system", "temperature"]);
    }

    fn completion_of(message: Value, finish_reason: &str) -> Value {
        json!({ "choices": [{ "index": 0, "message": message, "finish_reason": finish_reason }] })
    }

    fn reason(provider: Provider, body: &Value) -> String {
        read(provider, body).expect_err("no answer").reason
    }

    #[test]
    fn answers_are_read_from_each_services_format() {
        let said = |content: Value| completion_of(json!({ "role": "assistant", "content": content }), "stop");
        assert_eq!(read(Provider::OpenAi, &said("7".into())).unwrap().text, "7");
        let parts = json!([{ "type": "text", "text": "{\"score\":" }, { "type": "text", "text": " 7}" }]);
        assert_eq!(read(Provider::OpenAi, &said(parts.clone())).unwrap().text, "{\"score\": 7}");
        let message = json!({ "content": [{ "type": "thinking", "thinking": "9" }, parts[0], parts[1]], "stop_reason": "end_turn" });
        assert_eq!(read(Provider::Anthropic, &message).unwrap().text, "{\"score\": 7}");
    }

    #[test]
    fn refusals_cut_and_empty_answers_are_none_whatever_text_they_have() {
        let openai =
            |message: Value, reason: &str| super::super::chat::read(Provider::OpenAi, &completion_of(message, reason));
        let seven = || json!({ "content": "7" });
        assert!(openai(seven(), "length").unwrap_err().is_cut);
        assert!(openai(seven(), "content_filter").unwrap_err().is_final);
        let refusal = json!({ "content": null, "refusal": "I cannot." });
        assert!(openai(refusal, "stop").unwrap_err().reason.contains("refuses: 'I cannot.'"));
        assert!(openai(json!({ "content": null }), "stop").unwrap_err().reason.contains("no answer in it"));
        assert!(openai(json!({ "content": " \n" }), "stop").unwrap_err().reason.contains("empty"));
        assert!(reason(Provider::OpenAi, &json!({ "choices": [] })).contains("no answer in it"));
        let claude = |stop: &str| json!({ "content": [{ "type": "text", "text": "7" }], "stop_reason": stop });
        assert!(reason(Provider::Anthropic, &claude("refusal")).contains("refuses"));
        assert!(read(Provider::Anthropic, &claude("max_tokens")).unwrap_err().is_cut);
        assert!(reason(Provider::Anthropic, &json!({ "content": [], "stop_reason": "end_turn" })).contains("empty"));
        assert!(reason(Provider::Anthropic, &json!({})).contains("no answer in it"));
    }
}
