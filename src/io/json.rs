//! JSON text cut into its values, which stay as they are written.
//!
//! A JSON number has any number of digits and any spelling; fields that are passed through keep
//! both. So a row is not parsed into values. One pass finds the positions of its values in the
//! text, and checks the syntax as strictly as `serde_json` does.

use std::borrow::Cow;

use super::plain::plain_length;

/// Maximum depth of nested arrays and objects, as in `serde_json`.
const MAX_DEPTH: usize = 127;

/// Maximum number of fields of an object. Each takes some fifty bytes of memory, however short it
/// is in the text.
pub(super) const MAX_FIELDS: usize = 1 << 16;

/// Numbers that JSON does not have, as programs write them nevertheless. If two begin alike, the
/// longer one comes first.
const FOREIGN_NUMBERS: [&str; 8] = ["NaN", "nan", "-Infinity", "Infinity", "-inf", "inf", "+Infinity", "+inf"];

/// A syntax error: its position in the text and its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Broken {
    /// Byte offset in the text.
    pub at: usize,
    pub flaw: Flaw,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Flaw {
    /// An error for which `serde_json` has a message.
    Syntax,
    TooDeep,
    /// An object has more than [`MAX_FIELDS`] fields.
    TooManyFields,
    /// NaN or an infinity, as it is written.
    ForeignNumber(&'static str),
    /// An escape that is half of a surrogate pair.
    Surrogate(u16),
    /// U+FEFF before a value.
    ByteOrderMark,
}

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

/// A value that was cut from a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut<'a> {
    /// The value's text.
    pub json: &'a str,
    /// True for a string without escapes: its value is the text between its quotes.
    pub is_plain: bool,
}

