//! Parser of the lines of a run, in TREC's format, as JSON and as tables.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Visitor};

use super::layout::{Layout, NumberKind, score_of_rank};
use super::lines::{is_blank, lines};
use super::options::MAX_ROW_BYTES;

/// Maximum bytes of a line of a run that is not JSON, or of judgements.
pub(super) const MAX_LINE_BYTES: usize = 64 << 10;

/// The format of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunFormat {
    /// `query-id Q0 document-id rank score tag` per line.
    Trec,
    /// One JSON object per line, with a query's id, a document's id and a score.
    Jsonl,
    /// Columns of other names or in another order: below a header, or MS MARCO's query, document
    /// and rank.
    Table,
    /// One JSON object of queries, each with an object of documents and scores.
    Json,
}

/// The format of a line.
#[derive(Debug, Clone, Copy)]
pub(super) enum LineFormat {
    Trec,
    Jsonl,
    Table(Layout),
}

/// One line, as ranges of [`ParsedLines::text`].
#[derive(Debug, Clone)]
pub(super) struct ParsedLine {
    pub query: Range<u32>,
    pub document: Range<u32>,
    pub score: f64,
    /// Byte offset in the chunk at which the line begins.
    pub at: u32,
}

/// The lines of a chunk. Ids of TREC lines are slices of the chunk. Those of JSON are copied,
/// because they may have had escapes.
pub(super) struct ParsedLines<'a> {
    pub text: Cow<'a, str>,
    pub lines: Vec<ParsedLine>,
}

/// A line that cannot be used.
#[derive(Debug)]
pub(super) struct BadLine {
    /// Byte offset in the chunk at which the line begins.
    pub at: usize,
    /// The message, with a remedy.
    pub message: String,
}

impl ParsedLines<'_> {
    pub fn slice(&self, range: &Range<u32>) -> &str {
        &self.text[range.start as usize..range.end as usize]
    }
}

/// Returns the first `N` fields of a line, separated by white space, and the number of all fields.
pub(super) fn fields<const N: usize>(line: &[u8]) -> ([Range<usize>; N], usize) {
    let mut found = [const { 0..0 }; N];
    let (mut count, mut at) = (0, 0);
    loop {
        while at < line.len() && is_blank(line[at]) {
            at += 1;
        }
        if at == line.len() {
            return (found, count);
        }
        let start = at;
        while at < line.len() && !is_blank(line[at]) {
            at += 1;
        }
        if let Some(field) = found.get_mut(count) {
            *field = start..at;
        }
        count += 1;
    }
}

impl LineFormat {
    /// Returns the maximum bytes of a line: JSON objects may carry a text.
    pub fn max_line_bytes(self) -> usize {
        if let Self::Jsonl = self { MAX_ROW_BYTES } else { MAX_LINE_BYTES }
    }

