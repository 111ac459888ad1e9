//! Reads a rerank body of any dialect into a [`RerankRequest`].

use std::num::NonZeroU32;

use serde_json::{Map, Value};

use super::body::{RequestLimits, object, unknown_keys};
use super::dialect::Dialect;
use super::error::WireError;
use super::keys::{COMMON, Field, Keys};
use super::rerank::{ApiVersion, Document, DocumentForm, OnDeadline, RerankRequest, Side, SpanOptions};
use super::value::{as_boolean, boolean, found, integer, text, wrong};
use super::{cohere, infinity, jina, nim, tei, union, vllm, voyage, weaviate};

/// Options for reading a body; most of them come from the route.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// The dialect by a prefix of the path; `None`: the keys decide.
    pub dialect: Option<Dialect>,
    pub api_version: ApiVersion,
    pub limits: RequestLimits,
}

impl Default for Reading {
    fn default() -> Self {
        Self { dialect: None, api_version: ApiVersion::V2, limits: RequestLimits::default() }
    }
}

/// Reads a rerank body. Null is the same as absent.
///
/// # Errors
/// With the dialect to answer in, since TEI's clients want another error body. Not JSON, a required
/// key missing, a value of a wrong type, no documents, or more than the limits allow.
pub fn read_rerank(bytes: &[u8], reading: &Reading) -> Result<RerankRequest, (WireError, Dialect)> {
    let forced = reading.dialect.unwrap_or(Dialect::Union);
    let body = object(bytes, &reading.limits).map_err(|error| (error, forced))?;
    let dialect = reading.dialect.unwrap_or_else(|| Dialect::detect(&body));
    BodyFields::of(&body, dialect).request(reading).map_err(|error| (error, dialect))
}

/// Returns the keys of a dialect's request bodies, and the field that each one sets.
pub(crate) fn keys(dialect: Dialect) -> impl Iterator<Item = (&'static str, Field)> {
    own_keys(dialect).iter().chain(COMMON).copied()
}

/// Returns the keys of a dialect's request bodies, without the common ones.
fn own_keys(dialect: Dialect) -> Keys {
    match dialect {
        Dialect::Union => union::KEYS,
        Dialect::Cohere => cohere::KEYS,
        Dialect::Jina => jina::KEYS,
        Dialect::Voyage => voyage::KEYS,
        Dialect::Tei => tei::KEYS,
        Dialect::Infinity => infinity::KEYS,
        Dialect::Vllm => vllm::KEYS,
        Dialect::Nim => nim::KEYS,
        Dialect::Weaviate => weaviate::KEYS,
    }
}

/// The values of a body by field.
struct BodyFields<'a> {
    body: &'a Map<String, Value>,
    dialect: Dialect,
    warnings: Vec<String>,
}

/// A value and the key it stood under.
type Given<'a> = Option<(&'a str, &'a Value)>;

impl<'a> BodyFields<'a> {
    fn of(body: &'a Map<String, Value>, dialect: Dialect) -> Self {
        let known = own_keys(dialect).iter().chain(COMMON).map(|(key, _)| *key);
        Self { body, dialect, warnings: unknown_keys(body, known) }
    }

