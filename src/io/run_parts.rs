//! The parts of a run, each cut where the query changes. They are read, parsed and passed on one by
//! one.

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::io::{self, Read};
use std::sync::Mutex;

use foldhash::fast::FixedState;

use super::lines::{is_blank, lines};
use super::run::{QueryResults, ScoredDocument, duplicate_message};
use super::run_line::{BadLine, LineFormat, ParsedLine, ParsedLines, too_long};

/// Bytes of a part: large enough that cutting it costs little, small enough for the caches of its
/// core.
const PART_BYTES: usize = 1 << 20;

/// Maximum bytes of the lines of one query. They are in memory together, with some 100 bytes for
/// each line.
const MAX_QUERY_BYTES: usize = 256 << 20;

/// Maximum number of lines of one query.
const MAX_QUERY_LINES: usize = 5_000_000;

/// The reason why a part could not be read.
pub enum RunStop {
    Io(io::Error),
    /// A bad line: the byte offset in the file and the message.
    Bad(u64, String),
    /// A query's lines do not stand together.
    Scattered,
}

/// A part of the file that begins and ends where the query changes.
pub struct RunPart {
    /// Byte offset in the file at which the part begins.
    pub offset: u64,
    bytes: Vec<u8>,
    format: LineFormat,
}

impl RunPart {
    pub fn parse(&self) -> Result<ParsedLines<'_>, RunStop> {
        self.format.parse(&self.bytes).map_err(|BadLine { at, message }| self.bad(at, message))
    }

    /// Returns the rank that a line of this part states, see [`LineFormat::rank_of`].
    pub fn rank_of(&self, line: &ParsedLine) -> Result<Option<u64>, RunStop> {
        let at = line.at as usize;
        let rest = &self.bytes[at..];
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.format.rank_of(&rest[..end]).map_err(|message| self.bad(at, message))
    }

    fn bad(&self, at: usize, message: String) -> RunStop {
        RunStop::Bad(self.offset + at as u64, message)
    }

    /// Calls `map` with the results of each query, and adds the queries to `seen`.
    pub fn map_queries<T>(
        &self,
        ignore_identical_ids: bool,
        seen: &Mutex<HashSet<String>>,
        mut map: impl FnMut(&QueryResults<'_>) -> T,
    ) -> Result<Vec<T>, RunStop> {
        let parsed = self.parse()?;
        let same_query = |a: &ParsedLine, b: &ParsedLine| parsed.slice(&a.query) == parsed.slice(&b.query);
        let mut documents = Vec::new();
        let mut mapped = Vec::new();
        let leaves_out = |query: &str, document: &str| ignore_identical_ids && query == document;
        for group in parsed.lines.chunk_by(same_query) {
            let query_id = parsed.slice(&group[0].query);
            let document = |line: &ParsedLine| ScoredDocument { id: parsed.slice(&line.document), score: line.score };
            // If they are not ranks, the rest of the query's lines may be elsewhere in the file.
            self.format.check_ranks(query_id, group.iter().map(|line| line.score)).map_err(|_| RunStop::Scattered)?;
            documents.clear();
            documents.extend(group.iter().map(document).filter(|found| !leaves_out(query_id, found.id)));
            if !seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(query_id.to_owned()) {
                return Err(RunStop::Scattered);
            }
            let results = QueryResults::indexed(query_id, &documents).map_err(|twice| {
                let line = group.iter().filter(|line| !leaves_out(query_id, parsed.slice(&line.document))).nth(twice);
                let at = line.map_or(0, |line| line.at as usize);
                self.bad(at, duplicate_message(query_id, documents[twice].id))
            })?;
            if !documents.is_empty() {
                mapped.push(map(&results));
            }
        }
        Ok(mapped)
    }
}

/// Cuts a run into parts. It reads ahead no further than the current part.
pub struct RunParts<'a> {
    reader: Box<dyn Read + Send + 'a>,
    format: LineFormat,
    offset: u64,
    /// The bytes that were read and belong to the next part.
    carry: Vec<u8>,
    ended: bool,
}

impl<'a> RunParts<'a> {
    /// Creates an iterator over the rest of the file. `offset`: the byte of the file at which it
    /// begins.
    pub fn new(reader: Box<dyn Read + Send + 'a>, format: LineFormat, offset: u64) -> Self {
        Self { reader, format, offset, carry: Vec::new(), ended: false }
    }
}

impl Iterator for RunParts<'_> {
    type Item = Result<RunPart, RunStop>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read_part() {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => {
                let offset = self.offset;
                self.offset += bytes.len() as u64;
                Some(Ok(RunPart { offset, bytes, format: self.format }))
            }
            Err(error) => {
                (self.ended, self.carry) = (true, Vec::new());
                Some(Err(error))
            }
        }
    }
}

