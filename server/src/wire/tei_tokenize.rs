//! TEI's `/tokenize` (Dify counts tokens with it).

use std::ops::Range;

use serde_json::{Value, json};

use super::body::{RequestLimits, object, unknown_keys};
use super::error::WireError;
use super::openai::given;
use super::reply::Reply;
use super::rerank::span;
use super::value::{boolean, text, texts};

pub(crate) const KEYS: &[&str] = &["inputs", "add_special_tokens", "prompt_name", "model"];

/// A tokenize request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenizeRequest {
    pub model: Option<String>,
    /// At least one.
    pub inputs: Vec<String>,
    pub add_special_tokens: bool,
    pub prompt_name: Option<String>,
    pub warnings: Vec<String>,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: u32,
    pub text: String,
    pub special: bool,
    /// Bytes of the input; None for special tokens.
    pub bytes: Option<Range<usize>>,
}

/// Reads a `/tokenize` body.
///
/// # Errors
/// A required key missing, a value of a wrong type, more inputs than the limits allow.
pub fn read_tokenize(bytes: &[u8], limits: &RequestLimits) -> Result<TokenizeRequest, WireError> {
    let body = object(bytes, limits)?;
    let wanted = "a string or a list of strings";
    let value = given(&body, "inputs").ok_or(WireError::Missing { key: "inputs".to_owned(), wanted })?;
    let inputs = texts("inputs", value)?;
    limits.check("inputs", inputs.len())?;
    let word = |key: &str| given(&body, key).map(|value| text(key, value)).transpose();
    let special = given(&body, "add_special_tokens").map(|value| boolean("add_special_tokens", value)).transpose()?;
    Ok(TokenizeRequest {
        model: word("model")?,
        inputs,
        add_special_tokens: special.unwrap_or(true),
        prompt_name: word("prompt_name")?,
        warnings: unknown_keys(&body, KEYS.iter().copied()),
    })
}

/// `[[{id, text, special, start, stop}]]`, positions in code points (not verified for TEI), null
/// for special tokens.
pub fn tokenize_reply(request: &TokenizeRequest, tokens: &[Vec<Token>]) -> Reply {
    let one = |input: &str, token: &Token| {
        let at = token.bytes.clone().and_then(|bytes| span(input, bytes, 0.0));
        let (start, stop) = (at.map(|at| at.start), at.map(|at| at.end));
        json!({ "id": token.id, "text": token.text, "special": token.special, "start": start, "stop": stop })
    };
    let list = |(input, of): (&String, &Vec<Token>)| of.iter().map(|token| one(input, token)).collect::<Value>();
    Reply::json(&request.inputs.iter().zip(tokens).map(list).collect())
}
