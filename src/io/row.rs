//! A row and the roles of its fields: text, id, title and first-stage score.

use std::borrow::Cow;

use super::fields::Fields;
use super::given::{Given, GivenField};
use super::json::JsonType;
use super::json_syntax::Broken;
use super::names::{FieldNames, Spot, find, nested_text, no_text};
use super::{json, json_file};

/// One candidate as it was read.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// 1-based line on which the row starts; in Parquet and Arrow, which have no lines, the 1-based
    /// row number.
    pub line: u64,
    /// The row's own id; without one, the line number (text) or the 1-based row number (other
    /// formats). Ids may repeat.
    pub id: String,
    /// The candidate's text, unchanged. May be empty.
    pub text: String,
    /// The title, if the row has one.
    pub title: Option<String>,
    /// The first stage's score, from the field `score`. Finite.
    pub first_stage_score: Option<f64>,
    /// All other fields, in their order. Empty if [`ReadOptions::extra`](super::ReadOptions::extra)
    /// is false.
    pub extra: Fields,
    /// The reason why the field with the score is not a score.
    pub(super) score_fault: Option<Box<str>>,
}

impl Row {
    /// Returns the approximate size of the row in bytes.
    pub fn num_bytes(&self) -> usize {
        let extra: usize = self.extra.iter().map(|(name, json)| name.len() + json.len()).sum();
        self.id.len() + self.text.len() + self.title.as_ref().map_or(0, String::len) + extra
    }

    /// Returns the text to encode: title and text joined by one space. A blank title or an empty
    /// text is left out.
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
        let extra = Fields::default();
        Self { line, id, text, title: None, first_stage_score: None, extra, score_fault: None }
    }
}

/// A row of JSON before its fields have roles.
pub(super) enum JsonRow<'a> {
    Text(String),
    Object(Vec<GivenField<'a>>),
    /// A value of another type.
    Other(JsonType),
}

impl<'a> JsonRow<'a> {
    /// Cuts a text that is one JSON value.
    pub fn parse(text: &'a str) -> Result<Self, Broken> {
        // Most rows are objects: their fields are cut in the pass that checks them.
        match json::begins_object(text) {
            true => given_fields(text).map(Self::Object),
            false => Self::of(json::value(text)?),
        }
    }

    /// Converts a valid value to a row. An object may have too many fields.
    pub fn of(value: &'a str) -> Result<Self, Broken> {
        Ok(match JsonType::of(value) {
            JsonType::String => Self::Text(json::string(value).into_owned()),
            JsonType::Object => Self::Object(given_fields(value)?),
            other => Self::Other(other),
        })
    }

    /// Converts this to a row, or returns the message about its error. `number`: 1-based row
    /// number.
    pub fn into_row(self, names: &FieldNames, line: u64, number: u64) -> Result<Row, String> {
        let fields = match self {
            Self::Text(text) => return Ok(Row::plain(line, number.to_string(), text)),
            Self::Object(fields) => fields,
            Self::Other(found) => {
                let is_array = found == JsonType::Array;
                let hint = if is_array { " (an array over many lines: `input_format=json`)" } else { "" };
                let found = found.name();
                return Err(format!("this row is {found}, not a string or an object with a text{hint}"));
            }
        };
        row_of(fields, names, line, number)
    }
}

/// Returns the fields of an object, or an error if it has too many.
pub(super) fn given_fields(object: &str) -> Result<Vec<GivenField<'_>>, Broken> {
    json::fields_as(object, |name, value| (name, value.into()))
}

/// Assigns roles to the fields.
fn row_of(mut fields: Vec<GivenField<'_>>, names: &FieldNames, line: u64, number: u64) -> Result<Row, String> {
    let Some(spot) = find(&fields, &names.text)? else {
        let found = fields.iter().map(|(name, _)| name.as_ref());
        let advice = nested_text(&fields).or_else(|| json_file::advice_for_fields(&fields));
        return Err(no_text(names, "row has the field", found) + &advice.unwrap_or_default());
    };
    let (name, text) = spot.take(&mut fields);
    let text = text.text().map_err(|found| {
        format!("the text '{name}' is {}, not a string; name another field with `text_field=`", found.name())
    })?;
    let id = find(&fields, &names.id)?.map(|spot| spot.take(&mut fields));
    let title = find(&fields, &names.title)?.map(|spot| spot.take(&mut fields));
    let (first_stage_score, score_fault) = score_of(&mut fields, names)?;
    let id = id.map_or(Ok(None), json_id)?;
    let title = title.map_or(Ok(None), |(name, title)| {
        title.text().map_err(|found| {
            format!("the title '{name}' is {}, not a string; name another field with `title_field=`", found.name())
        })
    })?;
    let extra = match names.keeps_extra {
        true => Fields::of(fields.into_iter().map(|(name, value)| (name.into_owned(), value.into_json()))),
        false => Fields::default(),
    };
    Ok(Row {
        line,
        id: id.unwrap_or_else(|| number.to_string()),
        // A text that is null counts as empty.
        text: text.map(Cow::into_owned).unwrap_or_default(),
        title: title.map(Cow::into_owned),
        first_stage_score,
        extra,
        score_fault,
    })
}

