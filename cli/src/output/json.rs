//! Answers as JSON values.

use std::ops::Range;

use nearsort::StageScore;
use nearsort::scorer::{Explanation, Match};
use serde_json::{Map, Value, json};

use super::raw_json::RawObject;
use super::{Answer, ModelLine, Ranked};

/// Names of a result that no field of the input takes, whether or not the result has them.
const RESULT_NAMES: [&str; 14] = [
    "rank",
    "index",
    "id",
    "score",
    "unscored",
    "model_score",
    "stage",
    "tokens",
    "truncated",
    "best_window",
    "first_stage_score",
    "explanation",
    "title",
    "text",
];

/// The whole answer as JSON text.
pub fn answer(answer: &Answer<'_>, with_text: bool, with_query: bool) -> Result<String, serde_json::Error> {
    let result = |(rank, ranked)| result(Map::new(), rank, ranked, answer, with_text).compact();
    let results = (1..).zip(&answer.results).map(result).collect::<Result<Vec<_>, _>>()?;
    let mut object = header(answer, with_query);
    let mut usage = Map::new();
    usage.insert("tokens".into(), answer.tokens.into());
    usage.insert("truncated".into(), answer.truncated.into());
    usage.extend(answer.service.clone().unwrap_or_default());
    object.insert("usage".into(), usage.into());
    let results = format!("[{}]", results.join(","));
    let mut object = RawObject::new(object);
    object.push("results".into(), &results);
    object.compact()
}

/// Which model, and how it ran.
pub fn model_fields(model: &ModelLine) -> [(&'static str, Value); 6] {
    [
        ("model", json!(model.name)),
        ("revision", json!(model.revision)),
        ("device", json!(model.device)),
        ("engine", json!(model.engine)),
        ("precision", json!(model.precision)),
        ("isa", json!(model.isa)),
    ]
}

/// What holds for every result of an answer.
pub fn header(answer: &Answer<'_>, with_query: bool) -> Map<String, Value> {
    let model = &answer.model;
    let query_id = with_query.then(|| ("query_id", json!(answer.query.id)));
    let fields = [
        ("scoring", json!(model.scoring.to_string())),
        ("long", json!(model.long_text)),
        ("blend", json!(answer.blend)),
        ("score_kind", json!(answer.score_kind())),
        ("query_tokens", json!(answer.reading.tokens)),
        ("query_truncated", json!(answer.reading.truncated)),
    ];
    let query = [("query", json!(answer.query.text))].into_iter().chain(query_id);
    let fields = query.chain(model_fields(model)).chain(fields);
    fields.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Adds a result's fields to `object`.
pub fn result<'a>(
    mut object: Map<String, Value>,
    rank: usize,
    ranked: &Ranked<'a>,
    answer: &Answer<'_>,
    with_text: bool,
) -> RawObject<'a> {
    let (row, pair) = (ranked.row, &ranked.pair);
    let passage = row.passage();
    object.insert("rank".into(), rank.into());
    object.insert("index".into(), ranked.hit.index.into());
    object.insert("id".into(), row.id.clone().into());
    let score = if pair.shown_reason().is_some() { Value::Null } else { number(ranked.hit.score) };
    object.insert("score".into(), score);
    if let Some(reason) = pair.shown_reason() {
        object.insert("unscored".into(), reason.into());
    } else if ranked.hit.score != pair.score {
        object.insert("model_score".into(), number(pair.score));
    }
    if !answer.model.stages.is_empty() {
        object.insert("stage".into(), stage(answer.model, pair.stage));
    }
    object.insert("tokens".into(), pair.tokens.into());
    object.insert("truncated".into(), pair.truncated.into());
    if let Some(window) = &pair.window {
        object.insert("best_window".into(), characters(&passage, window));
    }
    if let Some(score) = ranked.first_stage {
        object.insert("first_stage_score".into(), score.into());
    }
    if let Some(explanation) = &ranked.explanation {
        object.insert("explanation".into(), explained(&answer.query.text, &passage, explanation));
    }
    if with_text {
        if let Some(title) = &row.title {
            object.insert("title".into(), title.clone().into());
        }
        object.insert("text".into(), row.text.clone().into());
    }
    let mut object = RawObject::new(object);
    for (name, json) in row.extra.iter() {
        // A field of the input never replaces one of ours, nor another of the input.
        let mut name = name.to_owned();
        while object.contains(&name) || RESULT_NAMES.contains(&name.as_str()) {
            name.insert_str(0, "input_");
        }
        object.push(name, json);
    }
    object
}

/// Who scored a candidate last, and how; null for one that no stage looked at.
fn stage(model: &ModelLine, scored: Option<StageScore>) -> Value {
    let Some((score, info)) = scored.and_then(|score| Some((score, model.stages.get(score.stage)?))) else {
        return Value::Null;
    };
    json!({
        "number": score.stage + 1,
        "by": info.name,
        "score": number(score.value),
        "score_kind": info.kind.to_string(),
    })
}

/// A range of bytes as a range of characters, which is what most languages count.
fn characters(text: &str, bytes: &Range<usize>) -> Value {
    let count = |end: usize| text.get(..end).map_or(0, |before| before.chars().count());
    json!({ "start": count(bytes.start), "end": count(bytes.end) })
}

fn explained(query: &str, passage: &str, explanation: &Explanation) -> Value {
    let parts: Map<String, Value> =
        explanation.parts.iter().map(|&(kind, value)| (kind.to_string(), number(value))).collect();
    let word = |text: &str, range: &Range<usize>| {
        let mut word = characters(text, range);
        word["text"] = text.get(range.clone()).unwrap_or_default().into();
        word
    };
    let met = |m: &Match| {
        json!({
            "query": word(query, &m.query),
            "candidate": word(passage, &m.candidate),
            "similarity": number(m.similarity),
        })
    };
    json!({ "parts": parts, "matches": explanation.matches.iter().map(met).collect::<Vec<Value>>() })
}

/// The shortest decimal that is this f32: 0.79, not 0.7900000214576721. Null where there is no finite score.
pub fn number(score: f32) -> Value {
    score.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}
