//! Options for reading inputs.

use std::sync::Arc;

use super::format::InputFormat;
use super::rejects::Rejects;

/// Bytes of rows in a chunk. A chunk ends with the row that reaches this size.
pub const CHUNK_BYTES: usize = 64 << 20;

/// Default of [`ReadOptions::max_row_bytes`]: 64 MiB. This is a few hundred times what any model
/// reads of a candidate, and fits into the memory of any machine.
pub const MAX_ROW_BYTES: usize = 64 << 20;

/// The handling of rows that cannot be used.
#[derive(Debug, Clone, Default)]
pub enum BadRows {
    /// The first bad row is an error, and reading ends.
    #[default]
    Fail,
    /// Bad rows are counted and skipped.
    Skip,
    /// Bad rows are counted, skipped and written to a file.
    Report(Arc<Rejects>),
}

/// Options for reading an input.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The format. `None`: detected by the extension, else by the first bytes.
    pub format: Option<InputFormat>,
    /// The field with the text. `None`: `text`, `content`, `body`, `document`, `page_content`,
    /// `contents` or `passage`, the first of them that a row has and that is not null.
    ///
    /// Field names match exactly, or else without regard to case (`Text`, `ID`). A name given here
    /// may lead into nested fields, by dots (`_source.text`) or as a JSON pointer
    /// (`/_source/text`), if no field has exactly that name.
    pub text_field: Option<String>,
    /// The field with the id. `None`: `id`, `_id` or `__index_level_0__`, which is pandas' index.
    pub id_field: Option<String>,
    /// The field with the title. `None`: `title`.
    pub title_field: Option<String>,
    /// The field with the first stage's score. `None`: `score`.
    pub score_field: Option<String>,
    /// True if a score that is not a finite number makes a row bad. If false, the field is kept in
    /// [`Row::extra`](super::Row::extra).
    pub needs_score: bool,
    /// True if other fields are kept in [`Row::extra`](super::Row::extra). Reading is faster
    /// without them. If true, two columns with the same name are an error.
    pub extra: bool,
    /// The separator of CSV columns, an ASCII character. `None`: a comma. If it is given, an input
    /// is CSV unless its extension or its first bytes show another format.
    pub delimiter: Option<u8>,
    /// The handling of rows that cannot be used.
    pub bad_rows: BadRows,
    /// A row longer than this many bytes is a bad row.
    pub max_row_bytes: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            format: None,
            text_field: None,
            id_field: None,
            title_field: None,
            score_field: None,
            needs_score: true,
            extra: true,
            delimiter: None,
            bad_rows: BadRows::Fail,
            max_row_bytes: MAX_ROW_BYTES,
        }
    }
}
