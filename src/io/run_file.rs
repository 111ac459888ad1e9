//! Run files, read in parts on every core.
//!
//! A run of ten million lines has 400 MB. It is never in memory as a whole, compressed or not. A
//! core reads a part of some MiB, cut where the query changes, and parses it query by query, while
//! other cores do the same with the next parts. Line numbers are not counted while reading. An
//! error carries its byte offset, and the lines before it are counted only for its message.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::encoding::refusal;
use super::format::{InputFormat, UTF8_BOM};
use super::layout::Layout;
use super::lines::lines;
use super::nested::{is_nested, read_nested};
use super::positioned::PositionedFile;
use super::run::{QueryResults, Run, duplicate_message};
use super::run_line::{LineFormat, ParsedLine, ParsedLines, RunFormat};
use super::run_parts::{RunPart, RunParts, RunStop};
use super::source;
use crate::threads::on_shared;
use crate::{Error, Result};

/// Bytes kept in memory of an input that can be read only once. A larger input goes to a temporary
/// file.
const MEMORY_BYTES: u64 = 16 << 20;

/// A run file. The extension `.jsonl` or `.ndjson` means JSON lines; otherwise the first bytes
/// decide the format.
///
/// | format | a line |
/// |---|---|
/// | TREC | `query-id Q0 document-id rank score tag` |
/// | JSON lines | an object, see below |
/// | table | columns below a header that names query, document and score (or rank), between tabs, commas, semicolons or blanks |
/// | MS MARCO | query, document and rank from 1 up, without a header; the score is 1 over the rank |
/// | JSON | one object `{"q1": {"d1": 3.5}}`, as ranx, BEIR and pytrec_eval keep runs; in memory as a whole |
///
/// A JSON line is an object with `query_id` or `qid`, with `docid`, `doc_id`, `document_id` or `id`
/// (the first of these that exists), and with `score`.
/// `nearsort rerank --query-file FILE --format jsonl` writes this format. Ranks are ignored: the
/// scores give the order.
#[derive(Debug)]
pub struct RunFile {
    name: String,
    source: RunSource,
    /// The format of the lines, `None` for one JSON object.
    lines: Option<LineFormat>,
    /// Byte offset of the first line, after a byte-order mark and a header.
    start: u64,
    ignore_identical_ids: bool,
}

#[derive(Debug)]
enum RunSource {
    File(PathBuf),
    /// An input that can be read only once: standard input, a pipe.
    Memory(Vec<u8>),
    /// The same, unpacked, if it is large.
    Spool(PositionedFile),
}