impl<'a> Cut<'a> {
    /// Decodes the value, which is a string.
    fn string(self) -> Cow<'a, str> {
        if self.is_plain { Cow::Borrowed(unquoted(self.json)) } else { string(self.json) }
    }
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
    let mut cutter = Cutter { text, at: 0 };
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
pub(super) fn fields_as<'a, T>(object: &'a str, field: impl Fn(Cow<'a, str>, Cut<'a>) -> T) -> Result<Vec<T>, Broken> {
    let mut cutter = Cutter { text: object, at: 0 };
    let mut fields = Vec::with_capacity(8);
    let mut count = 0;
    cutter.blanks();
    cutter.object(0, &mut |name, value| {
        count += 1;
        if count <= MAX_FIELDS {
            fields.push(field(name.string(), value));
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
    let mut cutter = Cutter { text: array, at: 0 };
    let mut count = 0;
    cutter.blanks();
    cutter.array(0, &mut |element| {
        each(count, element.json);
        count += 1;
    })?;
    cutter.end()?;
    Ok(count)
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

struct Cutter<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cutter<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn broken<T>(&self, flaw: Flaw) -> Result<T, Broken> {
        Err(Broken { at: self.at, flaw })
    }

    fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.next() {
            self.at += 1;
        }
    }

    fn end(&mut self) -> Result<(), Broken> {
        self.blanks();
        if self.rest().is_empty() { Ok(()) } else { self.broken(Flaw::Syntax) }
    }

    /// Consumes `byte` if it is the next one after blanks. Returns true if it was.
    fn takes(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.next() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Broken> {
        if self.takes(byte) { Ok(()) } else { self.broken(Flaw::Syntax) }
    }

    fn value(&mut self, depth: usize) -> Result<Cut<'a>, Broken> {
        self.blanks();
        let start = self.at;
        match self.next() {
            Some(b'"') => return self.string(),
            Some(b'{') => self.object(depth, &mut |_, _| {})?,
            Some(b'[') => self.array(depth, &mut |_| {})?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        }
        Ok(Cut { json: &self.text[start..self.at], is_plain: false })
    }

    fn object(&mut self, depth: usize, each: &mut impl FnMut(Cut<'a>, Cut<'a>)) -> Result<(), Broken> {
        if depth == MAX_DEPTH {
            return self.broken(Flaw::TooDeep);
        }
        self.expect(b'{')?;
        if self.takes(b'}') {
            return Ok(());
        }
        loop {
            self.blanks();
            let name = self.string()?;
            self.expect(b':')?;
            each(name, self.value(depth + 1)?);
            if !self.takes(b',') {
                return self.expect(b'}');
            }
        }
    }

    fn array(&mut self, depth: usize, each: &mut impl FnMut(Cut<'a>)) -> Result<(), Broken> {
        if depth == MAX_DEPTH {
            return self.broken(Flaw::TooDeep);
        }
        self.expect(b'[')?;
        if self.takes(b']') {
            return Ok(());
        }
        loop {
            each(self.value(depth + 1)?);
            if !self.takes(b',') {
                return self.expect(b']');
            }
        }
    }

    /// Cuts a string with its quotes.
    fn string(&mut self) -> Result<Cut<'a>, Broken> {
        let start = self.at;
        if self.next() != Some(b'"') {
            return self.broken(Flaw::Syntax);
        }
        self.at += 1;
        let mut is_plain = true;
        loop {
            let rest = self.rest();
            let length = plain_length(rest);
            match rest.get(length) {
                Some(b'"') => {
                    self.at += length + 1;
                    return Ok(Cut { json: &self.text[start..self.at], is_plain });
                }
                Some(b'\\') => self.at += length,
                // A control character, or the end.
                _ => return self.broken(Flaw::Syntax),
            }
            is_plain = false;
            self.escape()?;
        }
    }

    fn escape(&mut self) -> Result<(), Broken> {
        match self.rest().get(1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let first = self.hex_escape()?;
                let is_high = (0xD800..0xDC00).contains(&first);
                let low = if is_high { self.at_low_surrogate() } else { false };
                if (is_high && !low) || (0xDC00..0xE000).contains(&first) {
                    self.at -= 6;
                    return self.broken(Flaw::Surrogate(first));
                }
                self.at += if low { 6 } else { 0 };
            }
            _ => return self.broken(Flaw::Syntax),
        }
        Ok(())
    }

    /// Reads the four digits of a `\u` escape.
    fn hex_escape(&mut self) -> Result<u16, Broken> {
        let digits = self.text.get(self.at + 2..self.at + 6).filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
        let Some(Ok(unit)) = digits.map(|digits| u16::from_str_radix(digits, 16)) else {
            return self.broken(Flaw::Syntax);
        };
        self.at += 6;
        Ok(unit)
    }

    fn at_low_surrogate(&self) -> bool {
        let digits = self.text.get(self.at..self.at + 6).and_then(|escape| escape.strip_prefix("\\u"));
        digits
            .and_then(|digits| u16::from_str_radix(digits, 16).ok())
            .is_some_and(|low| (0xDC00..0xE000).contains(&low))
    }

    fn number(&mut self) -> Result<(), Broken> {
        if self.next() == Some(b'-') {
            self.foreign_number()?;
            self.at += 1;
        }
        match self.digits()? {
            // No number has a zero before other digits.
            digits if digits.len() > 1 && digits[0] == b'0' => {
                self.at -= digits.len() - 1;
                return self.broken(Flaw::Syntax);
            }
            _ => {}
        }
        if self.next() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.next(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.next(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(())
    }

    /// Reads at least one digit.
    fn digits(&mut self) -> Result<&'a [u8], Broken> {
        let rest = self.rest();
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return self.broken(Flaw::Syntax);
        }
        self.at += length;
        Ok(&rest[..length])
    }

    fn word(&mut self) -> Result<(), Broken> {
        if let Some(word) = ["null", "true", "false"].iter().find(|word| self.rest().starts_with(word.as_bytes())) {
            self.at += word.len();
            return Ok(());
        }
        self.foreign_number()?;
        self.broken(match self.rest().starts_with("\u{feff}".as_bytes()) {
            true => Flaw::ByteOrderMark,
            false => Flaw::Syntax,
        })
    }

    fn foreign_number(&self) -> Result<(), Broken> {
        match FOREIGN_NUMBERS.iter().find(|word| self.rest().starts_with(word.as_bytes())) {
            Some(word) => self.broken(Flaw::ForeignNumber(word)),
            None => Ok(()),
        }
    }
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
