//! TEI's `/predict` (`PredictInput` of `router/src/http/types.rs`).

use serde_json::{Value, json};

use super::body::{RequestLimits, object, unknown_keys};
use super::error::WireError;
use super::openai::given;
use super::reply::Reply;
use super::value::{boolean, text, wrong};

pub(crate) const KEYS: &[&str] = &["inputs", "truncate", "raw_scores", "model"];

/// One input of a classifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PredictText {
    Single(String),
    Pair(String, String),
}

/// A predict request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictRequest {
    pub model: Option<String>,
    /// At least one.
    pub inputs: Vec<PredictText>,
    /// True if the answer is a list of lists. A request of one input gets a single list.
    pub batch: bool,
    pub raw_scores: bool,
    pub truncation: Option<bool>,
    pub warnings: Vec<String>,
}

/// A class and its score.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    pub label: String,
    pub score: f64,
}

/// Reads a `/predict` body: `inputs` is `"a"`, `["a"]`, a pair `["a", "b"]`, or a batch `[["a"],
/// ["a", "b"]]`.
///
/// # Errors
/// A required key missing, a value of a wrong type, more inputs than the limits allow.
pub fn read_predict(bytes: &[u8], limits: &RequestLimits) -> Result<PredictRequest, WireError> {
    let body = object(bytes, limits)?;
    let wanted = "a string, a pair of strings, or a list of lists of one or two strings";
    let value = given(&body, "inputs").ok_or(WireError::Missing { key: "inputs".to_owned(), wanted })?;
    let (inputs, batch) = match value {
        Value::Array(list) if list.first().is_some_and(Value::is_array) => {
            limits.check("inputs", list.len())?;
            let one = |(i, value): (usize, &Value)| single_or_pair(&format!("inputs[{i}]"), value);
            (list.iter().enumerate().map(one).collect::<Result<_, _>>()?, true)
        }
        other => (vec![single_or_pair("inputs", other)?], false),
    };
    let flag = |key: &str| given(&body, key).map(|value| boolean(key, value)).transpose();
    Ok(PredictRequest {
        model: given(&body, "model").map(|value| text("model", value)).transpose()?,
        inputs,
        batch,
        raw_scores: flag("raw_scores")?.unwrap_or(false),
        truncation: flag("truncate")?,
        warnings: unknown_keys(&body, KEYS.iter().copied()),
    })
}

fn single_or_pair(key: &str, value: &Value) -> Result<PredictText, WireError> {
    match value {
        Value::String(one) => Ok(PredictText::Single(one.clone())),
        Value::Array(list) => match list.as_slice() {
            [one] => Ok(PredictText::Single(text(&format!("{key}[0]"), one)?)),
            [a, b] => Ok(PredictText::Pair(text(&format!("{key}[0]"), a)?, text(&format!("{key}[1]"), b)?)),
            _ => Err(wrong(key, value, "one or two strings; a batch is a list of lists")),
        },
        other => Err(wrong(key, other, "a string, or a list of one or two strings")),
    }
}

/// `[{score, label}]` by score, then by the model's order of labels; a list of these for a batch.
///
/// # Errors
/// Another number of predictions than of inputs, or a score that is not finite.
pub fn predict_reply(request: &PredictRequest, predictions: &[Vec<Prediction>]) -> Result<Reply, WireError> {
    let (got, wanted) = (predictions.len(), request.inputs.len());
    if got != wanted {
        return Err(WireError::Backend { detail: format!("{got} predictions for {wanted} inputs") });
    }
    let finite = |of: &Vec<Prediction>| of.iter().all(|prediction| prediction.score.is_finite());
    if let Some(index) = predictions.iter().position(|of| !finite(of)) {
        return Err(WireError::NotFinite { index });
    }
    let mut lists: Vec<Value> = predictions.iter().map(|of| sorted(of)).collect();
    Ok(match lists.pop() {
        Some(only) if !request.batch => Reply::json(&only),
        last => Reply::json(&lists.into_iter().chain(last).collect()),
    })
}

fn sorted(predictions: &[Prediction]) -> Value {
    let mut by_score: Vec<&Prediction> = predictions.iter().collect();
    by_score.sort_by(|a, b| b.score.total_cmp(&a.score));
    by_score.into_iter().map(|p| json!({ "score": p.score, "label": p.label })).collect()
}
