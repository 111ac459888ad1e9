//! Numbers by query and document as one JSON object, `{"q1": {"d1": 3.5}}`, the format of runs and
//! judgements of ranx, BEIR and pytrec_eval.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Read};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

/// Longest id or number in bytes.
const MAX_TOKEN_BYTES: usize = 64 << 10;

/// True if an input begins with an object whose first value is an object, or with an empty object.
pub(super) fn is_nested(head: &[u8]) -> bool {
    let after = |rest: &[u8], byte| rest.trim_ascii_start().strip_prefix(&[byte]).map(<[u8]>::to_vec);
    let Some(rest) = after(head, b'{') else { return false };
    if after(&rest, b'}').is_some() {
        return true;
    }
    let Some(key) = after(&rest, b'"') else { return false };
    let mut is_escaped = false;
    let end = key.iter().position(|&byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    let value = end.and_then(|end| after(&key[end + 1..], b':'));
    value.is_some_and(|value| value.trim_ascii_start().first() == Some(&b'{'))
}

/// Calls `each` with every query, document and number. Memory: an id, and the queries' ids.
///
/// The error is the line and the message.
pub(super) fn read_nested<F>(reader: impl Read, mut each: F) -> Result<(), (u64, String)>
where
    F: FnMut(&str, &str, f64) -> Result<(), String>,
{
    let reader = io::BufReader::new(ShortTokens { reader, token_bytes: 0 });
    let mut json = serde_json::Deserializer::from_reader(reader);
    let queries = Queries(&mut each);
    let read = queries.deserialize(&mut json).and_then(|()| json.end());
    read.map_err(|error| {
        let text = error.to_string();
        // serde_json puts the position at the end of its message; here the line is returned
        // separately.
        let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
        (error.line().max(1) as u64, message.to_owned())
    })
}

struct Queries<'a, F>(&'a mut F);

impl<'de, F: FnMut(&str, &str, f64) -> Result<(), String>> DeserializeSeed<'de> for Queries<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(&str, &str, f64) -> Result<(), String>> Visitor<'de> for Queries<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of queries, each with an object of documents: {\"q1\": {\"d1\": 3.5}}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(query) = map.next_key::<String>()? {
            if seen.contains(&query) {
                return Err(A::Error::custom(format!("the query '{query}' stands twice; put its documents together")));
            }
            map.next_value_seed(NestedDocuments { query: &query, each: &mut *self.0 })?;
            seen.insert(query);
        }
        Ok(())
    }
}

struct NestedDocuments<'a, F> {
    query: &'a str,
    each: &'a mut F,
}

impl<'de, F: FnMut(&str, &str, f64) -> Result<(), String>> DeserializeSeed<'de> for NestedDocuments<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(&str, &str, f64) -> Result<(), String>> Visitor<'de> for NestedDocuments<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of documents with their numbers for the query '{}'", self.query)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((document, number)) = map.next_entry::<String, f64>()? {
            (self.each)(self.query, &document, number).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// Reader that fails at a token longer than any id, before it fills the memory.
struct ShortTokens<R> {
    reader: R,
    /// Number of bytes since the last quote, brace or line end.
    token_bytes: usize,
}

impl<R: Read> Read for ShortTokens<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        for &byte in &buffer[..read] {
            self.token_bytes = if matches!(byte, b'"' | b'{' | b'\n') { 0 } else { self.token_bytes + 1 };
            if self.token_bytes > MAX_TOKEN_BYTES {
                let message = format!("an id or a number is longer than {MAX_TOKEN_BYTES} bytes");
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_objects_is_told_by_its_beginning() {
        for nested in ["{\"q\": {\"d\": 1}}", " {\n  \"q\\\"1\" : {", "{}", "{ }\n"] {
            assert!(is_nested(nested.as_bytes()), "{nested}");
        }
        for other in ["{\"qid\": \"q\", \"docid\": {}}", "{\"q\": 1}", "{\"q", "[{}]", "q Q0 d 1 1 t", ""] {
            assert!(!is_nested(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let read = |text: &str| {
            let mut found = Vec::new();
            let each = |query: &str, document: &str, number: f64| {
                found.push(format!("{query} {document} {number}"));
                Ok(())
            };
            read_nested(text.as_bytes(), each).map(|()| found)
        };
        assert_eq!(read("{\"q\": {\"d\": 1, \"e\\u0031\": -2.5}, \"r\": {}}").unwrap(), ["q d 1", "q e1 -2.5"]);
        for (text, line, message) in [
            ("{\"q\":\n {\"d\": \"x\"}}", 2, "invalid type: string \"x\""),
            ("{\"q\":\n 1}", 2, "an object of documents with their numbers for the query 'q'"),
            ("{\"q\": {},\n\n\"q\": {}}", 3, "the query 'q' stands twice"),
            ("{\"q\": {\"d\": NaN}}", 1, "expected value"),
            ("{\"q\": {\"d\": 1}", 1, "EOF"),
            ("{\"q\": {\"d\": 1}} x", 1, "trailing characters"),
        ] {
            let (at, found) = read(text).unwrap_err();
            assert!(at == line && found.contains(message), "{text}: {at}: {found}");
        }
        let long = format!("{{\"q\": {{\"{}\": 1}}}}", "x".repeat(MAX_TOKEN_BYTES + 9));
        assert!(read(&long).unwrap_err().1.contains("longer than 65536 bytes"));
    }
}
