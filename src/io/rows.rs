//! The stream of rows over any input.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::format::{InputFormat, SNIFF_BYTES, refusal};
use super::record::{ArrayElements, CsvRecords, Input, RawRow, Stop};
use super::row::{Columns, FieldNames, JsonRow, Row};
use crate::{Error, Result};

/// The longest row that is read unless [`ReadOptions::max_row_bytes`] says otherwise: 64 MiB, a few hundred times what
/// any model reads of a candidate, and little enough for any machine.
pub const MAX_ROW_BYTES: usize = 64 << 20;

/// How many skipped rows are kept with their reason.
const KEPT_REASONS: usize = 5;

const UTF8_BOM: &[u8] = b"\xEF\xBB\xBF";

/// What becomes of a row that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BadRows {
    /// The first one is an error, and the reading ends.
    #[default]
    Fail,
    /// They are counted and left out.
    Skip,
}

/// How to read an input.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// The format. `None`: by the extension, else by the first bytes.
    pub format: Option<InputFormat>,
    /// The field with the text. `None`: `text`, `content`, `body` or `document`, the first that a row has.
    pub text_field: Option<String>,
    /// The field with the id. `None`: `id` or `_id`.
    pub id_field: Option<String>,
    /// The field with the title. `None`: `title`.
    pub title_field: Option<String>,
    /// The field with the first stage's score. `None`: `score`.
    pub score_field: Option<String>,
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
            bad_rows: BadRows::Fail,
            max_row_bytes: MAX_ROW_BYTES,
        }
    }
}

/// The rows of an input, read one at a time in a few hundred KiB plus one row of memory.
///
/// After an error there are no more rows. With [`BadRows::Skip`] a bad row is no error, but these still are: a read that
/// fails, a header without a text column, and a JSON array with broken syntax, because nothing says where its next
/// element begins.
///
/// ```
/// use nearsort::io::{ReadOptions, Rows};
/// let input = std::io::Cursor::new("Paris\nBerlin\n");
/// let rows: Vec<_> = Rows::new(input, "cities.txt", &ReadOptions::default())?.collect::<Result<_, _>>()?;
/// assert_eq!((rows[1].id.as_str(), rows[1].text.as_str()), ("2", "Berlin"));
/// # Ok::<(), nearsort::Error>(())
/// ```
pub struct Rows {
    name: String,
    format: InputFormat,
    names: FieldNames,
    bad_rows: BadRows,
    max_row_bytes: usize,
    input: Input,
    cutter: Cutter,
    raw: RawRow,
    columns: Option<Columns>,
    /// TSV of two columns without a header is taken as id and text.
    headerless: bool,
    /// `raw` was read as a header and turned out to be the first row.
    holds_row: bool,
    /// Rows begun so far, bad ones included, so that skipping one changes no id.
    number: u64,
    skipped: u64,
    reasons: Vec<Error>,
    done: bool,
}

enum Cutter {
    Lines,
    Elements(ArrayElements),
    Csv(Box<CsvRecords>),
}

/// Why there is no row.
enum Fault {
    /// This row is bad, the next may be good.
    Row(u64, String),
    /// Nothing more can be read.
    Fatal(Error),
}

impl Rows {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// As [`Rows::new`], and [`Error::Io`] for a file that cannot be opened.
    pub fn open(path: impl AsRef<Path>, options: &ReadOptions) -> Result<Self> {
        let (input, name) = open_input(path.as_ref())?;
        Self::new(input, &name, options)
    }

    /// Reads from `input`. `name` is used in messages, and its extension tells the format.
    ///
    /// # Errors
    /// [`Error::Io`] when the first bytes cannot be read; [`Error::BadInput`] for UTF-16, compressed and Parquet files.
    pub fn new(input: impl Read + Send + 'static, name: &str, options: &ReadOptions) -> Result<Self> {
        let mut input = input;
        let mut head = Vec::new();
        input.by_ref().take(SNIFF_BYTES as u64).read_to_end(&mut head).map_err(Error::io("read", name))?;
        if let Some(message) = refusal(&head) {
            return Err(Error::BadInput { file: name.to_owned(), message: message.to_owned() });
        }
        // Fewer bytes than asked for: the input has ended, and a terminal must not be asked for its end twice.
        let rest: Box<dyn Read + Send> = if head.len() < SNIFF_BYTES { Box::new(io::empty()) } else { Box::new(input) };
        if head.starts_with(UTF8_BOM) {
            head.drain(..UTF8_BOM.len());
        }
        let text_field = options.text_field.as_deref();
        let by_name = options.format.or_else(|| InputFormat::from_extension(Path::new(name)));
        let format = by_name.unwrap_or_else(|| InputFormat::sniff(&head, text_field));
        Ok(Self {
            name: name.to_owned(),
            format,
            names: FieldNames::of(options),
            bad_rows: options.bad_rows,
            max_row_bytes: options.max_row_bytes,
            input: Input::new(head, rest, options.max_row_bytes),
            cutter: match format {
                InputFormat::Json => Cutter::Elements(ArrayElements::default()),
                InputFormat::Csv => Cutter::Csv(Box::new(CsvRecords::new())),
                InputFormat::Text | InputFormat::Jsonl | InputFormat::Tsv => Cutter::Lines,
            },
            raw: RawRow::default(),
            columns: None,
            headerless: false,
            holds_row: false,
            number: 0,
            skipped: 0,
            reasons: Vec::new(),
            done: false,
        })
    }

