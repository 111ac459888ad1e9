//! Unsuccessful answers: the message of the service, and whether a retry can help.

use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::Provider;
use crate::provider::any_error_words;

/// Maximum number of characters shown of a message.
const SHOWN: usize = 600;
/// Maximum number of characters kept of a code or a parameter's name.
const SHOWN_CODE: usize = 100;

/// The content of an error body, in any of the known forms.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Refusal {
    pub message: String,
    /// `code` if there is one, else `type`.
    pub code: Option<String>,
    pub param: Option<String>,
    is_final: bool,
    /// The status in the body.
    status: Option<u16>,
}

impl Refusal {
    /// Reads a body: OpenAI's and Anthropic's `{"error": {..}}`, the flat form of
    /// text-embeddings-inference, `{"error": ".."}`, `{"detail": ..}`, or plain text.
    pub fn read(body: &str) -> Self {
        let Ok(json) = serde_json::from_str::<Value>(body) else { return Self::of_message(body) };
        let error = json.get("error").filter(|error| error.is_object()).unwrap_or(&json);
        let text = |name: &str| match error.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let message = text("message").or_else(|| text("error")).or_else(|| json.get("detail").map(plain));
        let (code, kind) = (text("code"), text("type").or_else(|| text("error_type")));
        let has_no_credit = |code: &String| any_error_words(|words| words.no_credit.contains(&code.as_str()));
        let is_final = [&code, &kind].into_iter().flatten().any(has_no_credit);
        let mut refusal = Self::of_message(&message.unwrap_or_else(|| body.to_owned()));
        refusal.param = text("param").map(short).or(refusal.param);
        refusal.status = [&code, &text("status")].into_iter().flatten().find_map(|code| code.parse().ok());
        Self { code: code.or(kind).map(short), is_final, ..refusal }
    }

    /// Returns the refusal in an answer of 200, with which gateways pass on errors. An answer with
    /// an `error` beside a result is not a refusal.
    pub fn of_success(body: &Value) -> Option<Self> {
        let is_error = body.get("error").is_some_and(|error| error.is_object() || error.is_string());
        let mut results = Provider::ALL.iter().flat_map(|provider| provider.wire().facts().results);
        let has_result = results.any(|name| body.get(name).is_some_and(|it| !it.is_null()));
        (is_error && !has_result).then(|| Self::read(&body.to_string()))
    }

    /// Returns the status of a refusal that came as a success: the one in the body, else 502, a
    /// gateway's failure.
    pub fn status(&self) -> u16 {
        self.status.filter(|status| (400..600).contains(status)).unwrap_or(502)
    }

    fn of_message(message: &str) -> Self {
        let shown: String = message.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
        let message = match shown.trim() {
            "" => "no explanation".to_owned(),
            some => some.to_owned(),
        };
        Self { param: param_of(&message), message, ..Self::default() }
    }

    /// Returns true if the same request may succeed later.
    pub fn may_pass(&self, status: u16) -> bool {
        match status {
            429 => !self.is_final,
            408 | 409 | 500..=599 => true,
            _ => false,
        }
    }
}