fn json_id((name, value): (Cow<'_, str>, Given<'_>)) -> Result<Option<String>, String> {
    match value.json_type() {
        JsonType::Null => Ok(None),
        JsonType::String | JsonType::Number => Ok(value.text().ok().flatten().map(Cow::into_owned)),
        other => Err(format!(
            "the id '{name}' is {}, not a string or a number; name another field with `id_field=`",
            other.name()
        )),
    }
}

/// Returns the first stage's score. A value that is not a score is an error if scores are needed;
/// else it stays a field that is passed through.
fn score_of(fields: &mut Vec<GivenField<'_>>, names: &FieldNames) -> Result<(Option<f64>, Option<Box<str>>), String> {
    let spot = match find(fields, &names.score) {
        Ok(None) => return Ok((None, None)),
        Ok(Some(spot)) => spot,
        Err(message) if names.needs_score => return Err(message),
        Err(message) => return Ok((None, Some(message.into()))),
    };
    match given_score(spot.name(fields), spot.value(fields)) {
        Ok(score) => {
            spot.take(fields);
            Ok((score, None))
        }
        Err(message) if names.needs_score => Err(message),
        Err(message) => Ok((None, Some(message.into()))),
    }
}

fn given_score(name: &str, value: &Given<'_>) -> Result<Option<f64>, String> {
    match (value.json_type(), value) {
        (JsonType::Null, _) => Ok(None),
        (JsonType::String, Given::Json(json)) => parse_score(&json::string(json)),
        (_, Given::Plain(json)) => parse_score(json::unquoted(json)),
        (JsonType::String, Given::Text(text)) => parse_score(text),
        (JsonType::Number, Given::Json(json)) => parse_score(json),
        (other, _) => {
            Err(format!("the score '{name}' is {}, not a number; name another field with `score_field=`", other.name()))
        }
    }
}

/// Parses a score; blank counts as missing.
pub(super) fn parse_score(score: &str) -> Result<Option<f64>, String> {
    let trimmed = score.trim();
    if trimmed.is_empty() {
        return Ok(None);
    }
    let remedy = "name another field with `score_field=`";
    match trimmed.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Some(number)),
        Ok(_) if trimmed.bytes().any(|byte| byte.is_ascii_digit()) => {
            Err(format!("the score {trimmed} is beyond the range of 64-bit numbers (1.8e308); {remedy}"))
        }
        Ok(_) => Err(format!("the score '{score}' is not a finite number; leave it empty, or {remedy}")),
        Err(_) => Err(format!("the score '{score}' is not a number; {remedy}")),
    }
}

impl<'f, 'n> Spot<'f, 'n> {
    /// Returns the field's value.
    pub fn value<'v>(&'v self, fields: &'v [GivenField<'f>]) -> &'v Given<'f> {
        match &self.inside {
            Some(inside) => inside,
            None => &fields[self.at].1,
        }
    }

    /// Returns the field's name for messages.
    pub fn name<'v>(&'v self, fields: &'v [GivenField<'f>]) -> &'v str {
        match self.inside {
            Some(_) => self.path,
            None => &fields[self.at].0,
        }
    }

    /// Removes the field and returns it. A value nested in another field is not removed from it.
    pub fn take<'s>(self, fields: &mut Vec<GivenField<'f>>) -> (Cow<'s, str>, Given<'f>)
    where
        'f: 's,
        'n: 's,
    {
        match self.inside {
            Some(inside) => (Cow::Borrowed(self.path), inside),
            None => fields.remove(self.at),
        }
    }
}