    /// The same rows with other field names, and with TSV of two columns allowed to have no header.
    pub(super) fn for_queries(mut self, names: FieldNames) -> Self {
        self.names = names;
        self.headerless = true;
        self
    }

    /// The format that is being read.
    pub fn format(&self) -> InputFormat {
        self.format
    }

    /// The input's name as messages give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many bad rows have been left out so far.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Why rows were left out: the first few, each an [`Error::BadRow`].
    pub fn skip_reasons(&self) -> &[Error] {
        &self.reasons
    }

    fn bad_row(&self, line: u64, message: String) -> Error {
        Error::BadRow { file: self.name.clone(), line, message }
    }

    fn stop(&self, stop: Stop) -> Fault {
        Fault::Fatal(match stop {
            Stop::Io(source) => Error::io("read", &self.name)(source),
            Stop::Syntax(line, message) => self.bad_row(line, message),
        })
    }

    /// Reads the next row's bytes into `self.raw`. False at the end.
    fn cut(&mut self) -> Result<bool, Fault> {
        if std::mem::take(&mut self.holds_row) {
            return Ok(true);
        }
        let found = match &mut self.cutter {
            Cutter::Lines => self.input.next_line(&mut self.raw).map_err(Stop::Io),
            Cutter::Elements(elements) => elements.next(&mut self.input, &mut self.raw),
            Cutter::Csv(records) => records.next(&mut self.input, &mut self.raw).map_err(Stop::Io),
        };
        found.map_err(|stop| self.stop(stop))
    }

    fn next_row(&mut self) -> Result<Option<Row>, Fault> {
        if matches!(self.format, InputFormat::Csv | InputFormat::Tsv)
            && self.columns.is_none()
            && !self.read_header()?
        {
            return Ok(None);
        }
        loop {
            if !self.cut()? {
                return Ok(None);
            }
            if self.raw.too_long || !self.is_blank() {
                break;
            }
        }
        self.number += 1;
        self.row_of(self.number).map(Some)
    }

    /// Whether `self.raw` is no row at all. A TSV line of tabs is one: its fields are empty.
    fn is_blank(&self) -> bool {
        match self.format {
            InputFormat::Jsonl => self.raw.bytes.trim_ascii().is_empty(),
            InputFormat::Tsv => self.raw.bytes.is_empty(),
            InputFormat::Text | InputFormat::Json | InputFormat::Csv => false,
        }
    }

    /// What `self.raw` means.
    fn row_of(&self, number: u64) -> Result<Row, Fault> {
        let line = self.raw.line;
        let bad = |message| Fault::Row(line, message);
        match self.format {
            InputFormat::Text => Ok(Row::plain(line, line.to_string(), self.raw_text()?.to_owned())),
            InputFormat::Jsonl | InputFormat::Json => {
                let row: JsonRow = serde_json::from_str(self.raw_text()?).map_err(|error| self.broken_json(&error))?;
                row.into_row(&self.names, line, number).map_err(bad)
            }
            InputFormat::Csv | InputFormat::Tsv => {
                let Some(columns) = &self.columns else {
                    return Err(bad("no header".to_owned()));
                };
                columns.row(&self.fields()?, line, number).map_err(bad)
            }
        }
    }

