//! Relevance judgements: which documents were found relevant for which queries.

use std::collections::HashMap;
use std::io::Read;
use std::ops::Range;
use std::path::Path;

use foldhash::fast::FixedState;

use super::format::{UTF8_BOM, refusal};
use super::run_line::{fields, is_blank, lines, not_utf8};
use super::source::Source;
use crate::{Error, Result};

/// Names of the third column of BEIR's files and of files like them.
const GRADE_NAMES: [&str; 6] = ["score", "relevance", "rel", "grade", "label", "judgment"];

/// Relevance judgements by query, in the order in which the queries first came.
///
/// ```
/// use nearsort::io::Qrels;
/// let qrels = Qrels::from_judgements([("q1", "d1", 2), ("q1", "d2", 0), ("q2", "d1", 1)])?;
/// assert_eq!(qrels.grades("q1").and_then(|grades| grades.get("d1")), Some(2));
/// assert_eq!(qrels.query_ids().collect::<Vec<_>>(), ["q1", "q2"]);
/// # Ok::<(), nearsort::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Qrels {
    queries: Vec<(String, Grades)>,
    index: HashMap<String, usize, FixedState>,
}

/// The judged documents of one query.
#[derive(Debug, Clone, Default)]
pub struct Grades {
    /// The documents' ids, end to end.
    ids: String,
    /// Ordered by id.
    judged: Vec<Judged>,
}

#[derive(Debug, Clone, Copy)]
struct Judged {
    start: u32,
    length: u32,
    grade: i32,
}

/// Two grades for one document of one query.
struct Contradiction {
    query: usize,
    document_id: String,
    grades: [i32; 2],
}

