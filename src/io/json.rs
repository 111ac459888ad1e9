//! JSON text cut into its values, which stay as they are written.
//!
//! A JSON number has any number of digits and any spelling; fields that are passed through keep
//! both. So a row is not parsed into values. One pass finds the positions of its values in the
//! text, and checks the syntax as strictly as `serde_json` does.

use std::borrow::Cow;

use super::json_syntax::{Broken, Flaw, JsonCut, JsonCutter};

/// Maximum number of fields of an object. Each takes some fifty bytes of memory, however short it
/// is in the text.
pub(super) const MAX_FIELDS: usize = 1 << 16;

/// The type of a JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JsonType {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

impl JsonType {
    /// Returns the type of a value. `json` is valid.
    pub fn of(json: &str) -> Self {
        match json.as_bytes().first() {
            Some(b'n') | None => Self::Null,
            Some(b't' | b'f') => Self::Boolean,
            Some(b'"') => Self::String,
            Some(b'[') => Self::Array,
            Some(b'{') => Self::Object,
            Some(_) => Self::Number,
        }
    }

    /// Returns the name for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// Checks that the text is one value, and returns it without the blanks around it.
pub(super) fn value(text: &str) -> Result<&str, Broken> {
    let mut cutter = JsonCutter::new(text);
    let value = cutter.value(0)?;
    cutter.end()?;
    Ok(value.json)
}

/// Returns the fields of an object in their order, with the text of their values: at most
/// [`MAX_FIELDS`].
pub(super) fn fields(object: &str) -> Result<Vec<(Cow<'_, str>, &str)>, Broken> {
    fields_as(object, |name, value| (name, value.json))
}

/// Returns the same, each field converted by `field` from its name and value.
pub(super) fn fields_as<'a, T>(
    object: &'a str,
    field: impl Fn(Cow<'a, str>, JsonCut<'a>) -> T,
) -> Result<Vec<T>, Broken> {
    let mut cutter = JsonCutter::new(object);
    let mut fields = Vec::with_capacity(8);
    let mut count = 0;
    cutter.blanks();
    cutter.object(0, &mut |name, value| {
        count += 1;
        if count <= MAX_FIELDS {
            fields.push(field(decoded(name), value));
        }
    })?;
    cutter.end()?;
    match count > MAX_FIELDS {
        true => Err(Broken { at: 0, flaw: Flaw::TooManyFields }),
        false => Ok(fields),
    }
}

/// True if a text begins with an object, after blanks.
pub(super) fn begins_object(text: &str) -> bool {
    text.trim_start_matches([' ', '\t', '\n', '\r']).starts_with('{')
}

/// Returns the texts of an array's first `most` elements, and the number of all elements.
pub(super) fn elements(array: &str, most: usize) -> Result<(Vec<&str>, usize), Broken> {
    let mut elements = Vec::new();
    let count = each_element(array, &mut |at, element| {
        if at < most {
            elements.push(element);
        }
    })?;
    Ok((elements, count))
}

/// Returns the text of the array's element of this number, from 0, if there is one.
pub(super) fn element(array: &str, number: usize) -> Result<Option<&str>, Broken> {
    let mut found = None;
    each_element(array, &mut |at, element| {
        if at == number {
            found = Some(element);
        }
    })?;
    Ok(found)
}

/// Calls `each` with the elements and their numbers, from 0. Returns the number of elements.
fn each_element<'a>(array: &'a str, each: &mut dyn FnMut(usize, &'a str)) -> Result<usize, Broken> {
    let mut cutter = JsonCutter::new(array);
    let mut count = 0;
    cutter.blanks();
    cutter.array(0, &mut |element| {
        each(count, element.json);
        count += 1;
    })?;
    cutter.end()?;
    Ok(count)
}

/// Decodes a value, which is a string.
fn decoded(value: JsonCut<'_>) -> Cow<'_, str> {
    if value.is_plain { Cow::Borrowed(unquoted(value.json)) } else { string(value.json) }
}

/// Decodes a valid JSON string.
pub(super) fn string(json: &str) -> Cow<'_, str> {
    let inner = unquoted(json);
    match memchr::memchr(b'\\', inner.as_bytes()) {
        None => Cow::Borrowed(inner),
        // The string is valid; if `serde_json` fails nevertheless, it stays as written.
        Some(_) => serde_json::from_str(json).map_or(Cow::Borrowed(inner), Cow::Owned),
    }
}