    fn keys_of(&self, field: Field) -> impl Iterator<Item = &'static str> + use<> {
        own_keys(self.dialect).iter().chain(COMMON).filter(move |(_, f)| *f == field).map(|(key, _)| *key)
    }

    /// Returns the first key of the field that is not null. A second one is ignored with a warning.
    fn given(&mut self, field: Field) -> Given<'a> {
        let body = self.body;
        let mut all = self
            .keys_of(field)
            .filter_map(|key| body.get(key).filter(|value| !value.is_null()).map(|value| (key, value)));
        let first = all.next()?;
        let ignored = all.map(|(key, _)| format!("field '{key}' is ignored: '{}' says the same", first.0));
        let ignored: Vec<String> = ignored.collect();
        self.warnings.extend(ignored);
        Some(first)
    }

    fn read<T>(
        &mut self,
        field: Field,
        reader: impl Fn(&str, &Value) -> Result<T, WireError>,
    ) -> Result<Option<T>, WireError> {
        self.given(field).map(|(key, value)| reader(key, value)).transpose()
    }

    fn missing(&self, field: Field, wanted: &'static str) -> WireError {
        WireError::Missing { key: self.keys_of(field).next().unwrap_or("body").to_owned(), wanted }
    }

    fn request(mut self, reading: &Reading) -> Result<RerankRequest, WireError> {
        let query = self.query()?;
        let documents = self.documents(&reading.limits)?;
        let raw = self.given(Field::RawScores).is_some();
        Ok(RerankRequest {
            dialect: self.dialect,
            api_version: reading.api_version,
            model: self.read(Field::Model, text)?.filter(|name| !is_placeholder(name)),
            query,
            documents,
            names_top_n: self.body.contains_key("top_n"),
            top_n: self.read(Field::TopN, top_n)?.flatten(),
            return_documents: self.return_documents(raw)?,
            raw_scores: self.read(Field::RawScores, boolean)?.unwrap_or(false),
            instruction: self.read(Field::Instruction, text)?,
            prompt_name: self.read(Field::PromptName, text)?,
            max_tokens_per_doc: self.read(Field::MaxTokensPerDoc, tokens)?.flatten(),
            max_tokens_per_query: self.read(Field::MaxTokensPerQuery, tokens)?.flatten(),
            max_tokens_per_pair: self.read(Field::TokensPerPair, tokens)?.flatten(),
            truncation_side: self.truncation_side()?,
            truncation: self.read(Field::Truncation, truncation)?,
            relevant_spans: self.read(Field::RelevantSpans, relevant_spans)?.flatten(),
            priority: self.read(Field::Priority, |k, v| integer(k, v, 0, 999))?.unwrap_or(0) as u16,
            deadline_ms: self.read(Field::DeadlineMs, |k, v| integer(k, v, 1, u64::MAX))?,
            on_deadline: self.read(Field::OnDeadline, on_deadline)?.unwrap_or(OnDeadline::Error),
            warnings: self.warnings,
        })
    }

    fn query(&mut self) -> Result<String, WireError> {
        let wanted = "a string, or an object {\"text\": …}";
        let (key, value) = self.given(Field::Query).ok_or_else(|| self.missing(Field::Query, wanted))?;
        let inner = value.as_object().and_then(|object| object.get("text")).unwrap_or(value);
        inner.as_str().map(str::to_owned).ok_or_else(|| wrong(key, value, wanted))
    }

    fn documents(&mut self, limits: &RequestLimits) -> Result<Vec<Document>, WireError> {
        let wanted = "a list of strings, or of objects {\"text\": …}";
        let (key, value) = self.given(Field::Documents).ok_or_else(|| self.missing(Field::Documents, wanted))?;
        let list = value.as_array().ok_or_else(|| wrong(key, value, wanted))?;
        limits.check(key, list.len())?;
        let rank_fields = self.read(Field::RankFields, rank_fields)?;
        let one = |(i, value): (usize, &Value)| document(&format!("{key}[{i}]"), value, rank_fields.as_deref());
        list.iter().enumerate().map(one).collect()
    }

    /// Reads `return_documents`. infinity's requests have `raw_scores`, and its client takes a
    /// document as a string only.
    fn return_documents(&mut self, names_raw_scores: bool) -> Result<Option<DocumentForm>, WireError> {
        let asked = self.read(Field::ReturnDocuments, boolean)?.unwrap_or(self.dialect.returns_documents());
        let form = match self.dialect {
            Dialect::Infinity | Dialect::Voyage | Dialect::Tei | Dialect::Weaviate => DocumentForm::Text,
            Dialect::Union if names_raw_scores => DocumentForm::Text,
            _ => DocumentForm::Object,
        };
        Ok(asked.then_some(form))
    }

    /// Reads the side from its own field, or from Cohere's and NIM's "START" and "END" for
    /// `truncate`.
    fn truncation_side(&mut self) -> Result<Option<Side>, WireError> {
        let own = self.read(Field::TruncationSide, side)?;
        let body = self.body;
        let word = self.keys_of(Field::Truncation).find_map(|key| body.get(key).and_then(Value::as_str));
        let implied = word.and_then(|word| match word.to_ascii_uppercase().as_str() {
            "START" => Some(Side::Left),
            "END" => Some(Side::Right),
            _ => None,
        });
        Ok(own.or(implied))
    }
}

/// Returns true for the model name that infinity-client sends if the user names none.
fn is_placeholder(model: &str) -> bool {
    model.is_empty() || model == "default/not-specified"
}

/// Reads `top_n`. 0 means all, as null does.
fn top_n(key: &str, value: &Value) -> Result<Option<usize>, WireError> {
    let n = integer(key, value, 0, u64::MAX)?;
    Ok(usize::try_from(n).ok().filter(|n| *n > 0))
}

/// Reads a limit of tokens, at least 1. vLLM's -1 and 0 mean the model's own limit.
pub(super) fn tokens(key: &str, value: &Value) -> Result<Option<NonZeroU32>, WireError> {
    if value.as_i64() == Some(-1) {
        return Ok(None);
    }
    Ok(NonZeroU32::new(integer(key, value, 0, u64::from(u32::MAX))? as u32))
}

