//! OpenAI: embeddings and chat completions, which many servers support.

use serde_json::{Value, json};

use super::answer::{AnswerSize, Wrong};
use super::chat::{ChatAnswer, Chats, Parameter, Question, TOKEN_BYTES, Unusable, excerpt, text};
use super::kind::ServiceKind;
use super::vectors;
use super::wire::{Embeds, ErrorWords, Facts, Wire};
use crate::call::ServiceTokens;

/// Maximum number of texts in one request at OpenAI.
pub const MAX_REQUEST_INPUTS: usize = 2_048;
/// Maximum number of tokens in one request at OpenAI.
pub const MAX_REQUEST_TOKENS: usize = 300_000;
/// Maximum number of tokens of one text at OpenAI.
pub const MAX_INPUT_TOKENS: usize = 8_192;

/// Number of likely tokens requested at each position of an answer; OpenAI's maximum.
const TOP_LOGPROBS: u64 = 20;

/// Maximum number of components of a vector if the request names none: twice as many as the largest
/// models in use.
const MAX_DIM: u64 = 8192;
/// Bytes of a component as a decimal number, with the white space of a pretty printer.
const COMPONENT_BYTES: u64 = 40;
/// Room for the item around a vector.
const ITEM_BYTES: u64 = 512;
const ITEM_VALUES: u64 = 16;
/// Room for a token with the 20 most likely ones at its position, each with its bytes as numbers.
const LOGPROBS_BYTES: u64 = 8 << 10;
const LOGPROBS_VALUES: u64 = 1 << 10;

static FACTS: Facts = Facts {
    name: "openai",
    title: "OpenAI",
    base_url: Some("https://api.openai.com/v1"),
    missing_base_url: "",
    base_url_variable: "OPENAI_BASE_URL",
    key_variables: &["OPENAI_API_KEY"],
    always_needs_key: false,
    domains: &["api.openai.com"],
    prices_of: "openai",
    has_openai_tokens: true,
    results: &["choices", "data"],
    errors: ErrorWords {
        no_credit: &["insufficient_quota", "billing_hard_limit_reached"],
        about_texts: &["content_filter", "content_policy_violation", "invalid_prompt", "context_length_exceeded"],
        about_texts_messages: &[],
    },
};

pub(crate) struct OpenAi;

impl Wire for OpenAi {
    fn facts(&self) -> &Facts {
        &FACTS
    }

    fn guess_kind(&self, model: &str) -> ServiceKind {
        match model.to_ascii_lowercase().contains("embed") {
            true => ServiceKind::Embeddings,
            false => ServiceKind::Judge,
        }
    }

    fn usage(&self, body: &Value) -> Option<ServiceTokens> {
        let usage = body.get("usage")?;
        let number = |path: &str| usage.pointer(path).and_then(Value::as_u64);
        Some(ServiceTokens {
            input: number("/prompt_tokens")?,
            cached_input: number("/prompt_tokens_details/cached_tokens").unwrap_or(0),
            output: number("/completion_tokens").unwrap_or(0),
            search_units: 0,
        })
    }

    /// Matches `Unsupported parameter: 'temperature' is not supported with this model.`
    fn refused_parameter<'a>(&self, message: &'a str) -> Option<&'a str> {
        let (_, name) = message.split_once("arameter: '")?;
        name.split('\'').next()
    }

    fn embeds(&self) -> Option<&dyn Embeds> {
        Some(self)
    }

    fn chats(&self) -> Option<&dyn Chats> {
        Some(self)
    }
}

impl Embeds for OpenAi {
    fn path(&self) -> &'static str {
        "/embeddings"
    }

    fn body(&self, model: &str, texts: &[&str], dimensions: Option<usize>, is_compact: bool) -> Value {
        let format = if is_compact { "base64" } else { "float" };
        let mut body = json!({ "model": model, "input": texts, "encoding_format": format });
        if let (Some(dimensions), Value::Object(fields)) = (dimensions, &mut body) {
            fields.insert("dimensions".into(), dimensions.into());
        }
        body
    }

    fn compact_parameter(&self) -> &'static str {
        "encoding_format"
    }

    fn count(&self, body: &Value) -> usize {
        match &body["input"] {
            Value::Null => 0,
            Value::Array(texts) => texts.len(),
            _ => 1,
        }
    }

    fn vectors(&self, body: &Value, count: usize, dim: Option<usize>) -> Result<Vec<Vec<f32>>, Wrong> {
        vectors::vectors(body, count, dim)
    }

    fn answer_size(&self, body: &Value) -> AnswerSize {
        let items = self.count(body) as u64;
        let dim = body["dimensions"].as_u64().unwrap_or(MAX_DIM).min(u64::from(u32::MAX));
        AnswerSize {
            bytes: items.saturating_mul(dim.saturating_mul(COMPONENT_BYTES) + ITEM_BYTES),
            values: items.saturating_mul(dim + ITEM_VALUES),
        }
    }
}

