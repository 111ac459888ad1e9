//! The field names of the parts of a row, and the search for them.

use std::borrow::Cow;
use std::collections::HashSet;

use super::broken::broken_message;
use super::given::{Given, GivenField};
use super::json::{self, JsonType};
use super::options::ReadOptions;
use super::text_names::TEXT_NAMES;

/// Fields taken as the id, the best first. The last one is pandas' name for an index
/// without a name.
const ID_NAMES: [&str; 3] = ["id", "_id", PANDAS_INDEX];
const TITLE_NAMES: [&str; 1] = ["title"];
const SCORE_NAMES: [&str; 1] = ["score"];

/// The name that pandas gives the column of an index without a name.
pub(super) const PANDAS_INDEX: &str = "__index_level_0__";

/// Maximum number of field names that a message lists.
pub(super) const LISTED_NAMES: usize = 10;

/// The accepted field names of each part of a row, the best first, and the handling of other
/// fields.
#[derive(Debug, Clone)]
pub(super) struct FieldNames {
    pub text: Vec<String>,
    pub id: Vec<String>,
    pub title: Vec<String>,
    pub score: Vec<String>,
    /// True if a score that is not a finite number is an error.
    pub needs_score: bool,
    /// True if other fields are kept.
    pub keeps_extra: bool,
}

/// The field in which a part of a row was found.
pub(super) struct Spot<'f, 'n> {
    /// The field's index.
    pub at: usize,
    /// The name under which it was found.
    pub path: &'n str,
    /// The value, if it is nested in the field's value.
    pub inside: Option<Given<'f>>,
}

impl FieldNames {
    /// Returns the names that the options give.
    pub fn of(options: &ReadOptions) -> Self {
        let ReadOptions { text_field, id_field, title_field, .. } = options;
        let mut names = Self::new(text_field.as_deref(), id_field.as_deref(), title_field.as_deref());
        if let Some(score) = &options.score_field {
            names.score = vec![score.clone()];
        }
        Self { needs_score: options.needs_score, keeps_extra: options.extra, ..names }
    }

    /// Returns the default names; a given name replaces the defaults of its part.
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
            needs_score: true,
            keeps_extra: true,
        }
    }
}

/// Returns the best-named field that is not null; if all are null, the best-named one.
///
/// # Errors
/// A message if the field is there twice.
pub(super) fn find<'f, 'n>(fields: &[GivenField<'f>], names: &'n [String]) -> Result<Option<Spot<'f, 'n>>, String> {
    let mut null = None;
    for name in names {
        let Some(spot) = find_one(fields, name)? else { continue };
        match spot.value(fields).is_null() {
            false => return Ok(Some(spot)),
            true => null = null.or(Some(spot)),
        }
    }
    Ok(null)
}

fn find_one<'f, 'n>(fields: &[GivenField<'f>], name: &'n str) -> Result<Option<Spot<'f, 'n>>, String> {
    if let Some(at) = position(fields.iter().map(|(field, _)| field.as_ref()), name, "this row has the field")? {
        return Ok(Some(Spot { at, path: name, inside: None }));
    }
    let path = path(name).unwrap_or_default();
    let [first, rest @ ..] = path.as_slice() else { return Ok(None) };
    let Some(at) = fields.iter().position(|(field, _)| field == first) else { return Ok(None) };
    let inside = match &fields[at].1 {
        Given::Json(Cow::Borrowed(json)) | Given::Plain(json) => step_into(json, rest)?.map(Cow::Borrowed),
        Given::Json(Cow::Owned(json)) => step_into(json, rest)?.map(|inside| Cow::Owned(inside.to_owned())),
        Given::Text(_) => None,
    };
    Ok(inside.map(|inside| Spot { at, path: name, inside: Some(Given::Json(inside)) }))
}

/// Returns the position of `name` among the names. An exact match counts first, then one that
/// differs only in case.
///
/// # Errors
/// A message if it is there twice. `has` is the start of that message.
pub(super) fn position<'n>(
    names: impl Iterator<Item = &'n str>,
    name: &str,
    has: &str,
) -> Result<Option<usize>, String> {
    // Most names have another length, and most of the others are equal.
    let is_alike = |found: &str| found.len() == name.len() && (found == name || found.eq_ignore_ascii_case(name));
    let mut alike = names.enumerate().filter(|(_, found)| is_alike(found));
    let Some(first) = alike.next() else { return Ok(None) };
    match alike.next() {
        None => Ok(Some(first.0)),
        Some(second) => meant([first, second].into_iter().chain(alike), name, has),
    }
}

/// Returns the name that is meant, among names that equal `name` except for case.
fn meant<'n>(names: impl Iterator<Item = (usize, &'n str)>, name: &str, has: &str) -> Result<Option<usize>, String> {
    let twice = |first: &str, second: &str| {
        let both = if first == second { format!("'{first}' twice") } else { format!("'{first}' and '{second}'") };
        Err(format!("{has} {both}; keep one of them"))
    };
    let (mut exact, mut alike, mut second) = (None, None, None);
    for (at, found) in names {
        match (found == name, exact, alike) {
            (true, Some((_, first)), _) => return twice(first, found),
            (true, None, _) => exact = Some((at, found)),
            (false, _, None) => alike = Some((at, found)),
            (false, ..) => second = second.or(Some(found)),
        }
    }
    match (exact, alike, second) {
        (None, Some((_, first)), Some(second)) => twice(first, second),
        (found, alike, _) => Ok(found.or(alike).map(|(at, _)| at)),
    }
}