impl RunFile {
    /// Opens a run, or standard input for `-`. Only the first bytes of a regular file are read yet.
    /// Any other input is read to its end, because it may have to be read twice: up to 16 MiB into
    /// memory, more into a temporary file.
    ///
    /// # Errors
    /// [`Error::Io`] for a file that cannot be read; [`Error::BadInput`] for UTF-16 and Parquet
    /// files.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (source::PeekedInput { head, rest, compression }, name) = source::PeekedInput::open(path)?;
        let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file()) && name != "-";
        if let Some(message) = refusal(&head, compression) {
            return Err(Error::BadInput { file: name, message });
        }
        let start = if head.starts_with(UTF8_BOM) { UTF8_BOM.len() } else { 0 };
        let (lines, header) = match InputFormat::from_extension(path) {
            Some(InputFormat::Jsonl) => (Some(LineFormat::Jsonl), 0),
            _ => format_of(&head[start..]),
        };
        let source = match is_file {
            true => RunSource::File(path.to_owned()),
            false => RunSource::once(head, rest).map_err(Error::io("read", path))?,
        };
        Ok(Self { name, source, lines, start: (start + header) as u64, ignore_identical_ids: false })
    }

    /// Sets whether a document with the query's id is left out. BEIR evaluates ArguAna and Quora
    /// so, because their queries are documents too. A query with no other document counts as
    /// missing from the run.
    pub fn ignore_identical_ids(self, ignore: bool) -> Self {
        Self { ignore_identical_ids: ignore, ..self }
    }

    /// Returns the file's name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the format that is being read.
    pub fn format(&self) -> RunFormat {
        match self.lines {
            None => RunFormat::Json,
            Some(LineFormat::Trec) => RunFormat::Trec,
            Some(LineFormat::Jsonl) => RunFormat::Jsonl,
            Some(LineFormat::Table(_)) => RunFormat::Table,
        }
    }

    /// Calls `map` with every query's results, on every core, and returns its values in the file's
    /// order.
    ///
    /// If the lines of each query stand together, as nearly all programs write them, memory holds
    /// only a few MiB of the file, or the longest query: at most 256 MiB of lines, with some 100
    /// bytes each. Otherwise memory holds the whole run ([`RunFile::read`]), and a query's position
    /// is that of its first line.
    ///
    /// # Errors
    /// [`Error::BadRow`] for the first line with a wrong format, a score that is not a finite
    /// number, or a repeated document of its query; for a line of more than 64 KiB (of JSON 64
    /// MiB); and for a query with more than 5,000,000 lines or 256 MiB; [`Error::Io`] when the file
    /// cannot be read.
    pub fn map_queries<T: Send>(&self, map: impl Fn(&QueryResults<'_>) -> T + Sync) -> Result<Vec<T>> {
        match self.map_parts(&map) {
            Ok(mapped) => Ok(mapped),
            Err(RunStop::Scattered) => {
                let run = self.read()?;
                let mapped = (0..run.num_queries()).into_par_iter().map(|index| self.map_stored(&run, index, &map));
                let mapped = on_shared(|| mapped.collect::<Result<Vec<Option<T>>>>())?;
                Ok(mapped.into_iter().flatten().collect())
            }
            Err(stop) => Err(self.error(stop)),
        }
    }

    /// Calls `each` with every query's results, one after the other, in the file's order. Memory is
    /// as for [`RunFile::map_queries`].
    ///
    /// The whole run is checked before the first call.
    ///
    /// # Errors
    /// As [`RunFile::map_queries`]; the errors of `each`.
    pub fn for_each_query(&self, mut each: impl FnMut(&QueryResults<'_>) -> Result<()>) -> Result<()> {
        match self.map_parts(&|_: &QueryResults<'_>| ()) {
            Ok(_) => {
                let Some(format) = self.lines else { return Ok(()) };
                for part in self.parts(format).map_err(|stop| self.error(stop))? {
                    let part = part.map_err(|stop| self.error(stop))?;
                    let seen = Mutex::new(HashSet::new());
                    let done = part
                        .map_queries(self.ignore_identical_ids, &seen, &mut each)
                        .map_err(|stop| self.error(stop))?;
                    done.into_iter().collect::<Result<()>>()?;
                }
                Ok(())
            }
            Err(RunStop::Scattered) => {
                let run = self.read()?;
                (0..run.num_queries()).try_for_each(|index| self.map_stored(&run, index, &mut each)?.unwrap_or(Ok(())))
            }
            Err(stop) => Err(self.error(stop)),
        }
    }

    /// Reads the whole run into memory: 16 bytes per line beside the documents' ids, some 200 bytes
    /// per query.
    ///
    /// # Errors
    /// As [`RunFile::map_queries`], but a repeated document of a query is searched for only now and
    /// then, while its results grow.
    pub fn read(&self) -> Result<Run> {
        self.read_lines(false)
    }

    /// Reads the whole run into memory with the ranks of the documents ([`Run::ranks`]), which take
    /// 8 bytes more per line: those that a run in TREC's format states, otherwise those of the
    /// scores.
    ///
    /// # Errors
    /// The errors of [`RunFile::read`]; [`Error::BadRow`] for a rank that is no whole number.
    pub fn read_ranked(&self) -> Result<Run> {
        let mut run = self.read_lines(true)?;
        if !self.states_ranks() {
            run.rank_by_scores();
        }
        Ok(run)
    }

    /// Returns true if each line states a rank and a score, which may contradict each other.
    pub fn states_ranks(&self) -> bool {
        self.format() == RunFormat::Trec
    }

    fn read_lines(&self, with_ranks: bool) -> Result<Run> {
        let mut run = Run::default();
        let Some(format) = self.lines else { return self.read_object() };
        for part in self.parts(format).map_err(|stop| self.error(stop))? {
            let part = part.map_err(|stop| self.error(stop))?;
            let parsed = part.parse().map_err(|stop| self.error(stop))?;
            for line in &parsed.lines {
                run.push(parsed.slice(&line.query), parsed.slice(&line.document), line.score);
                if with_ranks && let Some(rank) = part.rank_of(line).map_err(|stop| self.error(stop))? {
                    run.push_rank(rank);
                }
                if let Some((query, document)) = run.repeated_while_growing() {
                    return Err(self.find_duplicate(query, document));
                }
            }
        }
        Ok(run)
    }

    /// Reads a run that is one JSON object.
    fn read_object(&self) -> Result<Run> {
        let mut run = Run::default();
        let mut reader = self.open_source().map_err(Error::io("read", &self.name))?;
        let skipped = io::copy(&mut reader.by_ref().take(self.start), &mut io::sink());
        skipped.map_err(Error::io("read", &self.name))?;
        let read = read_nested(reader, |query, document, score| {
            if !score.is_finite() {
                return Err(format!("the score of '{document}' for the query '{query}' is not a finite number"));
            }
            run.push(query, document, score);
            match run.repeated_while_growing() {
                Some((query, document)) => Err(duplicate_message(query, document)),
                None => Ok(()),
            }
        });
        read.map_err(|(line, message)| Error::BadRow { file: self.name.clone(), line, message })?;
        Ok(run)
    }

    /// Calls `map` with a stored query; returns `None` if no document of it counts.
    fn map_stored<T>(&self, run: &Run, index: usize, map: impl FnOnce(&QueryResults<'_>) -> T) -> Result<Option<T>> {
        let (query_id, mut documents) = run.query_at(index);
        if let Some(format) = self.lines {
            let bad = |message| Error::BadInput { file: self.name.clone(), message };
            format.check_ranks(query_id, documents.iter().map(|document| document.score)).map_err(bad)?;
        }
        if self.ignore_identical_ids {
            documents.retain(|document| document.id != query_id);
            if documents.is_empty() {
                return Ok(None);
            }
        }
        match QueryResults::indexed(query_id, &documents) {
            Ok(results) => Ok(Some(map(&results))),
            Err(twice) => Err(self.find_duplicate(query_id, documents[twice].id)),
        }
    }

    /// Returns the error for a repeated document of a query, at its second line.
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
        let format = self.lines;
        for part in format.and_then(|format| self.parts(format).ok()).into_iter().flatten().flatten() {
            let Ok(parsed) = part.parse() else { break };
            if let Some(at) = second(&parsed) {
                return self.error(RunStop::Bad(part.offset + u64::from(at), duplicate_message(query_id, document_id)));
            }
        }
        Error::BadInput { file: self.name.clone(), message: duplicate_message(query_id, document_id) }
    }

    fn map_parts<T: Send>(&self, map: &(impl Fn(&QueryResults<'_>) -> T + Sync)) -> Result<Vec<T>, RunStop> {
        let failed = AtomicBool::new(false);
        let seen = Mutex::new(HashSet::new());
        // One object is read as a whole.
        let format = self.lines.ok_or(RunStop::Scattered)?;
        let parts = self.parts(format)?.take_while(|_| !failed.load(Ordering::Relaxed));
        let map_part = |part: Result<RunPart, RunStop>| {
            let (offset, mapped) = match part {
                Ok(part) => (part.offset, part.map_queries(self.ignore_identical_ids, &seen, map)),
                Err(stop) => (u64::MAX, Err(stop)),
            };
            failed.fetch_or(mapped.is_err(), Ordering::Relaxed);
            (offset, mapped)
        };
        let mut mapped: Vec<(u64, Result<Vec<T>, RunStop>)> = on_shared(|| parts.par_bridge().map(map_part).collect());
        // Parts are handed out in the file's order, so the first bad line is among those that were
        // read.
        mapped.sort_by_key(|&(offset, _)| offset);
        if mapped.iter().any(|(_, part)| matches!(part, Err(RunStop::Scattered))) {
            return Err(RunStop::Scattered);
        }
        let parts: Vec<Vec<T>> = mapped.into_iter().map(|(_, part)| part).collect::<Result<_, _>>()?;
        Ok(parts.into_iter().flatten().collect())
    }

    fn parts(&self, format: LineFormat) -> Result<RunParts<'_>, RunStop> {
        let mut reader = self.open_source().map_err(RunStop::Io)?;
        io::copy(&mut reader.by_ref().take(self.start), &mut io::sink()).map_err(RunStop::Io)?;
        Ok(RunParts::new(reader, format, self.start))
    }

    fn open_source(&self) -> io::Result<Box<dyn Read + Send + '_>> {
        Ok(match &self.source {
            RunSource::File(path) => source::PeekedInput::new(Box::new(File::open(path)?))?.into_bytes(),
            RunSource::Memory(bytes) => Box::new(Cursor::new(bytes)),
            RunSource::Spool(file) => Box::new(Spooled { file, at: 0, len: file.len().map_err(io::Error::other)? }),
        })
    }

    fn error(&self, stop: RunStop) -> Error {
        let line_of = |offset| {
            let mut before = self.open_source()?.take(offset);
            let mut newlines = NewlineCounter(0);
            io::copy(&mut before, &mut newlines).map(|_| newlines.0 + 1)
        };
        match stop {
            RunStop::Bad(offset, message) => match line_of(offset) {
                Ok(line) => Error::BadRow { file: self.name.clone(), line, message },
                Err(error) => Error::io("read", &self.name)(error),
            },
            RunStop::Io(error) => Error::io("read", &self.name)(error),
            RunStop::Scattered => Error::BadInput {
                file: self.name.clone(),
                message: "the lines of a query do not stand together".to_owned(),
            },
        }
    }
}

impl RunSource {
    /// Keeps an input that can be read only once.
    fn once(head: Vec<u8>, rest: source::Bytes) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let mut input = Cursor::new(head).chain(rest);
        input.by_ref().take(MEMORY_BYTES).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < MEMORY_BYTES {
            return Ok(Self::Memory(bytes));
        }
        let mut file = tempfile::tempfile()?;
        io::copy(&mut Cursor::new(bytes).chain(input), &mut file)?;
        Ok(Self::Spool(PositionedFile::new(file, "-")))
    }
}

