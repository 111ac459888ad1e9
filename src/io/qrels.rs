//! Qrels: the relevance judgements of documents for queries.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::ops::Range;
use std::path::Path;

use foldhash::fast::FixedState;

use super::encoding::refusal;
use super::format::{SNIFF_BYTES, UTF8_BOM};
use super::layout::{Layout, NumberKind, Separator, grade, whole_grade};
use super::lines::is_blank;
use super::nested::{is_nested, read_nested};
use super::run_line::{MAX_LINE_BYTES, not_utf8, too_long};
use super::source::PeekedInput;
use crate::{Error, Result};

/// Number of judgements of a query from which on repetitions are removed while reading.
const GROWTH_JUDGEMENTS: usize = 4096;

/// The layout if none is detected: TREC's four columns without a header.
const TREC: Layout = Layout {
    separator: Separator::Blanks,
    count: 4,
    query: 0,
    document: 2,
    value: 3,
    kind: NumberKind::Number,
    has_header: false,
};

/// Relevance judgements by query, in the order in which the queries first occur.
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
    /// The documents' ids, concatenated.
    ids: String,
    /// The judged documents, ordered by id.
    judged: Vec<Judged>,
    /// Number of judgements at which repetitions are removed again.
    room: usize,
}

#[derive(Debug, Clone, Copy)]
struct Judged {
    start: u32,
    length: u32,
    grade: i32,
    /// Line of the file; 0 if there is none.
    line: u32,
}

/// An error in a judgement: the line, 0 if there is none, and the message.
type JudgementFault = (u64, String);

