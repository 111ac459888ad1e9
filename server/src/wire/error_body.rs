//! Status codes and bodies of refusals.

use serde_json::{Value, json};

use super::dialect::Dialect;
use super::error::WireError;
use super::reply::Reply;

/// A refusal in words that the clients of `dialect` show.
///
/// On the shared paths one body serves all: Cohere's SDK shows `message`, Voyage's and FastAPI's clients the string
/// `detail`, OpenAI's `error.message`. TEI's and Weaviate's clients want `error` as a string. The body never holds `results`,
/// `data` or a list: LlamaIndex TEI and RAGFlow ignore the status.
///
/// `id` is the request id.
pub fn error_reply(error: &WireError, dialect: Dialect, id: &str) -> Reply {
    let text = error.to_string();
    let body = match dialect {
        Dialect::Tei => json!({ "error": text, "error_type": tei_type(error) }),
        Dialect::Weaviate => json!({ "error": text, "message": text, "detail": text, "id": id }),
        _ => shared(error, &text, id),
    };
    let mut reply = Reply::json(&body);
    reply.status = status(error, dialect);
    if let WireError::Overloaded { retry_after } = error {
        // Cohere's and OpenAI's SDKs read both; Retry-After has whole seconds only.
        let milliseconds = retry_after.as_millis();
        reply.headers.push(("retry-after", milliseconds.div_ceil(1000).max(1).to_string()));
        reply.headers.push(("retry-after-ms", milliseconds.max(1).to_string()));
    }
    reply
}

fn shared(error: &WireError, text: &str, id: &str) -> Value {
    json!({
        "message": text,
        "detail": text,
        "error": { "message": text, "type": openai_type(error), "code": code(error), "param": error.key() },
        "id": id,
    })
}

/// Validation is 400, but 422 on TEI requests: infinity-client reads a 422 as FastAPI's list of objects, and dies of a string
/// `detail`. TEI's own statuses are 422 for validation and the tokenizer, 400 for an empty batch, 424 for the model.
fn status(error: &WireError, dialect: Dialect) -> u16 {
    let tei = dialect == Dialect::Tei;
    match error {
        WireError::BodyTooLarge { .. } => 413,
        WireError::Empty { .. } => 400,
        WireError::UnknownModel { .. } | WireError::UnknownPath { .. } => 404,
        WireError::WrongMethod { .. } => 405,
        WireError::NotOffered { .. } => 501,
        WireError::Unauthorized => 401,
        WireError::Overloaded { .. } => 429,
        WireError::Unavailable { .. } => 503,
        WireError::Deadline { .. } => 504,
        WireError::NotFinite { .. } | WireError::Backend { .. } => if_tei(tei, 424, 500),
        _ => if_tei(tei, 422, 400),
    }
}

fn if_tei(tei: bool, there: u16, elsewhere: u16) -> u16 {
    if tei { there } else { elsewhere }
}

/// TEI's `ErrorType`, as Rust's serde writes it: capitalised.
fn tei_type(error: &WireError) -> &'static str {
    match error {
        WireError::Empty { .. } => "Empty",
        WireError::Overloaded { .. } => "Overloaded",
        WireError::Unavailable { .. } => "Unhealthy",
        WireError::Tokenizer { .. } => "Tokenizer",
        WireError::NotFinite { .. } | WireError::Backend { .. } | WireError::Deadline { .. } => "Backend",
        _ => "Validation",
    }
}

fn openai_type(error: &WireError) -> &'static str {
    match error {
        WireError::Unauthorized => "authentication_error",
        WireError::Overloaded { .. } => "rate_limit_error",
        WireError::Unavailable { .. } | WireError::Deadline { .. } => "server_error",
        WireError::Tokenizer { .. } | WireError::NotFinite { .. } | WireError::Backend { .. } => "server_error",
        _ => "invalid_request_error",
    }
}

fn code(error: &WireError) -> &'static str {
    match error {
        WireError::NotJson { .. } | WireError::NotAnObject { .. } => "invalid_json",
        WireError::BodyTooLarge { .. } => "body_too_large",
        WireError::Missing { .. } => "missing_field",
        WireError::Wrong { .. } => "invalid_field",
        WireError::Empty { .. } => "empty_list",
        WireError::TooMany { .. } => "too_many_texts",
        WireError::TokenIds { .. } => "token_ids_not_supported",
        WireError::UnknownModel { .. } => "model_not_found",
        WireError::UnknownPath { .. } => "not_found",
        WireError::WrongMethod { .. } => "method_not_allowed",
        WireError::NotOffered { .. } => "not_implemented",
        WireError::Unauthorized => "invalid_api_key",
        WireError::Overloaded { .. } => "rate_limit_exceeded",
        WireError::Unavailable { .. } => "unavailable",
        WireError::Deadline { .. } => "deadline_exceeded",
        WireError::Tokenizer { .. } => "tokenizer_failed",
        WireError::NotFinite { .. } => "score_not_finite",
        WireError::Backend { .. } => "inference_failed",
    }
}
