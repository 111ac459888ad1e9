//! Runs as files, read in parts on every core.
//!
//! A run of ten million lines is 400 MB. It is never held, compressed or not: a part of some MiB, cut where the query changes, is read,
//! parsed and handed on query by query, while other cores do the same with the parts behind it. Line numbers are not
//! counted on the way; a complaint carries its byte, and the lines before that are counted when it is made.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::format::{InputFormat, UTF8_BOM, refusal};
use super::run::{QueryResults, Run, ScoredDocument, duplicate_message};
use super::run_line::{BadLine, ParsedLine, ParsedLines, RunFormat, lines};
use super::source;
use crate::{Error, Result};

/// A part of a run: large enough that cutting it costs nothing, small enough to stay in the caches of its core.
const PART_BYTES: usize = 1 << 20;

/// A run as a file, in TREC's format or as JSON lines; which one is told by the extension `.jsonl` or `.ndjson`, else
/// by the first byte.
///
/// Lines of JSON are objects with `query_id` or `qid`, with `docid`, `doc_id`, `document_id` or `id` (the first of
/// these that is there), and with `score`; `nearsort rerank --query-file FILE --format jsonl` writes such. Ranks are not
/// looked at: the order follows from the scores.
#[derive(Debug)]
pub struct RunFile {
    name: String,
    source: Source,
    format: RunFormat,
    /// Byte at which the lines begin: past a byte-order mark.
    start: u64,
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    /// What can be read only once: standard input, a pipe.
    Memory(Vec<u8>),
}

/// Why a part came to nothing.
enum Stop {
    Io(io::Error),
    /// At this byte of the file.
    Bad(u64, String),
    /// A query's lines do not stand together.
    Scattered,
}

