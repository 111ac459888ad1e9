//! The header of CSV and TSV.

use std::borrow::Cow;

use super::fields::Fields;
use super::json;
use super::names::{FieldNames, LISTED_NAMES, no_text, position, refuse_twice};
use super::row::{Row, parse_score};

/// Separators of columns that a message can recognise, with the value of the option `delimiter`
/// that stands for each.
const DELIMITERS: [(u8, &str); 4] = [(b'\t', "tab"), (b';', "';'"), (b'|', "'|'"), (b',', "','")];

/// The columns of a header and their roles.
#[derive(Debug, Clone)]
pub(super) struct HeaderColumns {
    names: Vec<String>,
    text: usize,
    id: Option<usize>,
    title: Option<usize>,
    score: Option<usize>,
    needs_score: bool,
    keeps_extra: bool,
}

impl HeaderColumns {
    /// Reads a header whose columns `delimiter` separates. The error is the reason why it is not a
    /// header.
    pub fn from_header(header: &[Cow<str>], names: &FieldNames, delimiter: u8) -> Result<Self, String> {
        let columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        let all = || columns.iter().map(String::as_str);
        let find = |wanted: &[String]| {
            wanted.iter().find_map(|name| position(all(), name, "this header has the column").transpose()).transpose()
        };
        let Some(text) = find(&names.text)? else {
            let message = no_text(names, "header has the column", all());
            let advice = other_delimiter(&columns, names, delimiter)
                .unwrap_or_else(|| "; a file without a header needs one first".to_owned());
            return Err(message + &advice);
        };
        let score = match find(&names.score) {
            Err(_) if !names.needs_score => None,
            score => score?,
        };
        let (id, title) = (find(&names.id)?, find(&names.title)?);
        let FieldNames { needs_score, keeps_extra, .. } = *names;
        if keeps_extra {
            refuse_twice(all(), "this header has the column")?;
        }
        Ok(Self { names: columns, text, id, title, score, needs_score, keeps_extra })
    }

    /// Returns the columns of a query file without a header: id and text.
    pub fn id_and_text() -> Self {
        let names = vec!["id".to_owned(), "text".to_owned()];
        Self { names, text: 1, id: Some(0), title: None, score: None, needs_score: false, keeps_extra: false }
    }

    /// Returns the row of these fields, or the message about its error. An empty id, title or score
    /// counts as missing.
    pub fn row(&self, fields: &[Cow<str>], line: u64, number: u64) -> Result<Row, String> {
        if fields.len() != self.names.len() {
            return Err(self.wrong_width(fields.len()));
        }
        let given = |column: Option<usize>| column.map(|at| fields[at].as_ref()).filter(|field| !field.is_empty());
        let (score, score_fault) = match given(self.score).map_or(Ok(None), parse_score) {
            Ok(score) => (score, None),
            Err(message) if self.needs_score => return Err(message),
            Err(message) => (None, Some(message.into())),
        };
        // A score that is not a number is a field like any other.
        let used = [Some(self.text), self.id, self.title, self.score.filter(|_| score_fault.is_none())];
        let is_extra = |(at, _): &(usize, &String)| !used.contains(&Some(*at));
        let pass = |(at, name): (usize, &String)| (name.clone(), json::quoted(&fields[at]));
        let extra = match self.keeps_extra {
            true => Fields::of(self.names.iter().enumerate().filter(is_extra).map(pass)),
            false => Fields::default(),
        };
        Ok(Row {
            line,
            id: given(self.id).map_or_else(|| number.to_string(), str::to_owned),
            text: fields[self.text].to_string(),
            title: given(self.title).map(str::to_owned),
            first_stage_score: score,
            extra,
            score_fault,
        })
    }

    pub fn need_scores(&mut self) {
        self.needs_score = true;
    }

    fn wrong_width(&self, found: usize) -> String {
        let columns =
            self.names.iter().take(LISTED_NAMES).map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ");
        let expected = self.names.len();
        format!(
            "this row has {found} fields, the header {expected} columns ({columns}); a field with a separator in it needs quotes"
        )
    }
}

/// Returns advice to append to the message about a header whose columns another separator
/// separates.
fn other_delimiter(columns: &[String], names: &FieldNames, delimiter: u8) -> Option<String> {
    let header = columns.join(&char::from(delimiter).to_string());
    let others = DELIMITERS.iter().filter(|(other, _)| *other != delimiter && header.as_bytes().contains(other));
    let has_text = |&&(other, _): &&(u8, &str)| {
        let is_text =
            |name: &str| names.text.iter().any(|text| name.trim().trim_matches('"').eq_ignore_ascii_case(text));
        header.split(char::from(other)).any(is_text)
    };
    let found = others.clone().find(has_text).or_else(|| others.clone().find(|_| columns.len() == 1));
    found.map(|(_, option)| format!("; its columns seem to be separated by {option}: `delimiter={option}`"))
}
