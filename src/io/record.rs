//! Cuts an input into rows of bytes: lines, elements of a JSON array, CSV records.
//!
//! Each cutter only finds the ends of rows, in one pass, and holds one row. Other code parses the
//! row, so a bad row never affects the rows after it. A row over the maximum length is read to its
//! end but not kept.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::format::InputFormat;
use super::json::MAX_FIELDS;
use super::json_file;

/// Buffer between the input and the cutters. A larger one is not faster: the rows then leave the L2
/// cache.
const BUFFER_BYTES: usize = 64 << 10;

/// Bytes of an input, with the current line.
pub(super) struct ByteInput {
    reader: BufReader<Box<dyn Read + Send>>,
    /// 1-based line of the next byte.
    line: u64,
    /// Number of bytes of the input before the next one.
    offset: u64,
    max_row_bytes: usize,
}

/// One row as it lies in the file, without its line end or separator. Reused from row to row.
#[derive(Debug, Default)]
pub(super) struct RawRow {
    /// 1-based line on which the row starts.
    pub line: u64,
    /// Byte offset in the input at which the row starts.
    pub offset: u64,
    /// The row's bytes; for CSV the fields without quotes and commas, end to end.
    pub bytes: Vec<u8>,
    /// For CSV: the end of each field in `bytes`.
    pub ends: Vec<usize>,
    /// True if the row is over the maximum length; `bytes` is then invalid.
    pub too_long: bool,
    /// True if the row has more than [`MAX_FIELDS`] fields; `bytes` and `ends` are then invalid.
    pub too_many: bool,
    /// For CSV: true if the input ended inside quotes.
    pub unclosed_quote: bool,
}

/// An error after which a cutter cannot continue.
pub(super) enum Stop {
    Io(io::Error),
    /// A syntax error of the format: the line and the message.
    Syntax(u64, String),
}

impl From<io::Error> for Stop {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

impl RawRow {
    fn start(&mut self, line: u64, offset: u64) {
        self.line = line;
        self.offset = offset;
        self.bytes.clear();
        self.ends.clear();
        self.too_long = false;
        self.too_many = false;
        self.unclosed_quote = false;
    }
}

impl ByteInput {
    /// Creates an input. `head`: the bytes already read, before `rest`. The first `start` of them
    /// are not part of a row.
    pub fn new(head: Vec<u8>, start: usize, rest: Box<dyn Read + Send>, max_row_bytes: usize) -> Self {
        let mut head = Cursor::new(head);
        head.set_position(start as u64);
        let whole: Box<dyn Read + Send> = Box::new(head.chain(rest));
        Self { reader: BufReader::with_capacity(BUFFER_BYTES, whole), line: 1, offset: start as u64, max_row_bytes }
    }

    fn consume(&mut self, num_bytes: usize) {
        let newlines = self.reader.buffer()[..num_bytes].iter().filter(|&&byte| byte == b'\n').count();
        self.line += newlines as u64;
        self.offset += num_bytes as u64;
        self.reader.consume(num_bytes);
    }

    /// Skips bytes while `skip` is true and returns the next one, which stays unread; `None` at the
    /// end.
    fn peek_after(&mut self, skip: impl Fn(u8) -> bool) -> io::Result<Option<u8>> {
        loop {
            let chunk = fill(&mut self.reader)?;
            if chunk.is_empty() {
                return Ok(None);
            }
            match chunk.iter().position(|&byte| !skip(byte)) {
                Some(found) => {
                    let byte = chunk[found];
                    self.consume(found);
                    return Ok(Some(byte));
                }
                None => {
                    let all = chunk.len();
                    self.consume(all);
                }
            }
        }
    }

    /// Reads the next line, without `\n` or `\r\n`. Returns false at the end of the input.
    pub fn next_line(&mut self, row: &mut RawRow) -> io::Result<bool> {
        row.start(self.line, self.offset);
        let limit = self.max_row_bytes.saturating_add(2); // the row and its "\r\n"
        self.read_line(limit, &mut row.bytes)?;
        if row.bytes.is_empty() {
            return Ok(false);
        }
        self.offset += row.bytes.len() as u64;
        self.line += 1;
        if row.bytes.last() == Some(&b'\n') {
            row.bytes.pop();
        } else if row.bytes.len() == limit {
            self.offset += self.reader.skip_until(b'\n')? as u64;
        }
        if row.bytes.last() == Some(&b'\r') {
            row.bytes.pop();
        }
        row.too_long = row.bytes.len() > self.max_row_bytes;
        Ok(true)
    }