impl Qrels {
    /// Collects judgements: query id, document id, grade.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a document has two different grades for a query; the same one twice counts once.
    pub fn from_judgements<'a>(judgements: impl IntoIterator<Item = (&'a str, &'a str, i32)>) -> Result<Self> {
        let mut qrels = Self::default();
        judgements.into_iter().for_each(|(query, document, grade)| qrels.push(query, document, grade));
        match qrels.put_in_order() {
            None => Ok(qrels),
            Some(found) => Err(Error::InvalidArgument(qrels.contradiction_message(&found))),
        }
    }

    /// Reads judgements, or standard input for `-`: TREC's four columns (`query-id iteration document-id grade`), or
    /// three (`query-id corpus-id score`, as BEIR has them) with or without a header. The first line tells which; blank
    /// lines do not count. Grades are whole numbers; 1 and more is relevant unless a measure says otherwise.
    ///
    /// # Errors
    /// [`Error::BadRow`] for a line with another number of columns, a grade that is not a whole number, and a document
    /// that has another grade for the same query already; [`Error::BadInput`] for a file without judgements and for
    /// UTF-16; [`Error::Io`] for a file that cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (source, name) = Source::open(path)?;
        let mut bytes = Vec::new();
        source.into_bytes().read_to_end(&mut bytes).map_err(Error::io("read", path))?;
        Self::parse(&bytes, &name)
    }

    /// Reads judgements from memory, as [`Qrels::read`] does; `name` is used in messages.
    ///
    /// # Errors
    /// As [`Qrels::read`], without [`Error::Io`].
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let bad_input = |message: &str| Error::BadInput { file: name.to_owned(), message: message.to_owned() };
        if let Some(message) = refusal(bytes) {
            return Err(bad_input(message));
        }
        let bytes = bytes.strip_prefix(UTF8_BOM).unwrap_or(bytes);
        let bad_row = |at: usize, message| {
            let line = 1 + memchr::memchr_iter(b'\n', &bytes[..at]).count() as u64;
            Error::BadRow { file: name.to_owned(), line, message }
        };
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let bad = not_utf8(bytes, error.valid_up_to());
            bad_row(bad.at, bad.message)
        })?;
        let mut qrels = Self::default();
        for line in judgements(text) {
            let (_, [query, document], grade) = line.map_err(|(at, message)| bad_row(at, message))?;
            qrels.push(query, document, grade);
        }
        if qrels.queries.is_empty() {
            return Err(bad_input("no judgements; a line has query-id, iteration, document-id and grade"));
        }
        match qrels.put_in_order() {
            None => Ok(qrels),
            Some(found) => Err(bad_row(qrels.second_line(text, &found), qrels.contradiction_message(&found))),
        }
    }

    fn push(&mut self, query_id: &str, document_id: &str, grade: i32) {
        // Most files are ordered by query.
        let known = match self.queries.last() {
            Some((last, _)) if last == query_id => Some(self.queries.len() - 1),
            _ => self.index.get(query_id).copied(),
        };
        let query = known.unwrap_or_else(|| {
            self.index.insert(query_id.to_owned(), self.queries.len());
            self.queries.push((query_id.to_owned(), Grades::default()));
            self.queries.len() - 1
        });
        let grades = &mut self.queries[query].1;
        let (start, length) = (grades.ids.len() as u32, document_id.len() as u32);
        grades.ids.push_str(document_id);
        grades.judged.push(Judged { start, length, grade });
    }

    /// Orders every query's documents by id and drops repetitions. Returns the first contradiction.
    fn put_in_order(&mut self) -> Option<Contradiction> {
        let mut found = None;
        for (query, (_, grades)) in self.queries.iter_mut().enumerate() {
            let Grades { ids, judged } = grades;
            let id = |judged: &Judged| &ids[judged.range()];
            judged.sort_by(|a, b| id(a).cmp(id(b)));
            let twice = |pair: &[Judged]| id(&pair[0]) == id(&pair[1]) && pair[0].grade != pair[1].grade;
            if let Some(pair) = judged.windows(2).find(|pair| twice(pair)) {
                let grades = [pair[0].grade, pair[1].grade];
                found = found.or_else(|| Some(Contradiction { query, document_id: id(&pair[0]).to_owned(), grades }));
            }
            judged.dedup_by(|a, b| ids[a.range()] == ids[b.range()]);
        }
        found
    }

    fn contradiction_message(&self, found: &Contradiction) -> String {
        let [first, second] = found.grades;
        format!(
            "the document '{}' has the grade {second} for the query '{}', and {first} on an earlier line; keep one of the two",
            found.document_id, self.queries[found.query].0
        )
    }

    /// The byte of the first line that contradicts an earlier one about this document.
    fn second_line(&self, text: &str, found: &Contradiction) -> usize {
        let query_id = self.queries[found.query].0.as_str();
        let is_it = |&(_, [query, document], grade): &(usize, [&str; 2], i32)| {
            query == query_id && document == found.document_id && grade == found.grades[1]
        };
        judgements(text).flatten().find(is_it).map_or(0, |(at, ..)| at)
    }

    /// How many queries have judgements.
    pub fn num_queries(&self) -> usize {
        self.queries.len()
    }

    /// The queries' ids, in the order in which they first came.
    pub fn query_ids(&self) -> impl Iterator<Item = &str> {
        self.queries.iter().map(|(id, _)| id.as_str())
    }

    /// The judged documents of a query, `None` when nothing is judged for it.
    pub fn grades(&self, query_id: &str) -> Option<&Grades> {
        self.position(query_id).map(|query| &self.queries[query].1)
    }

    /// Where in [`Qrels::query_ids`] a query stands.
    pub fn position(&self, query_id: &str) -> Option<usize> {
        self.index.get(query_id).copied()
    }

    /// Every query with its judged documents.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Grades)> {
        self.queries.iter().map(|(id, grades)| (id.as_str(), grades))
    }
}

impl Judged {
    fn range(&self) -> Range<usize> {
        self.start as usize..(self.start + self.length) as usize
    }
}

