//! Status codes and bodies of refusals.

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::error::WireError;
use super::reply::Reply;

/// Writes a refusal in words that the clients of `dialect` show.
///
/// On the shared paths one body serves all: Cohere's SDK shows `message`, Voyage's and FastAPI's
/// clients the string `detail`, OpenAI's `error.message`. TEI's and Weaviate's clients want `error`
/// as a string. The body never holds `results`, `data` or a list: LlamaIndex TEI and RAGFlow ignore
/// the status.
///
/// `id` is the request id.
pub fn error_reply(error: &WireError, dialect: Dialect, id: &str) -> Reply {
    let (text, facts) = (error.to_string(), facts(error));
    let body = match dialect {
        Dialect::Tei => json!({ "error": text, "error_type": facts.tei_type }),
        Dialect::Weaviate => json!({ "error": text, "message": text, "detail": text, "id": id }),
        _ => shared(error, &facts, &text, id),
    };
    let mut reply = Reply::json(&body);
    reply.status = if dialect == Dialect::Tei { facts.tei_status } else { facts.status };
    if let WireError::Overloaded { retry_after } = error {
        // Cohere's and OpenAI's SDKs read both; Retry-After has whole seconds only.
        let milliseconds = retry_after.as_millis();
        reply.headers.push(("retry-after", milliseconds.div_ceil(1000).max(1).to_string()));
        reply.headers.push(("retry-after-ms", milliseconds.max(1).to_string()));
    }
    reply
}

impl WireError {
    /// Returns its name in the bodies of OpenAI's form, such as `invalid_field`. Logs use it,
    /// because they get no texts.
    pub fn code(&self) -> &'static str {
        facts(self).code
    }
}

fn shared(error: &WireError, facts: &RefusalNames, text: &str, id: &str) -> Value {
    json!({
        "message": text,
        "detail": text,
        "error": { "message": text, "type": facts.openai_type, "code": facts.code, "param": error.key() },
        "id": id,
    })
}

/// The names of a refusal in the clients' formats.
struct RefusalNames {
    status: u16,
    /// On TEI requests: 422 for validation and the tokenizer, 400 for an empty batch, 424 for the
    /// model.
    tei_status: u16,
    /// TEI's `ErrorType`, as Rust's serde writes it: capitalised.
    tei_type: &'static str,
    openai_type: &'static str,
    code: &'static str,
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

/// The table of refusals. Validation is 400 outside TEI: infinity-client reads a 422 as FastAPI's
/// list of objects, and dies of a string `detail`.
fn facts(error: &WireError) -> RefusalNames {
    let row = |status, tei_status, tei_type, openai_type, code| RefusalNames {
        status,
        tei_status,
        tei_type,
        openai_type,
        code,
    };
    match error {
        WireError::NotJson { .. } | WireError::NotAnObject { .. } => {
            row(400, 422, "Validation", INVALID, "invalid_json")
        }
        WireError::Missing { .. } => row(400, 422, "Validation", INVALID, "missing_field"),
        WireError::Wrong { .. } => row(400, 422, "Validation", INVALID, "invalid_field"),
        WireError::TooMany { .. } => row(400, 422, "Validation", INVALID, "too_many_texts"),
        WireError::TokenIds { .. } => row(400, 422, "Validation", INVALID, "token_ids_not_supported"),
        WireError::Empty { .. } => row(400, 400, "Empty", INVALID, "empty_list"),
        WireError::Tokenizer { .. } => row(400, 422, "Tokenizer", SERVER, "tokenizer_failed"),
        WireError::Unauthorized => row(401, 401, "Validation", "authentication_error", "invalid_api_key"),
        WireError::UnknownModel { .. } => row(404, 404, "Validation", INVALID, "model_not_found"),
        WireError::UnknownPath { .. } => row(404, 404, "Validation", INVALID, "not_found"),
        WireError::WrongMethod { .. } => row(405, 405, "Validation", INVALID, "method_not_allowed"),
        WireError::TooLong { .. } => row(400, 422, "Validation", INVALID, "text_too_long"),
        WireError::NotSupported { .. } => row(400, 422, "Validation", INVALID, "unsupported_field"),
        WireError::BodyUnread { .. } => row(400, 400, "Validation", INVALID, "body_incomplete"),
        WireError::Host { .. } => row(403, 403, "Validation", INVALID, "host_not_allowed"),
        WireError::BodyTimeOut { .. } => row(408, 408, "Validation", INVALID, "body_timeout"),
        WireError::BodyTooLarge { .. } => row(413, 413, "Validation", INVALID, "body_too_large"),
        WireError::TooManyTokens { .. } => row(413, 413, "Validation", INVALID, "too_many_tokens"),
        WireError::MediaType { .. } => row(415, 415, "Validation", INVALID, "unsupported_media_type"),
        WireError::Overloaded { .. } => row(429, 429, "Overloaded", "rate_limit_error", "rate_limit_exceeded"),
        WireError::NotFinite { .. } => row(500, 424, "Backend", SERVER, "score_not_finite"),
        WireError::Backend { .. } => row(500, 424, "Backend", SERVER, "inference_failed"),
        WireError::NotOffered { .. } => row(501, 501, "Validation", INVALID, "not_implemented"),
        WireError::Unavailable { .. } => row(503, 503, "Unhealthy", SERVER, "unavailable"),
        WireError::Deadline { .. } => row(504, 504, "Backend", SERVER, "deadline_exceeded"),
    }
}