impl Qrels {
    /// Collects judgements: query id, document id, grade.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a document has two different grades for a query. A repeated
    /// equal grade counts once.
    pub fn from_judgements<'a>(judgements: impl IntoIterator<Item = (&'a str, &'a str, i32)>) -> Result<Self> {
        let mut qrels = Self::default();
        let pushed =
            judgements.into_iter().try_for_each(|(query, document, grade)| qrels.push(query, document, grade, 0));
        match pushed.and_then(|()| qrels.put_in_order()) {
            Ok(()) => Ok(qrels),
            Err((_, message)) => Err(Error::InvalidArgument(message)),
        }
    }

    /// Reads judgements from a file, or standard input for `-`, compressed or not. The first lines
    /// decide the format:
    ///
    /// - A table: TREC's four columns (`query-id iteration document-id grade`) or three (query,
    ///   document, grade), separated by white space, tabs, commas or semicolons, with or without a
    ///   header. A header with known names (`qid`, `query-id`, `docno`, `corpus-id`, `rel`,
    ///   `score`, ...) gives the columns in any order. With other names, four or three columns have
    ///   the order above.
    /// - One JSON object, `{"q1": {"d1": 1}}`, the format of BEIR, ranx and pytrec_eval.
    ///
    /// Blank lines do not count. Grades are whole numbers, also written as `1.0`. A grade of 1 or
    /// more is relevant unless a measure says otherwise. Memory: the documents' ids, 16 bytes per
    /// judgement and some 200 bytes per query.
    ///
    /// # Errors
    /// [`Error::BadRow`] for a line with another number of columns or longer than 64 KiB, a grade
    /// that is not a whole number, and a document that already has another grade for the same
    /// query; [`Error::BadInput`] for a file without judgements and for UTF-16; [`Error::Io`] for a
    /// file that cannot be read.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let (PeekedInput { head, rest, compression }, name) = PeekedInput::open(path)?;
        if let Some(message) = refusal(&head, compression) {
            return Err(Error::BadInput { file: name, message });
        }
        Self::parse_stream(&head, rest, &name)?.map_err(Error::io("read", path))
    }

    /// Reads judgements from memory, like [`Qrels::read`]. `name` is used in messages.
    ///
    /// # Errors
    /// As [`Qrels::read`].
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let (head, rest) = bytes.split_at(bytes.len().min(SNIFF_BYTES));
        if let Some(message) = refusal(head, None) {
            return Err(Error::BadInput { file: name.to_owned(), message });
        }
        Self::parse_stream(head, rest, name)?.map_err(Error::io("read", name))
    }

    /// Parses judgements. The outer error is about the content, the inner one about reading it.
    fn parse_stream(head: &[u8], rest: impl Read, name: &str) -> Result<io::Result<Self>> {
        let bad_input = |message: &str| Error::BadInput { file: name.to_owned(), message: message.to_owned() };
        let head = head.strip_prefix(UTF8_BOM).unwrap_or(head);
        let input = BufReader::new(Cursor::new(head).chain(rest));
        let mut qrels = Self::default();
        let read = match is_nested(head) {
            true => qrels.read_object(input),
            false => qrels.read_lines(head, input),
        };
        match read.map(|read| read.and_then(|()| qrels.put_in_order())) {
            Err(error) => Ok(Err(error)),
            Ok(Err((0, message))) => Err(bad_input(&message)),
            Ok(Err((line, message))) => Err(Error::BadRow { file: name.to_owned(), line, message }),
            Ok(Ok(())) if qrels.queries.is_empty() => {
                Err(bad_input("no judgements; a line has query-id, iteration, document-id and grade"))
            }
            Ok(Ok(())) => Ok(Ok(qrels)),
        }
    }

    fn read_object(&mut self, input: impl Read) -> io::Result<Result<(), JudgementFault>> {
        Ok(read_nested(input, |query, document, number| {
            let pushed = whole_grade(number)
                .and_then(|grade| self.push(query, document, grade, 0).map_err(|(_, message)| message));
            pushed.map_err(|message| format!("the document '{document}' of the query '{query}': {message}"))
        }))
    }

    fn read_lines(&mut self, head: &[u8], mut input: impl BufRead) -> io::Result<Result<(), JudgementFault>> {
        // The head may end within a character.
        let layout = Layout::of_judgements(&String::from_utf8_lossy(head)).unwrap_or(TREC);
        let mut header = layout.has_header;
        let (mut line, mut number) = (Vec::new(), 0_u64);
        loop {
            line.clear();
            number += 1;
            let limit = MAX_LINE_BYTES as u64 + 1;
            if input.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
                return Ok(Ok(()));
            }
            if line.iter().all(|&byte| is_blank(byte)) {
                // A long line of blanks continues in the next piece, which is not a line of its
                // own.
                number -= u64::from(line.last() != Some(&b'\n'));
            } else if line.len() as u64 == limit {
                return Ok(Err((number, too_long(MAX_LINE_BYTES))));
            } else if !std::mem::take(&mut header)
                && let Err(wrong) = self.push_line(layout, &line, number)
            {
                return Ok(Err(wrong));
            }
        }
    }

    fn push_line(&mut self, layout: Layout, line: &[u8], number: u64) -> Result<(), JudgementFault> {
        let text = std::str::from_utf8(line).map_err(|error| not_utf8(line, error.valid_up_to()).message);
        let text = text.map_err(|message| (number, message))?.trim_matches(['\r', '\n']);
        let wrong = |count| match layout.count {
            4 if !layout.has_header => {
                format!("{count} columns; the first line has four: query-id iteration document-id grade")
            }
            3 => format!("{count} columns or an empty one; the first line has three: query-id document-id grade"),
            columns => format!("{count} columns or an empty one; the first line has {columns}"),
        };
        let [query, document, value] = layout.fields(text).map_err(|count| (number, wrong(count)))?;
        let grade = grade(&value).map_err(|message| (number, message))?;
        self.push(&query, &document, grade, u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn push(&mut self, query_id: &str, document_id: &str, grade: i32, line: u32) -> Result<(), JudgementFault> {
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
        let too_many = || (u64::from(line), format!("the query '{query_id}' has judgements of more than 4 GiB of ids"));
        let start = u32::try_from(grades.ids.len() + document_id.len()).map_err(|_| too_many())?;
        let length = document_id.len() as u32;
        grades.ids.push_str(document_id);
        grades.judged.push(Judged { start: start - length, length, grade, line });
        if grades.judged.len() >= grades.room.max(GROWTH_JUDGEMENTS) {
            grades.put_in_order(query_id)?;
            grades.room = 2 * grades.judged.len();
        }
        Ok(())
    }

    /// Orders every query's documents by id and drops repetitions.
    fn put_in_order(&mut self) -> Result<(), JudgementFault> {
        self.queries.iter_mut().try_for_each(|(query, grades)| grades.put_in_order(query))
    }

    /// Returns the number of queries with judgements.
    pub fn num_queries(&self) -> usize {
        self.queries.len()
    }

    /// Returns the queries' ids, in the order in which they first occur.
    pub fn query_ids(&self) -> impl Iterator<Item = &str> {
        self.queries.iter().map(|(id, _)| id.as_str())
    }

    /// Returns the judged documents of a query, `None` if it has no judgements.
    pub fn grades(&self, query_id: &str) -> Option<&Grades> {
        self.position(query_id).map(|query| &self.queries[query].1)
    }

    /// Returns the position of a query in [`Qrels::query_ids`].
    pub fn position(&self, query_id: &str) -> Option<usize> {
        self.index.get(query_id).copied()
    }

    /// Returns every query with its judged documents.
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
    /// Orders the documents by id and drops repetitions; two grades for one document are an error.
    fn put_in_order(&mut self, query_id: &str) -> Result<(), JudgementFault> {
        let Self { ids, judged, .. } = self;
        let id = |judged: &Judged| &ids[judged.range()];
        judged.sort_by(|a, b| id(a).cmp(id(b)));
        let twice = |pair: &&[Judged]| id(&pair[0]) == id(&pair[1]) && pair[0].grade != pair[1].grade;
        if let Some([first, second]) = judged.windows(2).find(twice) {
            let message = format!(
                "the document '{}' has the grade {} for the query '{query_id}', and {} on an earlier line; keep one of the two",
                id(second),
                second.grade,
                first.grade
            );
            return Err((second.line.into(), message));
        }
        let before = judged.len();
        judged.dedup_by(|a, b| ids[a.range()] == ids[b.range()]);
        if judged.len() <= before / 2 {
            self.drop_unused_ids();
        }
        Ok(())
    }

    /// Drops the ids of removed judgements.
    fn drop_unused_ids(&mut self) {
        let mut kept = String::with_capacity(self.judged.iter().map(|judged| judged.length as usize).sum());
        for judged in &mut self.judged {
            let range = judged.range();
            // The ids are no longer than before.
            judged.start = kept.len() as u32;
            kept.push_str(&self.ids[range]);
        }
        self.ids = kept;
    }

    /// Returns the grade of a document, `None` if it is not judged.
    pub fn get(&self, document_id: &str) -> Option<i32> {
        let found = self.judged.binary_search_by(|judged| self.ids[judged.range()].cmp(document_id));
        found.ok().map(|at| self.judged[at].grade)
    }

    /// Returns the number of judged documents.
    pub fn len(&self) -> usize {
        self.judged.len()
    }

    /// True if no document is judged.
    pub fn is_empty(&self) -> bool {
        self.judged.is_empty()
    }

    /// Returns the judged documents with their grades, ordered by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32)> {
        self.judged.iter().map(|judged| (&self.ids[judged.range()], judged.grade))
    }
}