    /// Reads the header of CSV or TSV. False when the input is empty.
    fn read_header(&mut self) -> Result<bool, Fault> {
        if !self.cut()? {
            return Ok(false);
        }
        let header = self.fields().map_err(|fault| match fault {
            Fault::Row(line, message) => Fault::Fatal(self.bad_row(line, message)),
            fatal => fatal,
        })?;
        let columns = match Columns::from_header(&header, &self.names) {
            Err(_) if self.headerless && self.format == InputFormat::Tsv && header.len() == 2 => {
                self.holds_row = true;
                Columns::id_and_text()
            }
            found => found.map_err(|message| Fault::Fatal(Error::BadInput { file: self.name.clone(), message }))?,
        };
        self.columns = Some(columns);
        Ok(true)
    }

    /// `self.raw` as text.
    fn raw_text(&self) -> Result<&str, Fault> {
        self.check_length()?;
        std::str::from_utf8(&self.raw.bytes).map_err(|error| self.bad_utf8(error.valid_up_to()))
    }

    /// `self.raw` as fields of CSV or TSV.
    fn fields(&self) -> Result<Vec<Cow<'_, str>>, Fault> {
        if self.format == InputFormat::Tsv {
            return Ok(self.raw_text()?.split('\t').map(without_quotes).collect());
        }
        self.check_length()?;
        if self.raw.unclosed_quote {
            return Err(Fault::Row(self.raw.line, "a quote opened in this row is never closed".to_owned()));
        }
        let mut start = 0;
        let field = |&end: &usize| {
            let bytes = &self.raw.bytes[start..end];
            let text = std::str::from_utf8(bytes).map_err(|error| self.bad_utf8(start + error.valid_up_to()))?;
            start = end;
            Ok(Cow::Borrowed(text))
        };
        self.raw.ends.iter().map(field).collect()
    }

    fn check_length(&self) -> Result<(), Fault> {
        if !self.raw.too_long {
            return Ok(());
        }
        let message =
            format!("this row is longer than {} bytes; split it, or look for a missing line end", self.max_row_bytes);
        Err(Fault::Row(self.raw.line, message))
    }

    fn bad_utf8(&self, at: usize) -> Fault {
        let byte = self.raw.bytes.get(at).copied().unwrap_or_default();
        let message = format!(
            "not UTF-8: byte 0x{byte:02X} at byte {} of the row; convert the file, e.g. iconv -f LATIN1 -t UTF-8",
            at + 1
        );
        Fault::Row(self.raw.line, message)
    }

    /// In JSONL the next line may be fine; in an array nothing says where the next element begins.
    fn broken_json(&self, error: &serde_json::Error) -> Fault {
        let message = error.to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
        let message = format!("broken JSON: {message} (column {})", error.column());
        let line = self.raw.line + (error.line() as u64).saturating_sub(1);
        match (self.format, self.bad_rows) {
            (InputFormat::Json, BadRows::Skip) => {
                let message = format!("{message}; broken syntax inside an array cannot be skipped, in JSONL it can");
                Fault::Fatal(self.bad_row(line, message))
            }
            _ => Fault::Row(line, message),
        }
    }

    fn skip(&mut self, reason: Error) {
        self.skipped += 1;
        if self.reasons.len() < KEPT_REASONS {
            self.reasons.push(reason);
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.done {
            match self.next_row() {
                Ok(Some(row)) => return Some(Ok(row)),
                Ok(None) => self.done = true,
                Err(Fault::Row(line, message)) if self.bad_rows == BadRows::Skip => {
                    let reason = self.bad_row(line, message);
                    self.skip(reason);
                }
                Err(fault) => {
                    self.done = true;
                    return Some(Err(match fault {
                        Fault::Row(line, message) => self.bad_row(line, message),
                        Fault::Fatal(error) => error,
                    }));
                }
            }
        }
        None
    }
}

/// A TSV field that is quoted as a whole, as some programs write them, without its quotes.
///
/// Any other quote is part of the text: most TSV is written without quoting, and there a field may well begin with a
/// quote, which must not swallow the rows below.
fn without_quotes(field: &str) -> Cow<'_, str> {
    let inner = field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if !inner.contains('"') => Cow::Borrowed(inner),
        Some(inner) if !inner.replace("\"\"", "").contains('"') => Cow::Owned(inner.replace("\"\"", "\"")),
        _ => Cow::Borrowed(field),
    }
}

/// A file, or standard input for `-`, and the name that messages use for it.
pub(super) fn open_input(path: &Path) -> Result<(Box<dyn Read + Send>, String)> {
    if path.as_os_str() == "-" {
        return Ok((Box::new(io::stdin()), "-".to_owned()));
    }
    let file = File::open(path).map_err(Error::io("open", path))?;
    Ok((Box::new(file), path.display().to_string()))
}
