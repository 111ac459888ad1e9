//! Columns of query, document and number in tables that other programs wrote: judgements and runs.

use std::borrow::Cow;

use super::lines::{is_blank, lines};

/// Names of the columns, in lower case with `_` between their words.
const QUERY_NAMES: [&str; 9] =
    ["query_id", "queryid", "qid", "q_id", "query", "topic_id", "topicid", "topic", "topic_no"];
/// PyTerrier's `docno` is the id; its `docid` is an internal number.
const DOCUMENT_NAMES: [&str; 17] = [
    "docno",
    "doc_no",
    "doc_id",
    "docid",
    "did",
    "d_id",
    "document_id",
    "documentid",
    "document",
    "doc",
    "corpus_id",
    "corpusid",
    "passage_id",
    "passageid",
    "pid",
    "item_id",
    "iid",
];
const GRADE_NAMES: [&str; 10] =
    ["score", "relevance", "rel", "grade", "label", "judgment", "judgement", "rating", "gain", "relevance_score"];
const SCORE_NAMES: [&str; 5] = ["score", "sim", "similarity", "rsv", "relevance_score"];
const RANK_NAMES: [&str; 3] = ["rank", "position", "place"];

/// The separator between the fields of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    /// White space of any length.
    Blanks,
    /// One byte; fields may be quoted, with quotes doubled inside.
    Byte(u8),
}

const SEPARATORS: [Separator; 4] =
    [Separator::Byte(b'\t'), Separator::Byte(b','), Separator::Byte(b';'), Separator::Blanks];

impl Separator {
    /// Returns the fields of a line, without the blanks and quotes around them.
    pub fn split(self, line: &str) -> Vec<Cow<'_, str>> {
        match self {
            Self::Blanks => line.split(is_blank_char).filter(|field| !field.is_empty()).map(unquoted).collect(),
            Self::Byte(separator) => split_quoted(line, char::from(separator)),
        }
    }
}

/// The kind of a line's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberKind {
    /// A score or a grade: higher is better.
    Number,
    /// 1 is best.
    Rank,
}

/// The columns of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub separator: Separator,
    /// Number of columns in every line.
    pub count: usize,
    pub query: usize,
    pub document: usize,
    pub value: usize,
    pub kind: NumberKind,
    pub has_header: bool,
}

impl Layout {
    /// Detects the layout of judgements from their first lines: by the names of a header, else by
    /// the number of columns. Returns `None` for other numbers than three and four.
    pub fn of_judgements(head: &str) -> Option<Self> {
        let shapes = [(3, [0, 1, 2]), (4, [0, 2, 3])];
        // If no line has a grade, the message is about the first one.
        by_names(head, &GRADE_NAMES, &[])
            .or_else(|| by_numbers(head, &shapes, is_grade))
            .or_else(|| by_numbers(head, &shapes, |_| true))
    }

    /// Detects the layout of a run that is not in TREC's six columns: by the names of a header,
    /// else three columns with a rank, as in MS MARCO, or six columns with a separator other than
    /// blanks.
    pub fn of_run(head: &str) -> Option<Self> {
        let ranked = || by_numbers(head, &[(3, [0, 1, 2])], |text| text.parse::<u64>().is_ok());
        let six =
            || by_numbers(head, &[(6, [0, 2, 4])], |_| true).filter(|layout| layout.separator != Separator::Blanks);
        by_names(head, &SCORE_NAMES, &RANK_NAMES)
            .or_else(|| ranked().map(|layout| Self { kind: NumberKind::Rank, ..layout }))
            .or_else(six)
    }

    /// Returns query, document and number of a line as text. The error is the number of its
    /// columns.
    pub fn fields<'a>(&self, line: &'a str) -> Result<[Cow<'a, str>; 3], usize> {
        let mut fields = self.separator.split(line);
        let count = fields.len();
        let mut take = |at: usize| fields.get_mut(at).map(std::mem::take).unwrap_or_default();
        let found = [take(self.query), take(self.document), take(self.value)];
        if count != self.count || found.iter().any(|field| field.is_empty()) {
            return Err(count);
        }
        Ok(found)
    }
}

/// Returns the first two lines that are not blank. A second line that the head cuts off does not
/// count.
fn first_lines(head: &str) -> (Option<&str>, Option<&str>) {
    let mut found = lines(head.as_bytes()).map(|(at, line)| &head[at..at + line.len()]);
    (found.next(), found.next())
}