/// Refuses two columns of one name where all are passed through: one would go without a word.
/// Spreadsheets have empty names, which say nothing. `has` begins to say where.
pub(super) fn refuse_twice<'n>(names: impl Iterator<Item = &'n str>, has: &str) -> Result<(), String> {
    let mut seen = HashSet::new();
    match names.filter(|name| !name.is_empty()).find(|name| !seen.insert(*name)) {
        Some(name) => Err(format!("{has} '{name}' twice; keep one of them")),
        None => Ok(()),
    }
}

/// Returns the steps of a name that leads into nested fields: `_source.text`, or as a JSON pointer
/// `/_source/text`.
pub(super) fn path(name: &str) -> Option<Vec<String>> {
    match name.strip_prefix('/') {
        Some(pointer) => Some(pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()),
        None if name.contains('.') => Some(name.split('.').map(str::to_owned).collect()),
        None => None,
    }
}

/// Returns the value that the steps lead to: by names in objects, by numbers from 0 in arrays.
fn step_into<'j>(json: &'j str, steps: &[String]) -> Result<Option<&'j str>, String> {
    let [step, rest @ ..] = steps else { return Ok(Some(json)) };
    let next = match JsonType::of(json) {
        JsonType::Object => {
            let fields = json::fields(json).map_err(|broken| broken_message(json, broken).1)?;
            let place = position(fields.iter().map(|(name, _)| name.as_ref()), step, "this row has the nested field")?;
            place.map(|at| fields[at].1)
        }
        JsonType::Array => {
            // The array has been checked.
            step.parse().ok().and_then(|at| json::element(json, at).unwrap_or_default())
        }
        _ => None,
    };
    next.map_or(Ok(None), |next| step_into(next, rest))
}

/// Returns the message about a row, a header or a file (`has` is its start) without a text field.
pub(super) fn no_text<'n>(names: &FieldNames, has: &str, found: impl Iterator<Item = &'n str>) -> String {
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
        _ => format!("{wanted}: this {has}{plural} {list}{more}; name the one to use with `text_field=`"),
    }
}

/// Returns advice to append to the message if a nested object has a text.
pub(super) fn nested_text(fields: &[GivenField<'_>]) -> Option<String> {
    fields.iter().find_map(|(outer, value)| {
        let Given::Json(json) = value else { return None };
        let nested = if JsonType::of(json) == JsonType::Object { json::fields(json).ok()? } else { return None };
        let text = TEXT_NAMES.iter().find(|name| nested.iter().any(|(inner, _)| inner == *name))?;
        Some(format!(", such as {outer}.{text}"))
    })
}