impl Grades {
    /// The grade of a document, `None` when it is not judged.
    pub fn get(&self, document_id: &str) -> Option<i32> {
        let found = self.judged.binary_search_by(|judged| self.ids[judged.range()].cmp(document_id));
        found.ok().map(|at| self.judged[at].grade)
    }

    /// How many documents are judged.
    pub fn len(&self) -> usize {
        self.judged.len()
    }

    /// Whether no document is judged.
    pub fn is_empty(&self) -> bool {
        self.judged.is_empty()
    }

    /// The judged documents with their grades, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32)> {
        self.judged.iter().map(|judged| (&self.ids[judged.range()], judged.grade))
    }
}

/// The byte at which a line begins, query and document, grade.
type Judgement<'a> = (usize, [&'a str; 2], i32);

/// The judgements of a file's text; a line that is none is its byte and what is wrong with it.
fn judgements(text: &str) -> impl Iterator<Item = Result<Judgement<'_>, (usize, String)>> {
    let line_at = |(at, line): (usize, &[u8])| (at, &text[at..at + line.len()]);
    let first = lines(text.as_bytes()).next().map(line_at);
    let columns = first.map_or(Columns::Four, |(_, first)| Columns::of(first));
    let has_header = first.is_some_and(|(_, first)| columns.is_header(first));
    lines(text.as_bytes()).skip(usize::from(has_header)).map(move |line| {
        let (at, line) = line_at(line);
        columns.judgement(line).map(|(ids, grade)| (at, ids, grade)).map_err(|message| (at, message))
    })
}

/// How the columns of a file of judgements lie.
#[derive(Debug, Clone, Copy)]
enum Columns {
    /// TREC: query id, iteration, document id, grade between white space.
    Four,
    /// Query id, document id, grade between white space.
    Three,
    /// The same between tabs; ids may have blanks in them.
    ThreeByTabs,
}

impl Columns {
    fn of(first_line: &str) -> Self {
        let (_, count) = fields::<0>(first_line.as_bytes());
        match (first_line.matches('\t').count(), count) {
            (2, _) => Self::ThreeByTabs,
            (_, 3) => Self::Three,
            _ => Self::Four,
        }
    }

    /// Query, document and grade of a line as text, or how many columns it has instead.
    fn split(self, line: &str) -> Result<[&str; 3], usize> {
        if let Self::ThreeByTabs = self {
            let mut columns = line.split('\t').map(|column| column.trim_matches(is_blank_char));
            let found = [columns.next(), columns.next(), columns.next()].map(Option::unwrap_or_default);
            let count = line.matches('\t').count() + 1;
            let whole = count == 3 && found.iter().all(|column| !column.is_empty());
            return if whole { Ok(found) } else { Err(count) };
        }
        let (found, count) = fields::<4>(line.as_bytes());
        let [first, second, third, fourth] = found.map(|field| &line[field]);
        match (self, count) {
            (Self::Four, 4) => Ok([first, third, fourth]),
            (Self::Three, 3) => Ok([first, second, third]),
            _ => Err(count),
        }
    }

    /// Whether a line names its columns instead of judging a document.
    fn is_header(self, line: &str) -> bool {
        let name = |grade: &str| GRADE_NAMES.contains(&grade.trim_matches('"').to_ascii_lowercase().as_str());
        self.split(line).is_ok_and(|[.., grade]| name(grade))
    }

    fn judgement(self, line: &str) -> Result<([&str; 2], i32), String> {
        let [query, document, grade] = self.split(line).map_err(|count| match self {
            Self::Four => format!("{count} columns; the first line has four: query-id iteration document-id grade"),
            _ => format!("{count} columns or an empty one; the first line has three: query-id document-id grade"),
        })?;
        let grade = grade.parse().map_err(|_| format!("the grade '{grade}' is not a whole number"))?;
        Ok(([query, document], grade))
    }
}

fn is_blank_char(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_blank)
}
