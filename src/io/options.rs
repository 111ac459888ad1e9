//! How inputs are read.

use std::sync::Arc;

use super::format::InputFormat;
use super::rejects::Rejects;

/// Bytes of rows that are held at a time, beyond the one that goes over it.
pub const CHUNK_BYTES: usize = 64 << 20;

/// The longest row that is read unless [`ReadOptions::max_row_bytes`] says otherwise: 64 MiB, a few hundred times what
/// any model reads of a candidate, and little enough for any machine.
pub const MAX_ROW_BYTES: usize = 64 << 20;

/// What becomes of a row that cannot be used.
#[derive(Debug, Clone, Default)]
pub enum BadRows {
    /// The first one is an error, and the reading ends.
    #[default]
    Fail,
    /// They are counted and left out.
    Skip,
    /// They are counted, left out and written to a file.
    Report(Arc<Rejects>),
}

/// How to read an input.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The format. `None`: by the extension, else by the first bytes.
    pub format: Option<InputFormat>,
    /// The field with the text. `None`: `text`, `content`, `body`, `document`, `page_content`, `contents` or `passage`, the first of them that
    /// a row has and that is not null.
    ///
    /// Names of fields are found as they are written, else in other cases of their letters (`Text`, `ID`). A name that is asked for may lead into
    /// nested fields, by dots (`_source.text`) or as a JSON pointer (`/_source/text`), where there is no field of that very name.
    pub text_field: Option<String>,
    /// The field with the id. `None`: `id`, `_id` or `__index_level_0__`, which is pandas' index.
    pub id_field: Option<String>,
    /// The field with the title. `None`: `title`.
    pub title_field: Option<String>,
    /// The field with the first stage's score. `None`: `score`.
    pub score_field: Option<String>,
    /// Whether a score that is no finite number makes a row unusable. If not, the field is one of [`Row::extra`](super::Row::extra).
    pub needs_score: bool,
    /// Whether other fields are kept in [`Row::extra`](super::Row::extra); without them reading is faster. With them two
    /// columns of one name are an error.
    pub extra: bool,
    /// What separates the columns of CSV: an ASCII character. `None`: a comma. With it, what neither its extension nor its first bytes tell to be
    /// something else is CSV.
    pub delimiter: Option<u8>,
    /// What becomes of a row that cannot be used.
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
