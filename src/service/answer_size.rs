//! Limits the size of an answer: what a request can produce, with ample room.
//!
//! The memory for one answer is at most its bytes and 32 bytes for each value in it. The request
//! limits both. A server that sends 90 MB for one grade is stopped after the first megabyte.

use super::{Provider, Request};
use crate::provider::AnswerSize;

/// Room for the envelope of any answer.
const ENVELOPE_BYTES: u64 = 1 << 20;
const ENVELOPE_VALUES: u64 = 1 << 16;

/// Returns the maximum number of bytes of an answer.
pub(super) fn bytes(provider: Provider, request: &Request) -> u64 {
    ENVELOPE_BYTES.saturating_add(of(provider, request).bytes)
}

/// Returns the maximum number of values of an answer, if `text` has more. Values are counted by
/// commas and brackets, including those in strings.
pub(super) fn too_many_values(text: &str, provider: Provider, request: &Request) -> Option<u64> {
    let most = ENVELOPE_VALUES.saturating_add(of(provider, request).values);
    if text.len() as u64 <= most {
        return None;
    }
    let separators = text.bytes().filter(|byte| b",[{".contains(byte)).count() as u64;
    (separators > most).then_some(most)
}

fn of(provider: Provider, request: &Request) -> AnswerSize {
    provider.wire().answer_size(request.path, &request.body, request.at_most.output)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::service::TokenCount;

    fn of(path: &'static str, body: Value, output: u64) -> Request {
        Request { path, body, at_most: TokenCount { input: 1, output, search_units: 0 } }
    }

    fn vectors(body: Value) -> Request {
        of("/embeddings", body, 0)
    }

    #[test]
    fn a_grade_is_small_and_vectors_have_their_room() {
        let openai = |request: &Request| bytes(Provider::OpenAi, request);
        let grade = of("/chat/completions", json!({ "messages": [], "logprobs": true }), 64);
        assert_eq!(openai(&grade), (1 << 20) + 64 * (8 << 10));
        let message = of("/messages", json!({ "messages": [], "logprobs": true }), 64);
        assert_eq!(bytes(Provider::Anthropic, &message), (1 << 20) + 64 * 64);
        let large = vectors(json!({ "input": vec!["x"; 2048], "dimensions": 3072 }));
        assert!(openai(&large) > 2048 * 3072 * 30 && openai(&vectors(json!({ "input": "x" }))) < 2 << 20);
        assert_eq!(openai(&of("/chat/completions", json!({ "logprobs": true }), u64::MAX)), u64::MAX);
        let results = of("/rerank", json!({ "documents": ["x"] }), 0);
        assert_eq!(bytes(Provider::Cohere, &results), (1 << 20) + 512 + 6);
    }

    #[test]
    fn values_are_counted_where_there_are_many_bytes() {
        let too_many = |text: &str, request: &Request| too_many_values(text, Provider::OpenAi, request);
        let grade = of("/chat/completions", json!({}), 64);
        assert_eq!(too_many(&format!("[{}0]", "0,".repeat(70_000)), &grade), Some(1 << 16));
        assert_eq!(too_many(&format!("[{}0]", "0,".repeat(60_000)), &grade), None);
        assert_eq!(too_many(&format!("[{}0]", "0,".repeat(70_000)), &vectors(json!({ "input": ["x"] }))), None);
    }
}
