//! The format of an input: by its first bytes, by its extension, or by name.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::text_names::is_header;
use crate::{Error, Result};

/// The format of a file of candidates or queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InputFormat {
    /// One candidate per line.
    Text,
    /// One JSON string or object per line.
    Jsonl,
    /// One JSON array of strings or objects.
    Json,
    /// Comma-separated values below a header.
    Csv,
    /// Tab-separated values below a header.
    Tsv,
    /// Columns, compressed in groups of rows.
    Parquet,
    /// Columns in Arrow's IPC format, as a file (Feather, version 2) or as a stream.
    Arrow,
}

/// First bytes of formats that are known by them alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ColumnMagic {
    Parquet,
    ArrowFile,
    ArrowStream,
}

impl ColumnMagic {
    pub fn of(head: &[u8]) -> Option<Self> {
        match head {
            [b'P', b'A', b'R', b'1', ..] => Some(Self::Parquet),
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] => Some(Self::ArrowFile),
            // The mark of a message; no text begins with these bytes, in any encoding.
            [0xFF, 0xFF, 0xFF, 0xFF, ..] => Some(Self::ArrowStream),
            _ => None,
        }
    }

    pub fn format(self) -> InputFormat {
        match self {
            Self::Parquet => InputFormat::Parquet,
            Self::ArrowFile | Self::ArrowStream => InputFormat::Arrow,
        }
    }
}

/// The byte-order mark that some programs write before UTF-8.
pub(super) const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// Number of bytes that are examined to detect a format. A longer header is taken for text.
pub(super) const SNIFF_BYTES: usize = 4096;

/// First bytes of formats that cannot be read, with a message that names the format and a remedy.
const REFUSED: [(&[u8], &str); 6] = [
    (
        b"\xFD7zXZ\0",
        "this is compressed with xz; compress it with gzip or zstd, or pipe it in: xz -dc FILE | nearsort ... -",
    ),
    (b"PK\x03\x04", "this is a zip archive; unpack it first, or compress its file with gzip or zstd"),
    (b"PAR1", "this is a Parquet file, which this build does not read; export it first"),
    (b"ARROW1", "this is an Arrow file, which this build does not read; export it first"),
    (b"PARE", "this Parquet file is encrypted, which is not read; decrypt it first, e.g. with pyarrow"),
    (b"FEA1", "this is a Feather file of version 1; write it as version 2"),
];

impl InputFormat {
    /// All formats, in the order in which messages list them.
    pub const ALL: [Self; 7] = [Self::Text, Self::Jsonl, Self::Json, Self::Csv, Self::Tsv, Self::Parquet, Self::Arrow];

    /// Returns the name that [`FromStr`] and [`fmt::Display`] use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Jsonl => "jsonl",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    /// Returns the name for use in sentences.
    #[cfg(feature = "parquet")]
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow",
            text => text.name(),
        }
    }

    /// True if an input is read as batches of columns, and not as bytes.
    pub(super) const fn has_columns(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow)
    }

    /// Returns the format of a file's extension, `None` for an unknown one. Before `.gz` and
    /// `.zst`, the inner extension counts: `corpus.jsonl.gz` is JSONL.
    pub fn from_extension(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        match extension.as_str() {
            "gz" | "zst" => Self::from_extension(Path::new(path.file_stem()?)),
            "txt" => Some(Self::Text),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "parquet" => Some(Self::Parquet),
            "arrow" | "arrows" | "feather" => Some(Self::Arrow),
            _ => None,
        }
    }

    /// Detects the format from the first bytes of an input; text if they match no other format.
    ///
    /// `{"` begins JSONL and `[` before an element or its end begins a JSON array. A first line
    /// that is a whole JSON string is JSONL. A first line with at least two columns, one of them
    /// named like a text column (`text_field` if given) in any case, is the header of TSV or CSV.
    pub(super) fn sniff(head: &[u8], text_field: Option<&str>) -> Self {
        let start = head.trim_ascii_start();
        let second = start.get(1..).unwrap_or_default().trim_ascii_start().first();
        match (start.first(), second) {
            (Some(b'{'), Some(b'"' | b'}')) => return Self::Jsonl,
            (Some(b'['), Some(b'{' | b'"' | b']')) => return Self::Json,
            _ => {}
        }
        let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        if line.first() == Some(&b'"') && serde_json::from_slice::<String>(line).is_ok() {
            return Self::Jsonl;
        }
        match (is_header(line, b'\t', text_field), is_header(line, b',', text_field)) {
            (true, _) => Self::Tsv,
            (_, true) => Self::Csv,
            _ => Self::Text,
        }
    }
}

/// Returns the reason why an input that begins with `head` cannot be read, `None` if there is none.
pub(super) fn refusal(head: &[u8]) -> Option<&'static str> {
    REFUSED.iter().find(|(magic, _)| head.starts_with(magic)).map(|&(_, message)| message)
}

impl fmt::Display for InputFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for InputFormat {
    type Err = Error;

    /// Parses a name as [`InputFormat::name`] returns it; also accepts `txt` and `ndjson`.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] lists the known names.
    fn from_str(name: &str) -> Result<Self> {
        let canonical = match name {
            "txt" => "text",
            "ndjson" => "jsonl",
            other => other,
        };
        Self::ALL.into_iter().find(|format| format.name() == canonical).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Error::InvalidArgument(format!("unknown input format '{name}'; expected {known}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_the_format() {
        let cases: [(&str, InputFormat); 17] = [
            ("{\"text\": \"a\"}\n", InputFormat::Jsonl),
            ("\n  { \"text\": ", InputFormat::Jsonl),
            ("\"a string\"\n\"another\"\n", InputFormat::Jsonl),
            ("\"Call me Ishmael,\" he said.\n", InputFormat::Text),
            ("[\n  {\"text\": 1}]", InputFormat::Json),
            ("[\"a\", \"b\"]", InputFormat::Json),
            ("[]", InputFormat::Json),
            ("[1] A footnote\n", InputFormat::Text),
            ("{see below}\n", InputFormat::Text),
            ("id\ttext\r\n", InputFormat::Tsv),
            ("id,\"text\"\r\n", InputFormat::Csv),
            ("id, body ,x\n", InputFormat::Csv),
            ("ID,Passage\n", InputFormat::Csv),
            ("text\nmore text\n", InputFormat::Text),
            ("one, two, three\n", InputFormat::Text),
            ("", InputFormat::Text),
            ("id,paragraph\n", InputFormat::Text),
        ];
        for (head, expected) in cases {
            assert_eq!(InputFormat::sniff(head.as_bytes(), None), expected, "{head:?}");
        }
        assert_eq!(InputFormat::sniff(b"id,paragraph\n", Some("paragraph")), InputFormat::Csv);
    }

    #[test]
    fn every_name_reads_back() {
        for format in InputFormat::ALL {
            assert_eq!(format.to_string().parse::<InputFormat>().unwrap(), format);
        }
        let message = "xml".parse::<InputFormat>().unwrap_err().to_string();
        assert_eq!(message, "unknown input format 'xml'; expected text, jsonl, json, csv, tsv, parquet, arrow");
    }
}