impl RunFile {
    /// Opens a run, or standard input for `-`. Of a regular file nothing but the beginning is read yet; anything else is
    /// read into memory, because it may have to be read twice.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read; [`Error::BadInput`] for UTF-16 and Parquet files.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (source::Source { mut head, mut rest, .. }, name) = source::Source::open(path)?;
        let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file()) && name != "-";
        if !is_file {
            rest.read_to_end(&mut head).map_err(Error::io("read", path))?;
        }
        if let Some(message) = refusal(&head) {
            return Err(Error::BadInput { file: name, message: message.to_owned() });
        }
        let start = if head.starts_with(UTF8_BOM) { UTF8_BOM.len() } else { 0 };
        let format = match InputFormat::from_extension(path) {
            Some(InputFormat::Jsonl) => RunFormat::Jsonl,
            _ if head[start..].trim_ascii_start().first() == Some(&b'{') => RunFormat::Jsonl,
            _ => RunFormat::Trec,
        };
        let source = if is_file { Source::File(path.to_owned()) } else { Source::Memory(head) };
        Ok(Self { name, source, format, start: start as u64 })
    }

    /// The file's name as messages give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The format that is being read.
    pub fn format(&self) -> RunFormat {
        self.format
    }

    /// Gives `map` every query's results, on every core, and returns what it makes of them in the file's order.
    ///
    /// While the lines of each query stand together, as nearly all programs write them, only a few MiB of the file are
    /// in memory, or as much as the longest query has. Otherwise the whole run is kept ([`RunFile::read`]) and a
    /// query's place is that of its first line.
    ///
    /// # Errors
    /// [`Error::BadRow`] for the first line that is none of its format, whose score is not a finite number, or whose
    /// document stood in its query's results before; [`Error::Io`] when the file cannot be read.
    pub fn map_queries<T: Send>(&self, map: impl Fn(&QueryResults<'_>) -> T + Sync) -> Result<Vec<T>> {
        match self.map_parts(&map) {
            Ok(mapped) => Ok(mapped),
            Err(Stop::Scattered) => {
                let run = self.read()?;
                (0..run.num_queries()).into_par_iter().map(|index| self.map_stored(&run, index, &map)).collect()
            }
            Err(stop) => Err(self.error(stop)),
        }
    }

    /// Reads the whole run into memory.
    ///
    /// # Errors
    /// As [`RunFile::map_queries`], but a document that stands in a query's results twice is not looked for.
    pub fn read(&self) -> Result<Run> {
        let mut run = Run::default();
        for part in self.parts().map_err(|stop| self.error(stop))? {
            let pushed = part.map_err(Stop::Io).and_then(|part| {
                let parsed = part.parse(self.format)?;
                for line in &parsed.lines {
                    run.push(parsed.slice(&line.query), parsed.slice(&line.document), line.score);
                }
                Ok(())
            });
            pushed.map_err(|stop| self.error(stop))?;
        }
        Ok(run)
    }

    fn map_stored<T>(&self, run: &Run, index: usize, map: impl Fn(&QueryResults<'_>) -> T) -> Result<T> {
        let (query_id, documents) = run.query_at(index);
        match QueryResults::indexed(query_id, &documents) {
            Ok(results) => Ok(map(&results)),
            Err(twice) => Err(self.find_duplicate(query_id, documents[twice].id)),
        }
    }

    /// The complaint about a document that stands in a query's results twice, at its second line.
    fn find_duplicate(&self, query_id: &str, document_id: &str) -> Error {
        let mut seen = false;
        let mut second = |parsed: &ParsedLines<'_>| {
            let is_it = |line: &&ParsedLine| {
                parsed.slice(&line.query) == query_id
                    && parsed.slice(&line.document) == document_id
                    && std::mem::replace(&mut seen, true)
            };
            parsed.lines.iter().find(is_it).map(|line| line.at)
        };
        for part in self.parts().into_iter().flatten().flatten() {
            let Ok(parsed) = part.parse(self.format) else { break };
            if let Some(at) = second(&parsed) {
                return self.error(Stop::Bad(part.offset + u64::from(at), duplicate_message(query_id, document_id)));
            }
        }
        Error::BadInput { file: self.name.clone(), message: duplicate_message(query_id, document_id) }
    }

    fn map_parts<T: Send>(&self, map: &(impl Fn(&QueryResults<'_>) -> T + Sync)) -> Result<Vec<T>, Stop> {
        let failed = AtomicBool::new(false);
        let seen = Mutex::new(HashSet::new());
        let parts = self.parts()?.take_while(|_| !failed.load(Ordering::Relaxed));
        let mut mapped: Vec<(u64, Result<Vec<T>, Stop>)> = parts
            .par_bridge()
            .map(|part| {
                let (offset, mapped) = match part {
                    Ok(part) => (part.offset, part.map_queries(self.format, &seen, map)),
                    Err(error) => (u64::MAX, Err(Stop::Io(error))),
                };
                failed.fetch_or(mapped.is_err(), Ordering::Relaxed);
                (offset, mapped)
            })
            .collect();
        // Parts are handed out in the file's order, so the first bad line is among those that were read.
        mapped.sort_by_key(|&(offset, _)| offset);
        if mapped.iter().any(|(_, part)| matches!(part, Err(Stop::Scattered))) {
            return Err(Stop::Scattered);
        }
        let parts: Vec<Vec<T>> = mapped.into_iter().map(|(_, part)| part).collect::<Result<_, _>>()?;
        Ok(parts.into_iter().flatten().collect())
    }

    fn parts(&self) -> Result<Parts<'_>, Stop> {
        let mut reader = self.open_source().map_err(Stop::Io)?;
        io::copy(&mut reader.by_ref().take(self.start), &mut io::sink()).map_err(Stop::Io)?;
        Ok(Parts { reader, format: self.format, offset: self.start, carry: Vec::new(), ended: false })
    }

    fn open_source(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(match &self.source {
            Source::File(path) => source::Source::new(Box::new(File::open(path)?))?.into_bytes(),
            Source::Memory(bytes) => Box::new(Cursor::new(bytes)),
        })
    }

    fn error(&self, stop: Stop) -> Error {
        let line_of = |offset| {
            let mut before = self.open_source()?.take(offset);
            let mut newlines = NewlineCounter(0);
            io::copy(&mut before, &mut newlines).map(|_| newlines.0 + 1)
        };
        match stop {
            Stop::Bad(offset, message) => match line_of(offset) {
                Ok(line) => Error::BadRow { file: self.name.clone(), line, message },
                Err(error) => Error::io("read", &self.name)(error),
            },
            Stop::Io(error) => Error::io("read", &self.name)(error),
            Stop::Scattered => Error::BadInput {
                file: self.name.clone(),
                message: "the lines of a query do not stand together".to_owned(),
            },
        }
    }
}

struct NewlineCounter(u64);

impl io::Write for NewlineCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += memchr::memchr_iter(b'\n', bytes).count() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A part of the file that begins and ends where the query changes.
struct Part {
    /// Byte of the file at which the part begins.
    offset: u64,
    bytes: Vec<u8>,
}

impl Part {
    fn parse(&self, format: RunFormat) -> Result<ParsedLines<'_>, Stop> {
        format.parse(&self.bytes).map_err(|BadLine { at, message }| self.bad(at, message))
    }

    fn bad(&self, at: usize, message: String) -> Stop {
        Stop::Bad(self.offset + at as u64, message)
    }

    fn map_queries<T>(
        &self,
        format: RunFormat,
        seen: &Mutex<HashSet<String>>,
        map: impl Fn(&QueryResults<'_>) -> T,
    ) -> Result<Vec<T>, Stop> {
        let parsed = self.parse(format)?;
        let same_query = |a: &ParsedLine, b: &ParsedLine| parsed.slice(&a.query) == parsed.slice(&b.query);
        let mut documents = Vec::new();
        let mut mapped = Vec::new();
        for group in parsed.lines.chunk_by(same_query) {
            let query_id = parsed.slice(&group[0].query);
            let document = |line: &ParsedLine| ScoredDocument { id: parsed.slice(&line.document), score: line.score };
            documents.clear();
            documents.extend(group.iter().map(document));
            if !seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(query_id.to_owned()) {
                return Err(Stop::Scattered);
            }
            let results = QueryResults::indexed(query_id, &documents).map_err(|twice| {
                self.bad(group[twice].at as usize, duplicate_message(query_id, documents[twice].id))
            })?;
            mapped.push(map(&results));
        }
        Ok(mapped)
    }
}

/// Cuts a run into parts, reading ahead no further than the part itself.
struct Parts<'a> {
    reader: Box<dyn Read + Send + 'a>,
    format: RunFormat,
    offset: u64,
    /// What was read and belongs to the next part.
    carry: Vec<u8>,
    ended: bool,
}