    /// Reads to the end of a line or of the input, at most `limit` bytes.
    fn read_line(&mut self, limit: usize, line: &mut Vec<u8>) -> io::Result<()> {
        while line.len() < limit {
            let chunk = fill(&mut self.reader)?;
            let chunk = &chunk[..chunk.len().min(limit - line.len())];
            let end = memchr::memchr(b'\n', chunk).map(|at| at + 1);
            let num_bytes = end.unwrap_or(chunk.len());
            line.extend_from_slice(&chunk[..num_bytes]);
            self.reader.consume(num_bytes);
            if end.is_some() || num_bytes == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// Calls `fill_buf`, again if a signal interrupted it.
fn fill(reader: &mut BufReader<Box<dyn Read + Send>>) -> io::Result<&[u8]> {
    while let Err(error) = reader.fill_buf() {
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(reader.buffer())
}

/// Cuts an input into rows, as its format says.
pub(super) enum Cutter {
    Lines,
    Elements(ArrayElements),
    Csv(Box<CsvRecords>),
}

impl Cutter {
    /// Returns the cutter of a format. `delimiter` separates the fields of CSV.
    pub fn of(format: InputFormat, delimiter: u8) -> Self {
        match format {
            InputFormat::Json => Self::Elements(ArrayElements::default()),
            InputFormat::Csv => Self::Csv(Box::new(CsvRecords::new(delimiter))),
            _ => Self::Lines,
        }
    }

    /// True if rows are lines.
    pub fn cuts_lines(&self) -> bool {
        matches!(self, Self::Lines)
    }

    /// Reads the next row's bytes. Returns false at the end.
    pub fn next(&mut self, input: &mut ByteInput, row: &mut RawRow) -> Result<bool, Stop> {
        match self {
            Self::Lines => input.next_line(row).map_err(Stop::Io),
            Self::Elements(elements) => elements.next(input, row),
            Self::Csv(records) => records.next(input, row).map_err(Stop::Io),
        }
    }
}

/// Cuts one top-level JSON array into its elements.
#[derive(Debug, Default)]
pub(super) struct ArrayElements {
    place: RecordPlace,
}

#[derive(Debug, Default, Clone, Copy, PartialEq)]
enum RecordPlace {
    #[default]
    BeforeArray,
    AfterOpening,
    AfterComma,
    AfterArray,
}

impl ArrayElements {
    /// Reads the next element's bytes, including blanks after it. Returns false after the last one.
    pub fn next(&mut self, input: &mut ByteInput, row: &mut RawRow) -> Result<bool, Stop> {
        if self.place == RecordPlace::BeforeArray && !self.open(input)? {
            return Ok(false);
        }
        if self.place == RecordPlace::AfterArray {
            return Ok(false);
        }
        match input.peek_after(is_json_blank)? {
            Some(b']') if self.place == RecordPlace::AfterOpening => {
                input.consume(1);
                self.close(input)?;
                return Ok(false);
            }
            Some(b']' | b',') => {
                return Err(Stop::Syntax(input.line, "broken JSON: a comma without an element".into()));
            }
            _ => row.start(input.line, input.offset),
        }
        match cut_element(input, row)? {
            Some(b',') => self.place = RecordPlace::AfterComma,
            Some(b']') => self.close(input)?,
            Some(_) => {
                return Err(Stop::Syntax(input.line, "broken JSON: a '}' without its '{'".into()));
            }
            None => {
                let message =
                    format!("broken JSON: the file ends inside the array (element begun on line {})", row.line);
                return Err(Stop::Syntax(input.line, message));
            }
        }
        Ok(true)
    }

    /// Consumes the opening bracket. Returns false for an empty input.
    fn open(&mut self, input: &mut ByteInput) -> Result<bool, Stop> {
        match input.peek_after(is_json_blank)? {
            None => Ok(false),
            Some(b'[') => {
                input.consume(1);
                self.place = RecordPlace::AfterOpening;
                Ok(true)
            }
            Some(_) => Err(Stop::Syntax(input.line, json_file::no_array(input.reader.buffer()))),
        }
    }

    /// Checks that nothing follows the closing bracket.
    fn close(&mut self, input: &mut ByteInput) -> Result<(), Stop> {
        self.place = RecordPlace::AfterArray;
        match input.peek_after(is_json_blank)? {
            None => Ok(()),
            Some(next) => {
                let joined = "; arrays that were joined become rows by: jq -c '.[]' FILE > rows.jsonl";
                let advice = if matches!(next, b'[' | 0xEF) { joined } else { "" };
                let message = format!("broken JSON: something follows the end of the array{advice}");
                Err(Stop::Syntax(input.line, message))
            }
        }
    }
}

fn is_json_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Moves bytes into `row` up to the comma or bracket that ends the element, and returns that byte;
/// `None` at the end.
fn cut_element(input: &mut ByteInput, row: &mut RawRow) -> io::Result<Option<u8>> {
    let mut scan = ElementScan::default();
    loop {
        let chunk = fill(&mut input.reader)?;
        if chunk.is_empty() {
            return Ok(None);
        }
        let end = scan.find_end(chunk);
        let num_bytes = end.unwrap_or(chunk.len());
        let stop = end.map(|end| chunk[end]);
        row.too_long |= row.bytes.len() + num_bytes > input.max_row_bytes;
        if !row.too_long {
            row.bytes.extend_from_slice(&chunk[..num_bytes]);
        }
        input.consume(num_bytes + usize::from(stop.is_some()));
        if stop.is_some() {
            return Ok(stop);
        }
    }
}

/// State of the scan for an element's end. It only tracks strings and nesting; the parser checks
/// the rest.
#[derive(Default)]
struct ElementScan {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl ElementScan {
    fn find_end(&mut self, chunk: &[u8]) -> Option<usize> {
        for (at, &byte) in chunk.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b',' | b'}' | b']' if self.depth == 0 => return Some(at),
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
        }
        None
    }
}

/// Cuts CSV into records, using the parser below the csv crate.
///
/// It does not use that crate's reader for two reasons. That reader has no limit for a record, so
/// one stray quote would read the rest of the file into memory. And its line counts are one too low
/// with `\r\n`.
pub(super) struct CsvRecords {
    parser: csv_core::Reader,
}

impl CsvRecords {
    /// Creates a cutter. `delimiter` separates fields.
    pub fn new(delimiter: u8) -> Self {
        Self { parser: csv_core::ReaderBuilder::new().delimiter(delimiter).build() }
    }

    /// Reads the next record's fields. Empty lines between records do not count. Returns false at
    /// the end.
    pub fn next(&mut self, input: &mut ByteInput, row: &mut RawRow) -> io::Result<bool> {
        use csv_core::ReadRecordResult::{End, InputEmpty, OutputEndsFull, OutputFull, Record};
        input.peek_after(|byte| matches!(byte, b'\r' | b'\n'))?;
        row.start(input.line, input.offset);
        row.bytes.resize(row.bytes.capacity().max(1024), 0);
        row.ends.resize(row.ends.capacity().max(32), 0);
        let (mut num_bytes, mut num_fields, mut last_byte) = (0, 0, 0);
        loop {
            let chunk = fill(&mut input.reader)?;
            let at_end = chunk.is_empty();
            let output = (&mut row.bytes[num_bytes..], &mut row.ends[num_fields..]);
            let (result, read, written, ended) = self.parser.read_record(chunk, output.0, output.1);
            last_byte = read.checked_sub(1).map_or(last_byte, |last| chunk[last]);
            input.consume(read);
            num_bytes += written;
            num_fields += ended;
            match result {
                InputEmpty => {}
                OutputFull if row.bytes.len() < input.max_row_bytes => row.bytes.resize(num_bytes * 2, 0),
                OutputEndsFull if row.ends.len() > MAX_FIELDS => (row.too_many, num_bytes, num_fields) = (true, 0, 0),
                OutputEndsFull if row.ends.len() < input.max_row_bytes / size_of::<usize>() => {
                    row.ends.resize(num_fields * 2, 0);
                }
                OutputFull | OutputEndsFull => (row.too_long, num_bytes, num_fields) = (true, 0, 0),
                Record => {
                    // A line end fails to end the record only inside quotes.
                    row.unclosed_quote = at_end && matches!(last_byte, b'\n' | b'\r');
                    break;
                }
                End => return Ok(false),
            }
        }
        row.ends.truncate(num_fields);
        row.bytes.truncate(num_bytes);
        row.too_long |= num_bytes > input.max_row_bytes;
        row.too_many |= num_fields > MAX_FIELDS;
        Ok(true)
    }
}
