//! Error messages for broken JSON and for rows with too many fields.

use super::json::MAX_FIELDS;
use super::json_syntax::{Broken, Flaw};

/// Returns how many lines below the start of the text the error is, and the message.
pub(super) fn broken_message(text: &str, Broken { at, flaw }: Broken) -> (u64, String) {
    let before = &text.as_bytes()[..at];
    let line = memchr::memchr_iter(b'\n', before).count() as u64;
    let column = at - memchr::memrchr(b'\n', before).map_or(0, |end| end + 1) + 1;
    let message = match flaw {
        Flaw::Syntax => return syntax_message(text).unwrap_or((line, format!("broken JSON (column {column})"))),
        Flaw::TooDeep => {
            format!("broken JSON: recursion limit exceeded (column {column}); more than 127 levels are not read")
        }
        Flaw::TooManyFields => too_many_fields(),
        Flaw::ForeignNumber(word) => {
            format!("broken JSON: {word} is not a number of JSON (column {column}); write null")
        }
        Flaw::Surrogate(unit) => format!(
            "broken JSON: \\u{unit:04x} is half of a character (a lone surrogate, column {column}); remove it or write the whole character"
        ),
        Flaw::ByteOrderMark => format!("{BYTE_ORDER_MARK} (column {column}); {REMOVE_MARKS}"),
    };
    (line, message)
}

/// Returns the line and the message of `serde_json`.
fn syntax_message(text: &str) -> Option<(u64, String)> {
    let error = serde_json::from_str::<serde::de::IgnoredAny>(text).err()?;
    let message = error.to_string();
    let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
    let line = (error.line() as u64).saturating_sub(1);
    Some((line, format!("broken JSON: {message} (column {})", error.column())))
}

pub(super) const BYTE_ORDER_MARK: &str = "a byte-order mark inside the file, as where files were joined";
pub(super) const REMOVE_MARKS: &str = "remove the marks: sed 's/^\\xEF\\xBB\\xBF//' FILE > NEW";

/// Returns the message about a row, a header or a nested object with too many fields.
pub(super) fn too_many_fields() -> String {
    format!("this row has more than {MAX_FIELDS} fields; leave out those that are not needed")
}
