//! Reads single JSON values, leniently where clients vary.

use serde_json::Value;

use super::error::WireError;

pub(super) fn wrong(key: &str, value: &Value, wanted: impl Into<String>) -> WireError {
    WireError::Wrong { key: key.to_owned(), found: found(value), wanted: wanted.into() }
}

/// Describes a value for messages. Short words are repeated, long texts of users are not.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() <= 24 => format!("the string {text:?}"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().take(8).map(|key| shortened(key)).collect();
            format!("an object with the keys [{}]", keys.join(", "))
        }
    }
}

/// Shortens a key for a message to 64 characters.
pub(super) fn shortened(key: &str) -> String {
    if key.chars().nth(64).is_none() { key.to_owned() } else { key.chars().take(64).chain(['…']).collect() }
}

pub(super) fn text(key: &str, value: &Value) -> Result<String, WireError> {
    value.as_str().map(str::to_owned).ok_or_else(|| wrong(key, value, "a string"))
}

/// Reads true, false, or the strings for them from Xinference's client in RAGFlow (`"true"`) and
/// from Python's `str` (`"True"`).
pub(super) fn boolean(key: &str, value: &Value) -> Result<bool, WireError> {
    as_boolean(value).ok_or_else(|| wrong(key, value, "true or false"))
}

pub(super) fn as_boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(yes) => Some(*yes),
        Value::String(word) if word.eq_ignore_ascii_case("true") => Some(true),
        Value::String(word) if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Reads an integer of at least `least`. `3.0` is 3, because some clients have only floating-point
/// numbers.
pub(super) fn integer(key: &str, value: &Value, least: u64, most: u64) -> Result<u64, WireError> {
    as_integer(value).filter(|n| (least..=most).contains(n)).ok_or_else(|| wrong(key, value, range(least, most)))
}

fn as_integer(value: &Value) -> Option<u64> {
    let whole = |n: f64| (n.fract() == 0.0 && (0.0..9e15).contains(&n)).then_some(n as u64);
    value.as_u64().or_else(|| value.as_f64().and_then(whole))
}

fn range(least: u64, most: u64) -> String {
    if most == u64::MAX {
        format!("an integer of at least {least}")
    } else {
        format!("an integer from {least} to {most}")
    }
}

/// Reads a list of strings, or one string as a list of one.
pub(super) fn texts(key: &str, value: &Value) -> Result<Vec<String>, WireError> {
    match value {
        Value::String(one) => Ok(vec![one.clone()]),
        Value::Array(list) => list.iter().enumerate().map(|(i, v)| text(&format!("{key}[{i}]"), v)).collect(),
        other => Err(wrong(key, other, "a string or a list of strings")),
    }
}
