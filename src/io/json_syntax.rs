//! The syntax of JSON: one pass over a text finds where its values begin and end, and checks them
//! as strictly as `serde_json` does.

use super::plain::plain_length;

/// Maximum depth of nested arrays and objects, as in `serde_json`.
const MAX_DEPTH: usize = 127;

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
    /// An object has more than [`MAX_FIELDS`](super::json::MAX_FIELDS) fields.
    TooManyFields,
    /// NaN or an infinity, as it is written.
    ForeignNumber(&'static str),
    /// An escape that is half of a surrogate pair.
    Surrogate(u16),
    /// U+FEFF before a value.
    ByteOrderMark,
}

/// A value that was cut from a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct JsonCut<'a> {
    /// The value's text.
    pub json: &'a str,
    /// True for a string without escapes: its value is the text between its quotes.
    pub is_plain: bool,
}

/// Reads a text from its beginning on, value by value.
pub(super) struct JsonCutter<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> JsonCutter<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn broken<T>(&self, flaw: Flaw) -> Result<T, Broken> {
        Err(Broken { at: self.at, flaw })
    }

    pub(super) fn blanks(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.next() {
            self.at += 1;
        }
    }

    pub(super) fn end(&mut self) -> Result<(), Broken> {
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

    pub(super) fn value(&mut self, depth: usize) -> Result<JsonCut<'a>, Broken> {
        self.blanks();
        let start = self.at;
        match self.next() {
            Some(b'"') => return self.string(),
            Some(b'{') => self.object(depth, &mut |_, _| {})?,
            Some(b'[') => self.array(depth, &mut |_| {})?,
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        }
        Ok(JsonCut { json: &self.text[start..self.at], is_plain: false })
    }

    pub(super) fn object(
        &mut self,
        depth: usize,
        each: &mut impl FnMut(JsonCut<'a>, JsonCut<'a>),
    ) -> Result<(), Broken> {
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

    pub(super) fn array(&mut self, depth: usize, each: &mut impl FnMut(JsonCut<'a>)) -> Result<(), Broken> {
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
    fn string(&mut self) -> Result<JsonCut<'a>, Broken> {
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
                    return Ok(JsonCut { json: &self.text[start..self.at], is_plain });
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
