//! How large an answer may be: what a question can bring forth, with much room.
//!
//! Memory for one answer is at most its bytes and 32 bytes for each value in it, so both have a bound that follows from the request: a server that sends
//! 90 MB for one grade is stopped after the first megabyte.

use serde_json::Value;

use super::Request;

/// Around any answer.
const ENVELOPE_BYTES: u64 = 1 << 20;
const ENVELOPE_VALUES: u64 = 1 << 16;
/// Components of a vector where the request asks for no number: twice as many as the largest models in use.
const MAX_DIM: u64 = 8192;
/// A component as a decimal number, with the white space of a pretty printer.
const COMPONENT_BYTES: u64 = 40;
/// An item around a vector.
const ITEM_BYTES: u64 = 512;
const ITEM_VALUES: u64 = 16;
/// A token of an answer, escaped, as hidden thoughts are told too.
const TOKEN_BYTES: u64 = 64;
/// A token with the 20 likeliest ones in its place, each with its bytes as numbers.
const LOGPROBS_BYTES: u64 = 8 << 10;
const LOGPROBS_VALUES: u64 = 1 << 10;

/// The bytes that an answer may have.
pub(super) fn bytes(request: &Request) -> u64 {
    let (items, dim) = vectors(request);
    let tokens = request.at_most.output;
    let token = if has_logprobs(request) { LOGPROBS_BYTES } else { TOKEN_BYTES };
    let vectors = items.saturating_mul(dim.saturating_mul(COMPONENT_BYTES) + ITEM_BYTES);
    ENVELOPE_BYTES.saturating_add(vectors).saturating_add(tokens.saturating_mul(token))
}

/// The values that an answer may have, if it has more. Counted by commas and colons, those in strings too.
pub(super) fn too_many_values(text: &str, request: &Request) -> Option<u64> {
    let (items, dim) = vectors(request);
    let tokens = if has_logprobs(request) { request.at_most.output } else { 0 };
    let most = ENVELOPE_VALUES
        .saturating_add(items.saturating_mul(dim + ITEM_VALUES))
        .saturating_add(tokens.saturating_mul(LOGPROBS_VALUES));
    if text.len() as u64 <= most {
        return None;
    }
    let separators = text.bytes().filter(|byte| b",[{".contains(byte)).count() as u64;
    (separators > most).then_some(most)
}

/// How many vectors are asked for, and their components at most.
fn vectors(request: &Request) -> (u64, u64) {
    let items = match &request.body["input"] {
        Value::Null => 0,
        Value::Array(texts) => texts.len() as u64,
        _ => 1,
    };
    let dim = request.body["dimensions"].as_u64().unwrap_or(MAX_DIM).min(u64::from(u32::MAX));
    (items, dim)
}

fn has_logprobs(request: &Request) -> bool {
    request.body["logprobs"] == true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::service::TokenCount;

    fn of(body: Value, output: u64) -> Request {
        Request { path: "/x", body, at_most: TokenCount { input: 1, output } }
    }

    #[test]
    fn a_grade_is_small_and_vectors_have_their_room() {
        let grade = of(json!({ "messages": [], "logprobs": true }), 64);
        assert_eq!(bytes(&grade), (1 << 20) + 64 * (8 << 10));
        let large = of(json!({ "input": vec!["x"; 2048], "dimensions": 3072 }), 0);
        assert!(bytes(&large) > 2048 * 3072 * 30 && bytes(&of(json!({ "input": "x" }), 0)) < 2 << 20);
        assert_eq!(bytes(&of(json!({ "input": ["x"], "dimensions": u64::MAX }), u64::MAX)), u64::MAX);
    }

    #[test]
    fn values_are_counted_where_there_are_many_bytes() {
        let grade = of(json!({}), 64);
        assert_eq!(too_many_values(&format!("[{}0]", "0,".repeat(70_000)), &grade), Some(1 << 16));
        assert_eq!(too_many_values(&format!("[{}0]", "0,".repeat(60_000)), &grade), None);
        assert_eq!(too_many_values(&format!("[{}0]", "0,".repeat(70_000)), &of(json!({ "input": ["x"] }), 0)), None);
    }
}
