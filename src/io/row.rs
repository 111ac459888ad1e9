//! What a row means: which of its fields is the text, the id, the title and the first-stage score.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::rows::ReadOptions;

/// Fields taken as the text, the best first.
pub(super) const TEXT_NAMES: [&str; 4] = ["text", "content", "body", "document"];
/// Fields taken as the id, the best first.
const ID_NAMES: [&str; 2] = ["id", "_id"];
const TITLE_NAMES: [&str; 1] = ["title"];
const SCORE_NAMES: [&str; 1] = ["score"];

/// How many field names a message lists.
const LISTED_NAMES: usize = 10;

/// One candidate as it was read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// 1-based line on which the row starts.
    pub line: u64,
    /// The row's own id; without one the line number (text) or the 1-based row number (all else).
    /// Ids may repeat.
    pub id: String,
    /// The candidate's text, as it was. May be empty.
    pub text: String,
    /// The title, if the row has one.
    pub title: Option<String>,
    /// The field `score`: what an earlier stage of the search gave. Finite.
    pub first_stage_score: Option<f64>,
    /// All other fields, in their order.
    pub extra: Map<String, Value>,
}

impl Row {
    /// What is to be encoded: title and text joined by one space, or the one that is not blank.
    ///
    /// ```
    /// use std::io::Cursor;
    /// let input = Cursor::new(r#"{"title": "Eiffel Tower", "text": "It stands in Paris."}"#);
    /// let options = nearsort::io::ReadOptions::default();
    /// let row = nearsort::io::Rows::new(input, "tower.jsonl", &options)?.next().unwrap()?;
    /// assert_eq!(row.passage(), "Eiffel Tower It stands in Paris.");
    /// # Ok::<(), nearsort::Error>(())
    /// ```
    pub fn passage(&self) -> Cow<'_, str> {
        match self.title.as_deref().filter(|title| !title.trim().is_empty()) {
            None => Cow::Borrowed(&self.text),
            Some(title) if self.text.is_empty() => Cow::Borrowed(title),
            Some(title) => Cow::Owned(format!("{title} {}", self.text)),
        }
    }

    pub(super) fn plain(line: u64, id: String, text: String) -> Self {
        Self { line, id, text, title: None, first_stage_score: None, extra: Map::new() }
    }
}

/// The names under which each part of a row is looked for, the best first.
#[derive(Debug, Clone)]
pub(super) struct FieldNames {
    pub text: Vec<String>,
    pub id: Vec<String>,
    pub title: Vec<String>,
    pub score: Vec<String>,
}

impl FieldNames {
    /// The names that the options ask for.
    pub fn of(options: &ReadOptions) -> Self {
        let ReadOptions { text_field, id_field, title_field, .. } = options;
        let mut names = Self::new(text_field.as_deref(), id_field.as_deref(), title_field.as_deref());
        if let Some(score) = &options.score_field {
            names.score = vec![score.clone()];
        }
        names
    }

    /// The usual names, except where one was asked for: then only that one counts.
    pub fn new(text: Option<&str>, id: Option<&str>, title: Option<&str>) -> Self {
        let pick = |asked: Option<&str>, usual: &[&str]| match asked {
            Some(name) => vec![name.to_owned()],
            None => usual.iter().map(|&name| name.to_owned()).collect(),
        };
        Self {
            text: pick(text, &TEXT_NAMES),
            id: pick(id, &ID_NAMES),
            title: pick(title, &TITLE_NAMES),
            score: pick(None, &SCORE_NAMES),
        }
    }
}

/// A row of JSON before its fields have a meaning.
pub(super) enum JsonRow<'a> {
    Text(String),
    Object(Vec<(Cow<'a, str>, Value)>),
    /// Neither; the name of the type found.
    Other(&'static str),
}

impl From<Value> for JsonRow<'static> {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            Value::Object(fields) => {
                Self::Object(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
            }
            other => Self::Other(type_name(&other)),
        }
    }
}

impl<'a> JsonRow<'a> {
    /// The row that this is, or what is wrong with it. `number`: 1-based row number.
    pub fn into_row(self, names: &FieldNames, line: u64, number: u64) -> Result<Row, String> {
        let mut fields = match self {
            Self::Text(text) => return Ok(Row::plain(line, number.to_string(), text)),
            Self::Object(fields) => fields,
            Self::Other(found) => {
                let hint = if found == "an array" { " (an array over many lines: --input-format json)" } else { "" };
                return Err(format!("this row is {found}, not a string or an object with a text{hint}"));
            }
        };
        let Some((text_name, text)) = take(&mut fields, &names.text) else {
            return Err(no_text(names, "row has the field", fields.iter().map(|(name, _)| name.as_ref())));
        };
        let Value::String(text) = text else {
            let found = type_name(&text);
            return Err(format!(
                "the text '{text_name}' is {found}, not a string; name another field with --text-field"
            ));
        };
        let id = take(&mut fields, &names.id).map_or(Ok(None), json_id)?;
        let title = take(&mut fields, &names.title).map_or(Ok(None), json_title)?;
        let first_stage_score = take(&mut fields, &names.score).map_or(Ok(None), json_score)?;
        let extra = fields.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
        Ok(Row { line, id: id.unwrap_or_else(|| number.to_string()), text, title, first_stage_score, extra })
    }
}