fn by_names(head: &str, values: &[&str], ranks: &[&str]) -> Option<Layout> {
    let (header, _) = first_lines(head);
    let of = |separator: Separator| {
        let names: Vec<String> = separator.split(header?).iter().map(|name| plain_name(name)).collect();
        let find = |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name == known));
        let (value, kind) = match find(values) {
            Some(value) => (value, NumberKind::Number),
            None => (find(ranks)?, NumberKind::Rank),
        };
        let (query, document) = (find(&QUERY_NAMES)?, find(&DOCUMENT_NAMES)?);
        Some(Layout { separator, count: names.len(), query, document, value, kind, has_header: true })
    };
    SEPARATORS.into_iter().find_map(of)
}

/// Detects the layout by the number of columns and by the value in the column of the number. The
/// first line is a header if the second one has a number there and the first one has no digits.
fn by_numbers(head: &str, shapes: &[(usize, [usize; 3])], is_value: impl Fn(&str) -> bool) -> Option<Layout> {
    let (first, second) = first_lines(head);
    let first = first?;
    let of = |separator: Separator, line: &str, has_header| {
        let fields = separator.split(line);
        let &(count, [query, document, value]) = shapes.iter().find(|(count, _)| *count == fields.len())?;
        let ids = [&fields[query], &fields[document]];
        // A comma in an id of a line whose columns are separated by blanks.
        let is_cut = separator != Separator::Blanks && separator != Separator::Byte(b'\t');
        let is_whole = |id: &str| !(id.is_empty() || is_cut && id.contains(is_blank_char));
        let layout = Layout { separator, count, query, document, value, kind: NumberKind::Number, has_header };
        (is_value(&fields[value]) && ids.iter().all(|id| is_whole(id))).then_some(layout)
    };
    let is_header = |layout: &Layout| {
        let names = layout.separator.split(first);
        names.len() == layout.count && names.iter().all(|name| !name.bytes().any(|byte| byte.is_ascii_digit()))
    };
    // Tabs between four columns count as white space, because lines may mix them.
    let of = |separator: Separator, line: &str, has_header| {
        let layout = of(separator, line, has_header)?;
        let is_wide = separator == Separator::Byte(b'\t') && layout.count > 3;
        let by_blanks = of(Separator::Blanks, line, has_header).filter(|found| is_wide && found.count == layout.count);
        Some(by_blanks.unwrap_or(layout))
    };
    let data = SEPARATORS.into_iter().find_map(|separator| of(separator, first, false));
    data.or_else(|| SEPARATORS.into_iter().find_map(|separator| of(separator, second?, true)).filter(is_header))
}

/// Returns a column's name in the spelling of the tables above.
fn plain_name(name: &str) -> String {
    name.trim().to_lowercase().replace(['-', ' ', '.'], "_")
}

/// True if this can be a grade. Fractions pass here and are refused later with a better message.
fn is_grade(text: &str) -> bool {
    text.parse::<f64>().is_ok()
}

/// Parses a grade: a whole number, also written as `1.0`.
pub(super) fn grade(text: &str) -> Result<i32, String> {
    if let Ok(grade) = text.parse() {
        return Ok(grade);
    }
    match text.parse::<f64>() {
        Ok(number) => whole_grade(number),
        Err(_) => Err(format!("the grade '{text}' is not a whole number")),
    }
}

/// Converts a grade that was read as a float.
pub(super) fn whole_grade(number: f64) -> Result<i32, String> {
    let is_whole = number.fract() == 0.0 && number.abs() <= f64::from(i32::MAX);
    match is_whole {
        true => Ok(number as i32),
        false => Err(format!(
            "the grade {number} is not a whole number; measures are defined for whole grades: multiply all of them, \
             e.g. 0.5 and 1 to 1 and 2"
        )),
    }
}

/// Returns a rank as a score: 1 over the rank.
pub(super) fn score_of_rank(text: &str) -> Result<f64, String> {
    match text.parse::<u64>() {
        Ok(rank @ 1..) => Ok(1.0 / rank as f64),
        _ => Err(format!("the rank '{text}' is not a whole number of at least 1")),
    }
}

fn is_blank_char(c: char) -> bool {
    u8::try_from(c).is_ok_and(is_blank)
}

fn unquoted(field: &str) -> Cow<'_, str> {
    let inner = field.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        Some(inner) if inner.contains("\"\"") => Cow::Owned(inner.replace("\"\"", "\"")),
        Some(inner) => Cow::Borrowed(inner),
        None => Cow::Borrowed(field),
    }
}

