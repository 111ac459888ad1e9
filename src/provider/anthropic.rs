//! Anthropic: messages.

use serde_json::{Value, json};

use super::chat::{ChatAnswer, Chats, Parameter, Question, Unusable, text};
use super::kind::ServiceKind;
use super::wire::{ErrorWords, Facts, Wire};
use crate::call::ServiceTokens;

/// Default version of Anthropic's format.
pub const ANTHROPIC_VERSION: &str = "2023-06-01";

static FACTS: Facts = Facts {
    name: "anthropic",
    title: "Anthropic",
    base_url: Some("https://api.anthropic.com/v1"),
    missing_base_url: "",
    base_url_variable: "ANTHROPIC_BASE_URL",
    key_variables: &["ANTHROPIC_API_KEY"],
    always_needs_key: false,
    domains: &["api.anthropic.com"],
    prices_of: "anthropic",
    has_openai_tokens: false,
    results: &["content"],
    errors: ErrorWords {
        no_credit: &["enforced_spend_limit_reached"],
        about_texts: &["request_too_large"],
        about_texts_messages: &["prompt is too long", "content filtering policy"],
    },
};

pub(crate) struct Anthropic;

impl Wire for Anthropic {
    fn facts(&self) -> &Facts {
        &FACTS
    }

    fn guess_kind(&self, _: &str) -> ServiceKind {
        ServiceKind::Judge
    }

    fn headers(&self, key: Option<&str>, api_version: Option<&str>) -> Vec<(&'static str, String)> {
        let version = ("anthropic-version", api_version.unwrap_or(ANTHROPIC_VERSION).to_owned());
        key.map(|key| ("x-api-key", key.to_owned())).into_iter().chain([version]).collect()
    }

    /// Reads the usage. Anthropic's `input_tokens` do not include those read from or written to its
    /// cache.
    fn usage(&self, body: &Value) -> Option<ServiceTokens> {
        let usage = body.get("usage")?;
        let number = |name: &str| usage.get(name).and_then(Value::as_u64);
        let cached = number("cache_read_input_tokens").unwrap_or(0);
        let written = number("cache_creation_input_tokens").unwrap_or(0);
        let input = number("input_tokens")?.saturating_add(cached).saturating_add(written);
        Some(ServiceTokens { input, cached_input: cached, output: number("output_tokens")?, search_units: 0 })
    }

    /// Matches `temperature: Extra inputs are not permitted`, `` `temperature` is deprecated for
    /// this model ``.
    fn refused_parameter<'a>(&self, message: &'a str) -> Option<&'a str> {
        if let Some((name, _)) = message.split_once(": Extra inputs") {
            return Some(name);
        }
        let name = message.strip_prefix('`')?.split('`').next()?;
        (message.contains("deprecated") || message.contains("support")).then_some(name)
    }

    fn chats(&self) -> Option<&dyn Chats> {
        Some(self)
    }
}