impl RunParts<'_> {
    fn read_part(&mut self) -> Result<Vec<u8>, RunStop> {
        let mut growth = Growth::default();
        let mut bytes = std::mem::take(&mut self.carry);
        let mut target = PART_BYTES;
        while !self.ended {
            let missing = target.saturating_sub(bytes.len());
            bytes.reserve(missing);
            let read = self.reader.by_ref().take(missing as u64).read_to_end(&mut bytes).map_err(RunStop::Io)?;
            self.ended = read < missing;
            if self.ended {
                break;
            }
            let cut = match last_query_start(self.format, &bytes) {
                0 => growth
                    .check(self.format, &bytes)
                    .map_err(|(at, message)| RunStop::Bad(self.offset + at, message))?,
                cut => cut,
            };
            if cut == bytes.len() && bytes.iter().all(|&byte| is_blank(byte)) {
                // A part of only line ends is counted but not kept.
                self.offset += bytes.len() as u64;
                bytes.clear();
                continue;
            }
            if cut > 0 {
                self.carry = bytes.split_off(cut);
                break;
            }
            target *= 2;
        }
        Ok(bytes)
    }
}

/// State of the check of a part that grows because all its lines may belong to one query.
#[derive(Default)]
struct Growth {
    /// Hashes of the documents' ids so far.
    seen: HashSet<u64, FixedState>,
    /// Number of bytes whose lines have been checked.
    checked: usize,
}

impl Growth {
    /// Returns the position at which to cut the part at once, 0 to read on.
    ///
    /// It cuts if the part has a document twice or a line that cannot be read, which the parser
    /// then reports, or if blank lines follow. The error is the byte of a line and the message.
    fn check(&mut self, format: LineFormat, bytes: &[u8]) -> Result<usize, (u64, String)> {
        let Some(last) = bytes.iter().rposition(|&byte| !is_blank(byte)) else { return Ok(bytes.len()) };
        let end = memchr::memrchr(b'\n', bytes).map_or(0, |end| end + 1);
        let limit = format.max_line_bytes();
        if bytes.len() - end > limit {
            return Err((end as u64, too_long(limit)));
        }
        let hasher = FixedState::default();
        for (_, line) in lines(&bytes[self.checked..end]) {
            if format.document_of(line).is_none_or(|id| !self.seen.insert(hasher.hash_one(&*id))) {
                return Ok(end);
            }
        }
        self.checked = end;
        if self.seen.len() > MAX_QUERY_LINES || bytes.len() >= MAX_QUERY_BYTES {
            let query = lines(bytes).next().and_then(|(_, line)| format.query_of(line)).unwrap_or_default();
            let message = format!(
                "the query '{query}' has more than {MAX_QUERY_LINES} results, or more than {} MiB of them; \
                 cut the run, e.g. to the best 1,000 of each query",
                MAX_QUERY_BYTES >> 20
            );
            return Err((0, message));
        }
        // Many blank lines behind the last line are not kept.
        let behind = memchr::memchr(b'\n', &bytes[last..]).map(|end| last + end + 1);
        Ok(behind.filter(|behind| bytes.len() - behind > PART_BYTES / 2).unwrap_or(0))
    }
}

/// Returns the start of the last query's lines; 0 if all lines may belong to one query.
fn last_query_start(format: LineFormat, bytes: &[u8]) -> usize {
    let Some(mut end) = memchr::memrchr(b'\n', bytes) else { return 0 };
    let mut start_of_last = end + 1;
    let mut last = None;
    loop {
        let start = memchr::memrchr(b'\n', &bytes[..end]).map_or(0, |before| before + 1);
        if let Some((_, line)) = lines(&bytes[start..end]).next() {
            let query = format.query_of(line);
            match &last {
                None => last = Some(query),
                Some(last) if *last != query => return start_of_last,
                Some(_) => {}
            }
            start_of_last = start;
        }
        match start {
            0 => return 0,
            _ => end = start - 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> &str {
        &text[last_query_start(LineFormat::Trec, text.as_bytes())..]
    }

    #[test]
    fn a_part_ends_where_the_query_changes() {
        assert_eq!(cut("1 Q0 a 1 1 t\n2 Q0 a 1 1 t\n2 Q0 b 1 1 t\n2 Q0 c"), "2 Q0 a 1 1 t\n2 Q0 b 1 1 t\n2 Q0 c");
        assert_eq!(cut("1 Q0 a 1 1 t\n\n2 Q0 b 1 1 t\n \n"), "2 Q0 b 1 1 t\n \n");
        assert_eq!(cut("1 Q0 a 1 1 t\n1 Q0 b 1 1 t\n"), "1 Q0 a 1 1 t\n1 Q0 b 1 1 t\n");
        assert_eq!(cut("1 Q0 a 1"), "1 Q0 a 1");
        assert_eq!(cut(""), "");
    }
}