    /// Parses every line of a chunk.
    pub fn parse(self, chunk: &[u8]) -> Result<ParsedLines<'_>, BadLine> {
        let text = std::str::from_utf8(chunk).map_err(|error| not_utf8(chunk, error.valid_up_to()))?;
        match self {
            Self::Trec => parse_trec(text),
            Self::Jsonl => parse_owned(text, json_fields),
            Self::Table(layout) => parse_owned(text, |line| table_fields(layout, line)),
        }
    }

    /// Returns the query of one line, `None` if the line cannot be read.
    pub fn query_of(self, line: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Trec => {
                let ([query], _) = fields::<1>(line);
                std::str::from_utf8(&line[query]).ok().map(Cow::Borrowed)
            }
            Self::Jsonl => json_fields(line).ok().map(|(query, ..)| query),
            Self::Table(layout) => table_fields(layout, line).ok().map(|(query, ..)| query),
        }
    }

    /// Returns the rank that one line states; `None` in formats without a rank beside the score.
    ///
    /// # Errors
    /// The message about a rank that is no whole number.
    pub fn rank_of(self, line: &[u8]) -> Result<Option<u64>, String> {
        let Self::Trec = self else { return Ok(None) };
        let ([.., rank], _) = fields::<4>(line);
        let rank = String::from_utf8_lossy(&line[rank]);
        rank.parse().map(Some).map_err(|_| format!("the rank '{rank}' is not a whole number"))
    }

    /// Checks that a query's numbers, in the file's order, can be ranks. Only ranks without a
    /// header are checked: they may be whole scores, which would reverse the order.
    ///
    /// # Errors
    /// The message about the numbers.
    pub fn check_ranks(self, query_id: &str, scores: impl Iterator<Item = f64>) -> Result<(), String> {
        let Self::Table(Layout { kind: NumberKind::Rank, has_header: false, .. }) = self else { return Ok(()) };
        match are_ranks(&scores.collect::<Vec<_>>()) {
            true => Ok(()),
            false => Err(format!(
                "the third column of a run without a header is a rank, and those of the query '{query_id}' do not go from 1 up; put a header \
                 above the lines: query_id, doc_id and score (or rank), separated as the columns are"
            )),
        }
    }

    /// Returns the document of one line, `None` if the line cannot be read.
    pub fn document_of(self, line: &[u8]) -> Option<Cow<'_, str>> {
        match self {
            Self::Trec => {
                let ([_, _, document], _) = fields::<3>(line);
                std::str::from_utf8(&line[document]).ok().map(Cow::Borrowed)
            }
            Self::Jsonl => json_fields(line).ok().map(|(_, document, _)| document),
            Self::Table(layout) => table_fields(layout, line).ok().map(|(_, document, _)| document),
        }
    }
}

/// True if scores that were made of ranks ([`score_of_rank`]) go from rank 1 up: each rank once, or
/// some of them in ascending order.
fn are_ranks(scores: &[f64]) -> bool {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let falls = |scores: &[f64]| scores.is_sorted_by(|a, b| a > b);
    let is_whole = sorted.last() == Some(&(1.0 / scores.len() as f64));
    sorted.first() == Some(&1.0) && falls(&sorted) && (is_whole || falls(scores))
}

/// Returns the message about a line over the maximum length.
pub(super) fn too_long(limit: usize) -> String {
    format!("this line is longer than {limit} bytes; check that the file is a run or judgements")
}

/// Returns the error for a byte that is not UTF-8, with the start of its line.
pub(super) fn not_utf8(bytes: &[u8], byte: usize) -> BadLine {
    let at = memchr::memrchr(b'\n', &bytes[..byte]).map_or(0, |end| end + 1);
    let message = format!(
        "not UTF-8: byte 0x{:02X} at byte {} of the line; convert the file, e.g. iconv -f LATIN1 -t UTF-8",
        bytes[byte],
        byte - at + 1
    );
    BadLine { at, message }
}

/// Returns the message about a line with another number of fields than six.
pub(super) fn not_six_fields(count: usize) -> String {
    let advice = match count {
        3 => "; a table of three columns needs a header that names them: query_id, doc_id and score",
        _ => "",
    };
    format!("{count} fields; a line of a run has six: query-id Q0 document-id rank score tag{advice}")
}

/// Parses a score of a TREC line.
pub(super) fn finite_score(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| format!("the score '{text}' is not a number"))
}

fn parse_trec(text: &str) -> Result<ParsedLines<'_>, BadLine> {
    let mut parsed = Vec::with_capacity(text.len() / 32);
    for (at, line) in lines(text.as_bytes()) {
        let (found, count) = fields::<6>(line);
        if line.len() > MAX_LINE_BYTES {
            return Err(BadLine { at, message: too_long(MAX_LINE_BYTES) });
        }
        if count != 6 {
            return Err(BadLine { at, message: not_six_fields(count) });
        }
        let [query, _, document, _, score, _] = found.map(|field| field.start + at..field.end + at);
        let score = finite_score(&text[score]).map_err(|message| BadLine { at, message })?;
        let range = |field: Range<usize>| field.start as u32..field.end as u32;
        parsed.push(ParsedLine { query: range(query), document: range(document), score, at: at as u32 });
    }
    Ok(ParsedLines { text: Cow::Borrowed(text), lines: parsed })
}