fn truncation(key: &str, value: &Value) -> Result<bool, WireError> {
    let word = value.as_str().map(str::to_ascii_uppercase);
    match word.as_deref() {
        Some("NONE") => Ok(false),
        Some("START" | "END") => Ok(true),
        _ => as_boolean(value).ok_or_else(|| wrong(key, value, "true, false, \"NONE\", \"START\" or \"END\"")),
    }
}

/// Reads a side. TEI's README and Continue write "Right", its types "right".
pub(super) fn side(key: &str, value: &Value) -> Result<Side, WireError> {
    match value.as_str().map(str::to_ascii_lowercase).as_deref() {
        Some("left") => Ok(Side::Left),
        Some("right") => Ok(Side::Right),
        _ => Err(wrong(key, value, "\"left\" or \"right\"")),
    }
}

fn on_deadline(key: &str, value: &Value) -> Result<OnDeadline, WireError> {
    match value.as_str() {
        Some("error") => Ok(OnDeadline::Error),
        Some("partial") => Ok(OnDeadline::Partial),
        _ => Err(wrong(key, value, "\"error\" or \"partial\"")),
    }
}

/// cohere 7.3.1, `RerankRelevantSpans`: mode "enabled" or "disabled", threshold 0.1 by default.
fn relevant_spans(key: &str, value: &Value) -> Result<Option<SpanOptions>, WireError> {
    let options = value.as_object().ok_or_else(|| wrong(key, value, "an object {\"mode\": \"enabled\"}"))?;
    let given = |name: &str| options.get(name).filter(|value| !value.is_null());
    let enabled = match given("mode").map(|mode| (mode, mode.as_str())) {
        None | Some((_, Some("enabled"))) => true,
        Some((_, Some("disabled"))) => false,
        Some((mode, _)) => return Err(wrong(&format!("{key}.mode"), mode, "\"enabled\" or \"disabled\"")),
    };
    let threshold = given("threshold").map_or(Ok(0.1), |v| fraction(&format!("{key}.threshold"), v))?;
    let count = given("max_spans").map(|v| integer(&format!("{key}.max_spans"), v, 1, u64::MAX)).transpose()?;
    let max_spans = count.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    Ok(enabled.then_some(SpanOptions { threshold, max_spans }))
}

fn fraction(key: &str, value: &Value) -> Result<f64, WireError> {
    value.as_f64().filter(|n| (0.0..=1.0).contains(n)).ok_or_else(|| wrong(key, value, "a number from 0 to 1"))
}

fn rank_fields(key: &str, value: &Value) -> Result<Vec<String>, WireError> {
    let list = value.as_array().ok_or_else(|| wrong(key, value, "a list of field names"))?;
    list.iter().enumerate().map(|(i, name)| text(&format!("{key}[{i}]"), name)).collect()
}

/// Reads a document: a string, or an object with its text under `rank_fields`, else `text`, else
/// `content`.
fn document(key: &str, value: &Value, rank_fields: Option<&[String]>) -> Result<Document, WireError> {
    let object = match value {
        Value::String(text) => return Ok(Document { text: text.clone(), fields: Vec::new() }),
        Value::Object(object) => object,
        other => return Err(wrong(key, other, "a string or an object {\"text\": …}")),
    };
    if let Some(fields) = rank_fields.filter(|fields| !fields.is_empty()) {
        return joined(key, object, fields);
    }
    let Some(field) = ["text", "content"].into_iter().find(|field| object.contains_key(*field)) else {
        let remedy = "a field 'text' or 'content', or other fields named in 'rank_fields'";
        return Err(WireError::Wrong { key: key.to_owned(), found: found(value), wanted: remedy.to_owned() });
    };
    let text = text(&format!("{key}.{field}"), &object[field])?;
    Ok(Document { text, fields: vec![field.to_owned()] })
}

/// Joins the fields' texts, a line each, in the order of `rank_fields`. A document may lack some
/// fields, not all.
fn joined(key: &str, object: &Map<String, Value>, fields: &[String]) -> Result<Document, WireError> {
    let mut document = Document { text: String::new(), fields: Vec::new() };
    for field in fields {
        let Some(value) = object.get(field).filter(|value| !value.is_null()) else { continue };
        let line = match value {
            Value::Number(number) => number.to_string(),
            other => text(&format!("{key}.{field}"), other)?,
        };
        if !document.fields.is_empty() {
            document.text.push('\n');
        }
        document.text.push_str(&line);
        document.fields.push(field.clone());
    }
    if document.fields.is_empty() {
        let wanted = format!("at least one of the 'rank_fields' [{}]", fields.join(", "));
        return Err(WireError::Wrong { key: key.to_owned(), found: found(&Value::Object(object.clone())), wanted });
    }
    Ok(document)
}
