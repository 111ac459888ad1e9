//! From bytes to a JSON object, within limits.

use serde_json::{Map, Value};

use super::error::WireError;
use super::keys::suggestion;
use super::value::{found, shortened};

/// Warnings per request; the rest is counted.
const WARNINGS: usize = 16;

/// What one request may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body. Beyond it: 413.
    pub body_bytes: usize,
    /// Documents, texts, inputs or pairs of a request.
    pub texts: usize,
}

impl Default for Limits {
    /// 32 MB and 100,000 texts. Work is bounded in tokens elsewhere: a low limit makes clients split their lists.
    fn default() -> Self {
        Self { body_bytes: 32 << 20, texts: 100_000 }
    }
}

impl Limits {
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

/// Parses a body. Nesting beyond 128 levels is an error of the parser, not a stack overflow. Of equal keys the last counts.
pub(super) fn object(bytes: &[u8], limits: &Limits) -> Result<Map<String, Value>, WireError> {
    if bytes.len() > limits.body_bytes {
        return Err(WireError::BodyTooLarge { bytes: bytes.len(), limit: limits.body_bytes });
    }
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(other) => Err(WireError::NotAnObject { found: found(&other) }),
        Err(error) => Err(WireError::NotJson { detail: error.to_string() }),
    }
}

/// Warnings for the keys that nobody reads. A key close to a known one is named with it.
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