impl Iterator for Parts<'_> {
    type Item = io::Result<Part>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read_part() {
            Ok(bytes) if bytes.is_empty() => None,
            Ok(bytes) => {
                let offset = self.offset;
                self.offset += bytes.len() as u64;
                Some(Ok(Part { offset, bytes }))
            }
            Err(error) => {
                (self.ended, self.carry) = (true, Vec::new());
                Some(Err(error))
            }
        }
    }
}

impl Parts<'_> {
    fn read_part(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = std::mem::take(&mut self.carry);
        let mut target = PART_BYTES;
        while !self.ended {
            let missing = target.saturating_sub(bytes.len());
            bytes.reserve(missing);
            let read = self.reader.by_ref().take(missing as u64).read_to_end(&mut bytes)?;
            self.ended = read < missing;
            if self.ended {
                break;
            }
            let cut = last_query_start(self.format, &bytes);
            if cut > 0 {
                self.carry = bytes.split_off(cut);
                break;
            }
            if target > u32::MAX as usize / 2 {
                return Err(io::Error::other("the lines of one query are longer than 2 GiB"));
            }
            target *= 2;
        }
        Ok(bytes)
    }
}

/// Where the last query's lines begin; 0 when all lines may be one query's.
fn last_query_start(format: RunFormat, bytes: &[u8]) -> usize {
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
        &text[last_query_start(RunFormat::Trec, text.as_bytes())..]
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