fn split_quoted(line: &str, separator: char) -> Vec<Cow<'_, str>> {
    let (mut fields, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, c) in line.char_indices() {
        // A quote only counts at the start of a field, or within a quoted field.
        if c == '"' && (is_quoted || line[start..at].trim_matches(is_blank_char).is_empty()) {
            is_quoted = !is_quoted;
        } else if c == separator && !is_quoted {
            fields.push(unquoted(line[start..at].trim_matches(is_blank_char)));
            start = at + c.len_utf8();
        }
    }
    fields.push(unquoted(line[start..].trim_matches(is_blank_char)));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(text: &str) -> Option<(String, bool)> {
        let layout = Layout::of_judgements(text)?;
        let line = text.lines().nth(usize::from(layout.has_header)).unwrap_or_default();
        Some((layout.fields(line).ok()?.join("|"), layout.has_header))
    }

    #[test]
    fn judgements_are_told_by_header_or_by_columns() {
        for (text, expected, has_header) in [
            ("q1 0 d1 2\n", "q1|d1|2", false),
            ("q1\td1\t2\n", "q1|d1|2", false),
            ("q1\t0\td1\t2\n", "q1|d1|2", false),
            ("q 1\td 1\t-2.0\n", "q 1|d 1|-2.0", false),
            ("q1,d1,2\n", "q1|d1|2", false),
            ("q1, 0, d1, 2\n", "q1|d1|2", false),
            ("q1;d1;2\n", "q1|d1|2", false),
            ("q1 0 doc,1,2 1\n", "q1|doc,1,2|1", false),
            ("\"q,1\",\"d \"\"1\"\"\",2\n", "", false),
            ("query_id corpus_id score\nq1 d1 2\n", "q1|d1|2", true),
            ("qid\tdocid\trel\nq1\td1\t2\n", "q1|d1|2", true),
            ("Query-ID,Iter,DocNo,Relevance\nq1,0,d1,2\n", "q1|d1|2", true),
            ("\"score\",\"query id\",\"doc id\"\n2,q1,d1\n", "q1|d1|2", true),
            (",qid,docno,label,by\n0,q1,d1,2,me\n", "q1|d1|2", true),
            ("frage;dokument;note\nq1;d1;2\n", "q1|d1|2", true),
            ("frage\titeration\tdokument\tnote\nq1\t0\td1\t2\n", "q1|d1|2", true),
        ] {
            let found = judged(text);
            let expected = (!expected.is_empty()).then(|| (expected.to_owned(), has_header));
            assert!(found == expected || expected.is_none(), "{text:?}: {found:?}");
        }
        let quoted = Layout::of_judgements("\"q,1\",\"d\"\"1\"\"\",2\n").unwrap();
        assert_eq!(quoted.fields("\"q,1\",\"d\"\"1\"\"\",2").unwrap(), ["q,1", "d\"1\"", "2"]);
        for none in ["", "a\n", "1 0 a 1 x\n", "q1 Q0 d1 1 2.5 t\n"] {
            assert_eq!(Layout::of_judgements(none), None, "{none:?}");
        }
        // No grade, and nothing that looks like a header: the line is complained about.
        for (wrong, count) in [("1 a high\n", 3), ("1 0 a one\n", 4)] {
            let layout = Layout::of_judgements(wrong).unwrap();
            assert_eq!((layout.count, layout.has_header), (count, false), "{wrong:?}");
        }
    }

    #[test]
    fn runs_are_told_by_header_or_by_columns() {
        let of = |text: &str| {
            let layout = Layout::of_run(text)?;
            let line = text.lines().nth(usize::from(layout.has_header)).unwrap_or_default();
            Some((layout.fields(line).ok()?.join("|"), layout.kind))
        };
        let found = |text: &str, kind| Some((text.to_owned(), kind));
        assert_eq!(of("7\t99\t1\n7\t98\t2\n"), found("7|99|1", NumberKind::Rank));
        assert_eq!(of("qid,pid,rank\n7,99,3\n"), found("7|99|3", NumberKind::Rank));
        assert_eq!(of("query_id,doc_id,rank,score\n7,99,3,0.5\n"), found("7|99|0.5", NumberKind::Number));
        assert_eq!(of(",qid,docid,docno,rank,score,query\n0,q,1,d,0,2.5,a b\n"), found("q|d|2.5", NumberKind::Number));
        assert_eq!(of("q,Q0,d,1,2.5,t\n"), found("q|d|2.5", NumberKind::Number));
        assert_eq!((of("q Q0 d 1 2.5 t\n"), of("q\tQ0\td\t1\t2.5\tt\n")), (None, None));
        assert_eq!(of("q d 2.5\n"), None);
    }

    #[test]
    fn grades_are_whole_numbers() {
        assert_eq!((grade("1.0"), grade("-2"), grade("3e0")), (Ok(1), Ok(-2), Ok(3)));
        assert!(grade("1.5").unwrap_err().contains("multiply all of them"));
        for wrong in ["nan", "inf", "1e10", "2147483648"] {
            assert!(grade(wrong).is_err(), "{wrong}");
        }
        assert_eq!(score_of_rank("4"), Ok(0.25));
        assert!(score_of_rank("0").is_err() && score_of_rank("1.5").is_err());
    }
}