impl Chats for OpenAi {
    fn path(&self) -> &'static str {
        "/chat/completions"
    }

    fn body(&self, model: &str, question: &Question<'_>, takes: &dyn Fn(Parameter) -> bool) -> Value {
        let Question { prompt, form, max_output_tokens, wants_logprobs } = question;
        let mut messages = vec![json!({ "role": "user", "content": prompt.user })];
        if !prompt.system.is_empty() {
            messages.insert(0, json!({ "role": "system", "content": prompt.system }));
        }
        let mut body = json!({ "model": model, "messages": messages });
        let limit = if takes(Parameter::CompletionLimit) { "max_completion_tokens" } else { "max_tokens" };
        body[limit] = (*max_output_tokens).into();
        if takes(Parameter::Temperature) {
            body["temperature"] = 0.into();
        }
        if takes(Parameter::Effort) {
            body["reasoning_effort"] = "low".into();
        }
        if takes(Parameter::Format) {
            let schema = json!({ "name": form.name, "strict": true, "schema": form.schema });
            body["response_format"] = json!({ "type": "json_schema", "json_schema": schema });
        }
        if *wants_logprobs && takes(Parameter::Logprobs) {
            body["logprobs"] = true.into();
            body["top_logprobs"] = TOP_LOGPROBS.into();
        }
        body
    }

    fn read(&self, body: &Value) -> Result<ChatAnswer, Unusable> {
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
        let text =
            text(&choice["message"]["content"]).ok_or_else(|| Unusable::because("the reply has no answer in it"))?;
        // Compatible servers have these in other shapes, or not at all; the grade itself is there.
        let tokens = serde_json::from_value(choice["logprobs"]["content"].clone()).unwrap_or_default();
        Ok(ChatAnswer { text, tokens })
    }

    fn example(&self, answer: &str) -> Value {
        json!({ "choices": [{ "message": { "content": answer } }] })
    }

    fn refused(&self, model: &str) -> &'static [Parameter] {
        match is_reasoning(model) {
            true => &[Parameter::Temperature, Parameter::Logprobs],
            false => &[Parameter::Effort],
        }
    }

    fn reasons(&self, model: &str) -> bool {
        is_reasoning(model)
    }

    fn names(&self, parameter: Parameter) -> &'static [&'static str] {
        match parameter {
            Parameter::Temperature => &["temperature"],
            Parameter::Logprobs => &["logprobs", "top_logprobs"],
            Parameter::Format => &["response_format"],
            Parameter::Effort => &["reasoning_effort"],
            Parameter::CompletionLimit => &["max_completion_tokens"],
        }
    }

    fn answer_size(&self, body: &Value, output_tokens: u64) -> AnswerSize {
        let (bytes, values) =
            if body["logprobs"] == true { (LOGPROBS_BYTES, LOGPROBS_VALUES) } else { (TOKEN_BYTES, 0) };
        AnswerSize { bytes: output_tokens.saturating_mul(bytes), values: output_tokens.saturating_mul(values) }
    }
}

/// Returns true for GPT-5 and the o series.
fn is_reasoning(name: &str) -> bool {
    let is_o_series = name.starts_with('o') && name[1..].starts_with(|c: char| c.is_ascii_digit());
    is_o_series || (name.starts_with("gpt-5") && !name.starts_with("gpt-5-chat"))
}

#[cfg(test)]
mod tests {
    use super::super::chat::{AnswerForm, ChatPrompt};
    use super::*;

    fn question(model: &str) -> Value {
        let prompt = ChatPrompt { system: "Grade.".into(), user: "Which?".into() };
        let form = AnswerForm { name: "grade", schema: json!({ "type": "object" }) };
        let question = Question { prompt: &prompt, form: &form, max_output_tokens: 64, wants_logprobs: true };
        let refused = OpenAi.refused(model);
        Chats::body(&OpenAi, model, &question, &|parameter| !refused.contains(&parameter))
    }

    #[test]
    fn a_question_is_a_chat_completion() {
        assert_eq!(
            question("gpt-4o"),
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
        let body = question("gpt-5-mini");
        let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["model", "messages", "max_completion_tokens", "reasoning_effort", "response_format"]);
    }

    #[test]
    fn families_are_told_by_name() {
        use Parameter::{Effort, Logprobs, Temperature};
        for model in ["gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-5-chat-latest", "omni", "llama-3", ""] {
            assert_eq!((OpenAi.refused(model), OpenAi.reasons(model)), ([Effort].as_slice(), false), "{model}");
        }
        for model in ["gpt-5", "gpt-5-mini", "o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5.1"] {
            let expected = ([Temperature, Logprobs].as_slice(), true);
            assert_eq!((OpenAi.refused(model), OpenAi.reasons(model)), expected, "{model}");
        }
    }

    fn completion_of(message: Value, finish_reason: &str) -> Value {
        json!({ "choices": [{ "index": 0, "message": message, "finish_reason": finish_reason }] })
    }

    #[test]
    fn answers_are_read_as_text_or_parts() {
        let said = |content: Value| completion_of(json!({ "role": "assistant", "content": content }), "stop");
        assert_eq!(OpenAi.answer(&said("7".into())).unwrap().text, "7");
        let parts = json!([{ "type": "text", "text": "{\"score\":" }, { "type": "text", "text": " 7}" }]);
        assert_eq!(OpenAi.answer(&said(parts)).unwrap().text, "{\"score\": 7}");
        assert_eq!(OpenAi.answer(&OpenAi.example("7")).unwrap().text, "7");
    }

    #[test]
    fn refusals_cut_and_empty_answers_are_none_whatever_text_they_have() {
        let openai = |message: Value, reason: &str| OpenAi.answer(&completion_of(message, reason));
        let seven = || json!({ "content": "7" });
        assert!(openai(seven(), "length").unwrap_err().is_cut);
        assert!(openai(seven(), "content_filter").unwrap_err().is_final);
        let refusal = json!({ "content": null, "refusal": "I cannot." });
        assert!(openai(refusal, "stop").unwrap_err().reason.contains("refuses: 'I cannot.'"));
        assert!(openai(json!({ "content": null }), "stop").unwrap_err().reason.contains("no answer in it"));
        assert!(openai(json!({ "content": " \n" }), "stop").unwrap_err().reason.contains("empty"));
        let none = OpenAi.answer(&json!({ "choices": [] })).unwrap_err();
        assert!(none.reason.contains("no answer in it"));
    }
}