/// Removes the best-named field there is. Of a name given twice the last one counts, as everywhere in JSON.
fn take<'a>(fields: &mut Vec<(Cow<'a, str>, Value)>, names: &[String]) -> Option<(Cow<'a, str>, Value)> {
    names.iter().find_map(|name| fields.iter().rposition(|(field, _)| field == name)).map(|at| fields.remove(at))
}

fn json_id((name, value): (Cow<str>, Value)) -> Result<Option<String>, String> {
    /// Above this, two whole numbers can become one as a float.
    const MAX_EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Null => Ok(None),
        Value::String(id) => Ok(Some(id)),
        Value::Number(id) if id.is_f64() && id.as_f64().is_some_and(|id| id.abs() > MAX_EXACT) => {
            Err(format!("the id '{name}' is a number too large to be exact; write it as a string"))
        }
        Value::Number(id) => Ok(Some(id.to_string())),
        other => Err(format!("the id '{name}' is {}, not a string or a number", type_name(&other))),
    }
}

fn json_title((name, value): (Cow<str>, Value)) -> Result<Option<String>, String> {
    match value {
        Value::Null => Ok(None),
        Value::String(title) => Ok(Some(title)),
        other => Err(format!("the title '{name}' is {}, not a string", type_name(&other))),
    }
}

fn json_score((name, value): (Cow<str>, Value)) -> Result<Option<f64>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Number(score) => Ok(score.as_f64()),
        other => Err(format!("'{name}' is {}, not a number", type_name(&other))),
    }
}

fn no_text<'n>(names: &FieldNames, has: &str, found: impl Iterator<Item = &'n str>) -> String {
    let found: Vec<String> = found.map(|name| format!("'{name}'")).collect();
    let wanted = match names.text.as_slice() {
        [name] => format!("no text '{name}'"),
        _ => "no text".to_owned(),
    };
    let plural = if found.len() == 1 { "" } else { "s" };
    let more = if found.len() > LISTED_NAMES { " ..." } else { "" };
    let list = found[..found.len().min(LISTED_NAMES)].join(", ");
    match found.len() {
        0 => format!("{wanted}: this row is an object without fields"),
        _ => format!("{wanted}: this {has}{plural} {list}{more}; name the one to use with --text-field"),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// Borrows the field names and keeps the fields as a list: most rows have few, and most of those become parts of the row.
impl<'de> Deserialize<'de> for JsonRow<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RowVisitor;
        impl<'de> Visitor<'de> for RowVisitor {
            type Value = JsonRow<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string or an object")
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(JsonRow::Text(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some((Name(name), value)) = map.next_entry()? {
                    fields.push((name, value));
                }
                Ok(JsonRow::Object(fields))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(JsonRow::Other("an array"))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(JsonRow::Other("a boolean"))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                Ok(JsonRow::Other("a number"))
            }
            fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                Ok(JsonRow::Other("a number"))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                Ok(JsonRow::Other("a number"))
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(JsonRow::Other("null"))
            }
        }
        deserializer.deserialize_any(RowVisitor)
    }
}

/// A field's name, borrowed unless it is written with escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The header of CSV or TSV: which column is what.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    names: Vec<String>,
    text: usize,
    id: Option<usize>,
    title: Option<usize>,
    score: Option<usize>,
}

impl Columns {
    /// Reads a header, or says why it is none.
    pub fn from_header(header: &[Cow<str>], names: &FieldNames) -> Result<Self, String> {
        let columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        let find = |wanted: &[String]| wanted.iter().find_map(|name| columns.iter().position(|column| column == name));
        let Some(text) = find(&names.text) else {
            let message = no_text(names, "header has the column", columns.iter().map(String::as_str));
            return Err(format!("{message}; a file without a header needs one first"));
        };
        let (id, title, score) = (find(&names.id), find(&names.title), find(&names.score));
        Ok(Self { names: columns, text, id, title, score })
    }

    /// The columns of a query file without a header: id and text.
    pub fn id_and_text() -> Self {
        let names = vec!["id".to_owned(), "text".to_owned()];
        Self { names, text: 1, id: Some(0), title: None, score: None }
    }

    /// The row that these fields are, or what is wrong with it. An empty id, title or score counts as none.
    pub fn row(&self, fields: &[Cow<str>], line: u64, number: u64) -> Result<Row, String> {
        if fields.len() != self.names.len() {
            return Err(self.wrong_width(fields.len()));
        }
        let given = |column: Option<usize>| column.map(|at| fields[at].as_ref()).filter(|field| !field.is_empty());
        let first_stage_score = match given(self.score) {
            None => None,
            Some(score) => match score.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Some(number),
                _ => return Err(format!("the score '{score}' is not a number")),
            },
        };
        let used = [Some(self.text), self.id, self.title, self.score];
        let is_extra = |(at, _): &(usize, &String)| !used.contains(&Some(*at));
        let pass = |(at, name): (usize, &String)| (name.clone(), Value::String(fields[at].to_string()));
        Ok(Row {
            line,
            id: given(self.id).map_or_else(|| number.to_string(), str::to_owned),
            text: fields[self.text].to_string(),
            title: given(self.title).map(str::to_owned),
            first_stage_score,
            extra: self.names.iter().enumerate().filter(is_extra).map(pass).collect(),
        })
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