/// A reader of a file that other readers use at other positions at the same time.
struct Spooled<'a> {
    file: &'a PositionedFile,
    at: u64,
    len: u64,
}

impl Read for Spooled<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = buffer.len().min(usize::try_from(self.len - self.at).unwrap_or(usize::MAX));
        self.file.read_at(&mut buffer[..count], self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Returns the line format of a run that begins with `head`, `None` for one JSON object, and the
/// length of its header in bytes.
fn format_of(head: &[u8]) -> (Option<LineFormat>, usize) {
    if is_nested(head) {
        return (None, 0);
    }
    if head.trim_ascii_start().first() == Some(&b'{') {
        return (Some(LineFormat::Jsonl), 0);
    }
    // The head may end within a character.
    let text = String::from_utf8_lossy(head);
    match Layout::of_run(&text) {
        None => (Some(LineFormat::Trec), 0),
        Some(layout) => {
            let end_of_header = || lines(head).next().map_or(0, |(at, line)| (at + line.len() + 1).min(head.len()));
            (Some(LineFormat::Table(layout)), if layout.has_header { end_of_header() } else { 0 })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_come_in_the_files_order_whether_or_not_their_lines_stand_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.trec");
        let listed = |content: &str| {
            std::fs::write(&path, content).unwrap();
            let mut queries = Vec::new();
            RunFile::open(&path).unwrap().for_each_query(|results| {
                let ids: Vec<&str> = results.documents().iter().map(|document| document.id).collect();
                queries.push(format!("{}: {}", results.query_id(), ids.join(" ")));
                Ok(())
            })?;
            Ok::<_, Error>(queries)
        };
        let lines = ["b Q0 y 1 2 t\n", "b Q0 x 2 1 t\n", "a Q0 x 1 5 t\n"];
        assert_eq!(listed(&lines.concat()).unwrap(), ["b: y x", "a: x"]);
        let scattered = [lines[0], lines[2], lines[1]].concat();
        assert_eq!(listed(&scattered).unwrap(), ["b: y x", "a: x"]);
        assert!(listed(&(lines.concat() + lines[2])).unwrap_err().to_string().contains("stands twice"));
        let broken = listed(&(lines.concat() + "a Q0\n")).unwrap_err().to_string();
        assert!(broken.contains("run.trec:4"), "{broken}");
        let stopped = RunFile::open(&path).unwrap();
        std::fs::write(&path, lines.concat()).unwrap();
        let error = stopped.for_each_query(|_| Err(Error::InvalidArgument("enough".into()))).unwrap_err();
        assert_eq!(error.to_string(), "enough");
    }
}