impl Chats for Anthropic {
    fn path(&self) -> &'static str {
        "/messages"
    }

    fn body(&self, model: &str, question: &Question<'_>, takes: &dyn Fn(Parameter) -> bool) -> Value {
        let Question { prompt, form, max_output_tokens, .. } = question;
        let messages = json!([{ "role": "user", "content": prompt.user }]);
        let mut body = json!({ "model": model, "max_tokens": max_output_tokens, "messages": messages });
        if !prompt.system.is_empty() {
            body["system"] = prompt.system.clone().into();
        }
        if takes(Parameter::Temperature) {
            body["temperature"] = 0.into();
        }
        if takes(Parameter::Format) {
            body["output_config"] = json!({ "format": { "type": "json_schema", "schema": form.schema } });
        }
        body
    }

    fn read(&self, body: &Value) -> Result<ChatAnswer, Unusable> {
        match body["stop_reason"].as_str() {
            Some("refusal") => return Err(Unusable::refusal("the model refused to answer")),
            Some("max_tokens" | "model_context_window_exceeded") => return Err(Unusable::cut()),
            _ => {}
        }
        let text = text(&body["content"]).ok_or_else(|| Unusable::because("the reply has no answer in it"))?;
        Ok(ChatAnswer { text, tokens: Vec::new() })
    }

    fn example(&self, answer: &str) -> Value {
        json!({ "content": [{ "type": "text", "text": answer }] })
    }

    /// Opus from 4.7 and Sonnet from 5 take no sampling parameters. Models with the version before
    /// the family (claude-3-5-sonnet) do not support a form of the answer.
    fn refused(&self, model: &str) -> &'static [Parameter] {
        let mut parts = model.trim_start_matches("claude-").split(['-', '.']);
        let family = parts.next().unwrap_or_default();
        if family.starts_with(|c: char| c.is_ascii_digit()) {
            return &[Parameter::Format];
        }
        // A longer number than two digits is a date.
        let mut number = || parts.next().filter(|part| part.len() <= 2).and_then(|part| part.parse::<u32>().ok());
        let version = (number().unwrap_or(0), number().unwrap_or(0));
        let is_newer = (family == "opus" && version >= (4, 7)) || (family == "sonnet" && version >= (5, 0));
        if is_newer { &[Parameter::Temperature] } else { &[] }
    }

    fn reasons(&self, _: &str) -> bool {
        false
    }

    fn names(&self, parameter: Parameter) -> &'static [&'static str] {
        match parameter {
            Parameter::Temperature => &["temperature"],
            Parameter::Format => &["output_config"],
            Parameter::Logprobs | Parameter::Effort | Parameter::CompletionLimit => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chat::{AnswerForm, ChatPrompt};
    use super::*;

    fn question(model: &str) -> Value {
        let prompt = ChatPrompt { system: "Grade.".into(), user: "Which?".into() };
        let form = AnswerForm { name: "grade", schema: json!({ "type": "object" }) };
        let question = Question { prompt: &prompt, form: &form, max_output_tokens: 64, wants_logprobs: true };
        let refused = Anthropic.refused(model);
        Anthropic.body(model, &question, &|parameter| !refused.contains(&parameter))
    }

    #[test]
    fn a_question_is_a_message() {
        assert_eq!(
            question("claude-sonnet-4-5"),
            json!({
                "model": "claude-sonnet-4-5",
                "system": "Grade.",
                "messages": [{ "role": "user", "content": "Which?" }],
                "max_tokens": 64,
                "temperature": 0,
                "output_config": { "format": { "type": "json_schema", "schema": { "type": "object" } } },
            })
        );
        let keys = |body: &Value| body.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let sonnet = question("claude-sonnet-5");
        assert_eq!(keys(&sonnet), ["model", "max_tokens", "messages", "system", "output_config"]);
        let older = question("claude-3-5-sonnet-20241022");
        assert_eq!(keys(&older), ["model", "max_tokens", "messages", "system", "temperature"]);
    }

    #[test]
    fn families_are_told_by_name() {
        use Parameter::{Format, Temperature};
        for model in [
            "claude-opus-4-7",
            "claude-opus-4.8",
            "claude-opus-4-7-20260301",
            "claude-opus-5",
            "claude-sonnet-5-20260801",
        ] {
            assert_eq!(Anthropic.refused(model), [Temperature], "{model}");
        }
        for model in ["claude-sonnet-4-5", "claude-opus-4-20250514", "claude-opus-4-6", "claude-haiku-4-5-20251001"] {
            assert_eq!(Anthropic.refused(model), [], "{model}");
        }
        assert_eq!(Anthropic.refused("claude-3-5-sonnet-20241022"), [Format]);
    }

    #[test]
    fn answers_are_read_and_what_is_none_says_why() {
        let text = |text: &str| json!({ "type": "text", "text": text });
        let thinking = json!({ "type": "thinking", "thinking": "9" });
        let message = json!({ "content": [thinking, text("{\"score\":"), text(" 7}")], "stop_reason": "end_turn" });
        assert_eq!(Anthropic.answer(&message).unwrap().text, "{\"score\": 7}");
        assert_eq!(Anthropic.answer(&Anthropic.example("7")).unwrap().text, "7");
        let stopped =
            |stop: &str| Anthropic.answer(&json!({ "content": [text("7")], "stop_reason": stop })).unwrap_err();
        assert!(stopped("refusal").reason.contains("refused"));
        assert!(stopped("max_tokens").is_cut);
        let reason = |body: &Value| Anthropic.answer(body).unwrap_err().reason;
        assert!(reason(&json!({ "content": [], "stop_reason": "end_turn" })).contains("empty"));
        assert!(reason(&json!({})).contains("no answer in it"));
    }
}
