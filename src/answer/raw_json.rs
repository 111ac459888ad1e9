//! JSON objects with fields whose values are already JSON text, so that the input's values keep
//! their spelling.

use std::collections::HashSet;

use serde_json::{Map, Value};

/// An object with nearsort's fields, then the input's fields with the JSON texts of their values.
pub struct RawObject<'a> {
    fields: Map<String, Value>,
    raw: Vec<(String, &'a str)>,
    names: HashSet<String>,
}

impl<'a> RawObject<'a> {
    pub fn new(fields: Map<String, Value>) -> Self {
        Self { fields, raw: Vec::new(), names: HashSet::new() }
    }

    pub fn contains(&self, name: &str) -> bool {
        self.fields.contains_key(name) || self.names.contains(name)
    }

    /// Adds a field with the JSON text of its value.
    pub fn push(&mut self, name: String, json: &'a str) {
        self.names.insert(name.clone());
        self.raw.push((name, json));
    }

    /// Returns the object as JSON without blanks.
    pub fn compact(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string(&self.fields)?;
        text.pop();
        for (name, json) in &self.raw {
            let comma = if text.len() > 1 { "," } else { "" };
            text.push_str(&format!("{comma}{}:{json}", serde_json::to_string(name)?));
        }
        text.push('}');
        Ok(text)
    }
}

/// Indents JSON without blanks as `serde_json::to_string_pretty` does.
pub(super) fn indented(compact: &str) -> String {
    let bytes = compact.as_bytes();
    let mut out = String::with_capacity(compact.len() * 5 / 4);
    let (mut at, mut depth) = (0, 0_usize);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
    };
    while at < bytes.len() {
        let end = token_end(bytes, at);
        let is_empty = |close: u8| bytes.get(end) == Some(&close);
        match bytes[at] {
            open @ (b'{' | b'[') => {
                out.push(char::from(open));
                // The two brackets of an empty object or array stay together.
                if is_empty(open + 2) {
                    out.push(char::from(open + 2));
                    at = end + 1;
                    continue;
                }
                depth += 1;
                line(&mut out, depth);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push_str(&compact[at..end]);
            }
            b',' => {
                out.push(',');
                line(&mut out, depth);
            }
            b':' => out.push_str(": "),
            _ => out.push_str(&compact[at..end]),
        }
        at = end;
    }
    out
}

/// Returns the end of the JSON token that begins at `at`: a string, a bracket, a punctuation mark
/// or a word.
fn token_end(bytes: &[u8], at: usize) -> usize {
    match bytes[at] {
        b'"' => {
            let mut end = at + 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            (end + 1).min(bytes.len())
        }
        b'{' | b'}' | b'[' | b']' | b',' | b':' => at + 1,
        _ => bytes[at..].iter().position(|byte| b"{}[],:\"".contains(byte)).map_or(bytes.len(), |length| at + length),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_indented_looks_as_serde_json_writes_it() {
        let values = [
            json!({}),
            json!([]),
            json!([[], {}, [{}], "a, [\"b\"]: {c}\\", null, -1.5e300]),
            json!({"a": {"b": [1, {"c": []}], "é \"": "x\ny"}, "d": true}),
            json!("text"),
        ];
        for value in values {
            assert_eq!(indented(&value.to_string()), serde_json::to_string_pretty(&value).unwrap());
        }
    }

    #[test]
    fn texts_of_values_stand_as_they_are() {
        let mut object = RawObject::new(Map::new());
        object.push("n".into(), "1e400");
        object.push("\"".into(), "[1.10]");
        assert_eq!(object.compact().unwrap(), "{\"n\":1e400,\"\\\"\":[1.10]}");
        assert!(object.contains("n") && !object.contains("m"));
    }
}