/// Returns the text between the quotes of a JSON string.
pub(super) fn unquoted(json: &str) -> &str {
    json.get(1..json.len().saturating_sub(1)).unwrap_or_default()
}

/// Returns a text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    // Strings always have a JSON form.
    serde_json::to_string(text).unwrap_or_default()
}

/// Returns a valid value without blanks. Strings get their shortest spelling, numbers keep theirs.
pub(super) fn compact(json: &str) -> String {
    let bytes = json.as_bytes();
    let mut out = String::with_capacity(json.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'"' => at + string_length(&bytes[at..]),
            b' ' | b'\t' | b'\n' | b'\r' => {
                at += 1;
                continue;
            }
            _ => at + bytes[at..].iter().position(|byte| b"\" \t\n\r".contains(byte)).unwrap_or(bytes.len() - at),
        };
        let token = &json[at..end];
        match bytes[at] == b'"' && token.contains('\\') {
            true => out.push_str(&quoted(&string(token))),
            false => out.push_str(token),
        }
        at = end;
    }
    out
}

/// Returns the length in bytes of the valid string at the start of `bytes`, quotes included.
fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at..]) {
        at += found;
        if bytes[at] == b'"' {
            return at + 1;
        }
        at = (at + 2).min(bytes.len());
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn numbers_keep_their_spelling() {
        for number in ["123456789012345678901234567890", "1e400", "1.10", "-0.0", "1E5", "-0", "0.1e-7", "1E+5"] {
            assert_eq!(compact(value(&format!(" {number} ")).unwrap()), number);
            let nested = format!("{{\"a\": [ {number} , {{\"b\":{number}}}]}}");
            assert_eq!(compact(value(&nested).unwrap()), nested.replace(' ', ""));
        }
    }

    #[test]
    fn strings_are_written_as_serde_json_writes_them() {
        for text in [r#""caf\u00e9 \/ \ud83d\ude00""#, r#" { "a\tb" : "\"" , "c" : "\\" } "#, r#"["\u001f"]"#] {
            let expected = serde_json::from_str::<Value>(text).unwrap().to_string();
            assert_eq!(compact(value(text).unwrap()), expected);
        }
    }

    #[test]
    fn what_is_no_json_has_a_name_and_a_place() {
        let cases = [
            ("{\"a\": NaN}", 6, Flaw::ForeignNumber("NaN")),
            ("[-Infinity]", 1, Flaw::ForeignNumber("-Infinity")),
            ("\"a\\ud800b\"", 2, Flaw::Surrogate(0xD800)),
            ("\"\\udc00\"", 1, Flaw::Surrogate(0xDC00)),
            ("\"\\ud800\\u0041\"", 1, Flaw::Surrogate(0xD800)),
            ("\u{feff}{}", 0, Flaw::ByteOrderMark),
            ("{\"a\" 1}", 5, Flaw::Syntax),
            ("01", 1, Flaw::Syntax),
            ("1 2", 2, Flaw::Syntax),
        ];
        for (text, at, flaw) in cases {
            assert_eq!(value(text), Err(Broken { at, flaw }), "{text}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(value(&nested(127)).is_ok() && serde_json::from_str::<Value>(&nested(127)).is_ok());
        assert_eq!(value(&nested(128)).unwrap_err().flaw, Flaw::TooDeep);
        assert!(serde_json::from_str::<Value>(&nested(128)).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4000, ..ProptestConfig::default() })]

        /// The same texts are JSON here and in `serde_json`, except for numbers that f64 cannot
        /// hold.
        #[test]
        fn what_is_json_is_what_serde_json_takes(
            text in "[\\[\\]{}:,\" \\\\ud8c0ntrlfase0123.eE+\n-]{0,12}|\"[^\"]{0,6}\"|\\{\"[a-z]\": ?-?[0-9.eE+-]{1,5}\\}",
        ) {
            match (value(&text), serde_json::from_str::<Value>(&text)) {
                (Ok(found), Ok(_)) => {
                    let again: Value = serde_json::from_str(&compact(found)).unwrap();
                    prop_assert_eq!(again, serde_json::from_str::<Value>(&text).unwrap());
                }
                (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("number out of range"), "{} {}", text, error),
                (Err(_), Err(_)) => {}
                (Err(broken), Ok(_)) => prop_assert!(false, "{} {:?}", text, broken),
            }
        }
    }
}