/// Shortens a code or a name.
fn short(text: String) -> String {
    text.chars().take(SHOWN_CODE).collect()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the parameter that a message names, in the words of any provider. Used if the body does
/// not name it.
fn param_of(message: &str) -> Option<String> {
    let is_name =
        |text: &&str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
    let mut named = Provider::ALL.iter().filter_map(|provider| provider.wire().refused_parameter(message));
    named.find(is_name).map(str::to_owned)
}

/// Returns the pause that a service asks for: `retry-after-ms`, else `retry-after` as seconds or as
/// a date.
pub(super) fn pause(header: impl Fn(&str) -> Option<String>, now: SystemTime) -> Option<Duration> {
    let number = |text: String| text.trim().parse::<f64>().ok();
    if let Some(milliseconds) = header("retry-after-ms").and_then(number) {
        return Duration::try_from_secs_f64(milliseconds / 1000.0).ok();
    }
    let text = header("retry-after")?;
    match number(text.clone()) {
        Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        None => Some(httpdate::parse_http_date(text.trim()).ok()?.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (String, Option<String>, Option<String>) {
        let Refusal { message, code, param, .. } = Refusal::read(body);
        (message, code, param)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn every_known_form_of_error_is_read() {
        let openai = r#"{"error":{"message":"Unsupported parameter: 'temperature' is not supported with this model.","type":"invalid_request_error","param":"temperature","code":null}}"#;
        let (_, code, param) = read(openai);
        assert_eq!((code, param), (some("invalid_request_error"), some("temperature")));
        let claude = r#"{"type":"error","error":{"type":"invalid_request_error","message":"temperature: Extra inputs are not permitted"},"request_id":"r"}"#;
        assert_eq!(read(claude).2, some("temperature"));
        let deprecated = r#"{"type":"error","error":{"type":"invalid_request_error","message":"`top_p` is deprecated for this model."}}"#;
        assert_eq!(read(deprecated).2, some("top_p"));
        assert_eq!(
            read(r#"{"message":"too long","code":413,"type":"Validation"}"#),
            ("too long".into(), some("413"), None)
        );
        assert_eq!(
            read(r#"{"error":"batch size","error_type":"Validation"}"#),
            ("batch size".into(), some("Validation"), None)
        );
        assert_eq!(read(r#"{"detail":"no such model"}"#).0, "no such model");
        assert_eq!(read("<html>\n502</html>").0, "<html> 502</html>");
        assert_eq!(read("").0, "no explanation");
        assert_eq!(read(&"x".repeat(5000)).0.len(), SHOWN);
    }

    #[test]
    fn what_waiting_cures_is_told_from_what_it_does_not() {
        let plain = Refusal::read("{}");
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            assert!(plain.may_pass(status), "{status}");
        }
        for status in [301, 400, 401, 402, 403, 404, 413, 422] {
            assert!(!plain.may_pass(status), "{status}");
        }
        let by_code = r#"{"error":{"message":"m","type":"x","code":"insufficient_quota"}}"#;
        let by_type = r#"{"type":"error","error":{"type":"enforced_spend_limit_reached","message":"m"}}"#;
        for body in [by_code, by_type] {
            assert!(!Refusal::read(body).may_pass(429), "{body}");
        }
    }

    #[test]
    fn an_error_in_a_success_is_read_and_a_result_is_no_error() {
        let status = |body: Value| Refusal::of_success(&body).map(|refusal| (refusal.status(), refusal.message));
        use serde_json::json;
        assert_eq!(status(json!({"error": {"message": "slow down", "code": 429}})), Some((429, "slow down".into())));
        assert_eq!(status(json!({"error": "no model"})), Some((502, "no model".into())));
        for result in
            [json!({"error": null}), json!([]), json!({"error": {"message": "m"}, "choices": []}), json!(null)]
        {
            assert_eq!(status(result), None);
        }
        let long = Refusal::read(&json!({"error": {"message": "m", "code": "c".repeat(9000)}}).to_string());
        assert_eq!(long.code.unwrap().len(), SHOWN_CODE);
    }

    #[test]
    fn pauses_are_seconds_dates_or_milliseconds() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let with =
            |name: &'static str, value: &'static str| pause(|asked| (asked == name).then(|| value.to_owned()), now);
        assert_eq!(with("retry-after", "3"), Some(Duration::from_secs(3)));
        assert_eq!(with("retry-after", "0.25"), Some(Duration::from_millis(250)));
        assert_eq!(with("retry-after-ms", "40"), Some(Duration::from_millis(40)));
        assert_eq!(with("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(with("retry-after", "Sun, 06 Nov 1994 08:49:00 GMT"), Some(Duration::ZERO));
        for bad in ["soon", "-1", "nan", ""] {
            assert_eq!(with("retry-after", bad), None, "{bad}");
        }
    }
}
