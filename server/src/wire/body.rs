//! Parses bytes into a JSON object, within limits.

use serde_json::{Map, Value};

use super::error::WireError;
use super::keys::suggestion;
use super::value::{found, shortened};

/// Maximum number of warnings per request; further ones are counted.
const WARNINGS: usize = 16;

/// Bounds of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of a body. Beyond it: 413.
    pub body_bytes: usize,
    /// Documents, texts, inputs or pairs of a request.
    pub texts: usize,
}

impl Default for RequestLimits {
    /// 32 MB and 100,000 texts. Work is bounded in tokens elsewhere: a low limit makes clients
    /// split their lists.
    fn default() -> Self {
        Self { body_bytes: 32 << 20, texts: 100_000 }
    }
}

impl RequestLimits {
    pub(super) fn check(&self, key: &str, count: usize) -> Result<(), WireError> {
        if count == 0 {
            return Err(WireError::Empty { key: key.to_owned() });
        }
        if count > self.texts {
            return Err(WireError::TooMany { key: key.to_owned(), found: count, limit: self.texts });
        }
        Ok(())
    }
}

/// Parses a body. Nesting beyond 128 levels is a parser error, not a stack overflow. Of equal keys
/// the last one counts.
pub(super) fn object(bytes: &[u8], limits: &RequestLimits) -> Result<Map<String, Value>, WireError> {
    if bytes.len() > limits.body_bytes {
        return Err(WireError::BodyTooLarge { bytes: bytes.len(), limit: limits.body_bytes });
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(WireError::NotAnObject { found: found(&other) }),
        Err(error) => Err(WireError::NotJson { detail: error.to_string() }),
    }
}

/// Returns warnings for unknown keys. If a key is close to a known one, the warning names that one.
pub(super) fn unknown_keys<'a>(body: &Map<String, Value>, known: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let unknown: Vec<&String> = body.keys().filter(|key| !known.clone().any(|k| k == *key)).collect();
    let mut warnings: Vec<String> = unknown.iter().take(WARNINGS).map(|key| warning(key, known.clone())).collect();
    if unknown.len() > WARNINGS {
        warnings.push(format!("{} more unknown fields are ignored", unknown.len() - WARNINGS));
    }
    warnings
}

fn warning<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> String {
    let name = shortened(key);
    match suggestion(key, known) {
        Some(near) => format!("unknown field '{name}' is ignored; did you mean '{near}'?"),
        None => format!("unknown field '{name}' is ignored"),
    }
}