/// The query, document and score of a line.
type LineFields<'a> = (Cow<'a, str>, Cow<'a, str>, f64);

/// Parses lines whose ids may have to be unescaped or unquoted, so they are copied.
fn parse_owned(text: &str, read: impl Fn(&[u8]) -> Result<LineFields<'_>, String>) -> Result<ParsedLines<'_>, BadLine> {
    let mut ids = String::new();
    let mut parsed = Vec::new();
    let mut keep = |id: &str| {
        let start = ids.len() as u32;
        ids.push_str(id);
        start..ids.len() as u32
    };
    for (at, line) in lines(text.as_bytes()) {
        let bad = |message| BadLine { at, message };
        let (query, document, score) = read(line).map_err(bad)?;
        parsed.push(ParsedLine { query: keep(&query), document: keep(&document), score, at: at as u32 });
    }
    Ok(ParsedLines { text: Cow::Owned(ids), lines: parsed })
}

/// Returns the query, document and score of a line of a table.
fn table_fields(layout: Layout, line: &[u8]) -> Result<LineFields<'_>, String> {
    if line.len() > MAX_LINE_BYTES {
        return Err(too_long(MAX_LINE_BYTES));
    }
    let line = std::str::from_utf8(line).map_err(|error| format!("not UTF-8: {error}"))?;
    let wrong = |count| format!("{count} columns or an empty one; the first line has {}", layout.count);
    let [query, document, value] = layout.fields(line).map_err(wrong)?;
    let score = if layout.kind == NumberKind::Rank { score_of_rank(&value)? } else { finite_score(&value)? };
    Ok((query, document, score))
}

/// Returns the query, document and score of a JSON line, under any of their names.
fn json_fields(line: &[u8]) -> Result<LineFields<'_>, String> {
    let object: JsonLine<'_> = serde_json::from_slice(line).map_err(|error| format!("not a line of a run: {error}"))?;
    let missing = |what| format!("no {what}; a line of a run has query_id (or qid), docid (or id) and score");
    let score = object.score.ok_or_else(|| missing("score"))?;
    let document = object.docid.or(object.doc_id).or(object.document_id).or(object.id);
    let query = object.query_id.or(object.qid);
    Ok((query.ok_or_else(|| missing("query_id"))?.0, document.ok_or_else(|| missing("docid"))?.0, score))
}

/// The fields of a JSON line that are read; all others are ignored.
#[derive(Deserialize)]
struct JsonLine<'a> {
    #[serde(borrow)]
    query_id: Option<JsonId<'a>>,
    #[serde(borrow)]
    qid: Option<JsonId<'a>>,
    #[serde(borrow)]
    docid: Option<JsonId<'a>>,
    #[serde(borrow)]
    doc_id: Option<JsonId<'a>>,
    #[serde(borrow)]
    document_id: Option<JsonId<'a>>,
    #[serde(borrow)]
    id: Option<JsonId<'a>>,
    score: Option<f64>,
}

/// An id as a string, or as a whole number, which some programs write.
struct JsonId<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for JsonId<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IdVisitor)
    }
}

struct IdVisitor;

impl<'de> Visitor<'de> for IdVisitor {
    type Value = JsonId<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id: a string or a whole number")
    }

    fn visit_borrowed_str<E>(self, id: &'de str) -> Result<Self::Value, E> {
        Ok(JsonId(Cow::Borrowed(id)))
    }

    fn visit_str<E>(self, id: &str) -> Result<Self::Value, E> {
        Ok(JsonId(Cow::Owned(id.to_owned())))
    }

    fn visit_u64<E>(self, id: u64) -> Result<Self::Value, E> {
        Ok(JsonId(Cow::Owned(id.to_string())))
    }

    fn visit_i64<E>(self, id: i64) -> Result<Self::Value, E> {
        Ok(JsonId(Cow::Owned(id.to_string())))
    }
}
