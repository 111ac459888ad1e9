//! Converts answers to their JSON form.

use serde::Serialize;
use serde_json::{Map, Value};

use super::document::{
    CharacterRange, ExplanationDocument, HeaderDocument, MatchDocument, ResultDocument, StageDocument, UsageDocument,
    WordDocument,
};
use super::model_run::ModelRun;
use super::raw_json::RawObject;
use super::shape::AnswerShape;
use super::value::{Ranked, RankedQuery};
use crate::scorer::{Explanation, Match, StageScore};

/// Names of result fields. A field of the input never takes one, even if the result lacks it.
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

type Json<T> = Result<T, serde_json::Error>;

/// Returns the whole answer as JSON text without blanks.
pub(super) fn answer(answer: &RankedQuery<'_>, shape: AnswerShape) -> Json<String> {
    let result = |(rank, ranked)| with_input(object(&result(rank, ranked, answer, shape))?, ranked).compact();
    let results = (1..).zip(&answer.results).map(result).collect::<Json<Vec<_>>>()?;
    let mut fields = object(&header(answer, shape))?;
    if let Some(work) = &answer.work {
        let service = work.service.clone().unwrap_or_default();
        let usage = UsageDocument { tokens: work.tokens, truncated: work.truncated, service };
        fields.insert("usage".into(), object(&usage)?.into());
    }
    let results = format!("[{}]", results.join(","));
    let mut all = RawObject::new(fields);
    all.push("results".into(), &results);
    all.compact()
}

/// Returns the answer's lines of JSONL.
pub(super) fn lines<'a>(
    answer: &'a RankedQuery<'_>,
    shape: AnswerShape,
) -> Json<impl Iterator<Item = Json<String>> + 'a> {
    let header = object(&header(answer, shape))?;
    Ok((1..).zip(&answer.results).map(move |(rank, ranked)| {
        let mut fields = header.clone();
        fields.extend(object(&result(rank, ranked, answer, shape))?);
        with_input(fields, ranked).compact()
    }))
}

fn object(document: &impl Serialize) -> Json<Map<String, Value>> {
    match serde_json::to_value(document)? {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

/// Adds the input's fields that nearsort does not read.
fn with_input<'a>(fields: Map<String, Value>, ranked: &Ranked<'a>) -> RawObject<'a> {
    let mut object = RawObject::new(fields);
    for (name, json) in ranked.row.into_iter().flat_map(|row| row.extra.iter()) {
        // A field of the input replaces neither a field of nearsort's nor another field of the
        // input.
        let mut name = name.to_owned();
        while object.contains(&name) || RESULT_NAMES.contains(&name.as_str()) {
            name.insert_str(0, "input_");
        }
        object.push(name, json);
    }
    object
}

fn header(answer: &RankedQuery<'_>, shape: AnswerShape) -> HeaderDocument {
    let (model, index) = (answer.model, answer.index.as_ref());
    HeaderDocument {
        query: answer.query.text.clone(),
        query_id: shape.with_query.then(|| answer.query.id.clone()),
        model: model.name.clone(),
        revision: model.revision.clone(),
        device: model.device.clone(),
        engine: model.engine.clone(),
        precision: model.precision.clone(),
        isa: model.isa.to_owned(),
        index_dtype: index.map(|index| index.dtype.clone()),
        index_empty_rows: index.map(|index| index.empty_rows),
        scoring: model.scoring.to_string(),
        long: index.is_none().then(|| model.long_text.to_string()),
        blend: answer.blend.map(|blend| blend.to_string()),
        feedback: answer.feedback.and_then(number),
        score_kind: answer.score_kind().to_string(),
        query_tokens: answer.reading.tokens,
        query_truncated: answer.reading.truncated,
    }
}

fn result(rank: usize, ranked: &Ranked<'_>, answer: &RankedQuery<'_>, shape: AnswerShape) -> ResultDocument {
    let (pair, row, passage) = (&ranked.pair, ranked.row, ranked.passage());
    let reason = pair.shown_reason();
    let is_mixed = reason.is_none() && ranked.hit.score != pair.score;
    let has_stages = !answer.model.stages.is_empty();
    let window = pair.window.as_ref().filter(|_| row.is_some());
    let explanation = ranked.explanation.as_ref();
    ResultDocument {
        rank,
        index: ranked.hit.index,
        id: ranked.id.clone().into_owned(),
        score: number(ranked.hit.score).filter(|_| reason.is_none()),
        unscored: reason.map(str::to_owned),
        model_score: number(pair.score).filter(|_| is_mixed),
        stage: has_stages.then(|| stage(answer.model, pair.stage)),
        tokens: row.map(|_| pair.tokens),
        truncated: row.map(|_| pair.truncated),
        best_window: window.map(|window| CharacterRange::of(&passage, window)),
        first_stage_score: ranked.first_stage,
        explanation: explanation.map(|explanation| explained(&answer.query.text, &passage, explanation)),
        title: row.and_then(|row| row.title.clone()).filter(|_| shape.with_text),
        text: row.map(|row| row.text.clone()).filter(|_| shape.with_text),
    }
}

/// Returns the stage that scored a candidate last; `None` if no stage scored it.
fn stage(model: &ModelRun, scored: Option<StageScore>) -> Option<StageDocument> {
    let scored = scored?;
    let info = model.stages.get(scored.stage)?;
    Some(StageDocument {
        number: scored.stage + 1,
        by: info.name.clone(),
        score: number(scored.value),
        score_kind: info.kind.to_string(),
    })
}

fn explained(query: &str, passage: &str, explanation: &Explanation) -> ExplanationDocument {
    let met = |m: &Match| MatchDocument {
        query: WordDocument::of(query, &m.query),
        candidate: WordDocument::of(passage, &m.candidate),
        similarity: number(m.similarity),
    };
    ExplanationDocument {
        parts: explanation.parts.iter().map(|&(kind, value)| (kind.to_string(), number(value))).collect(),
        matches: explanation.matches.iter().map(met).collect(),
    }
}

/// Returns the shortest decimal of this f32: 0.79, not 0.7900000214576721. `None` if the score is
/// not finite.
fn number(score: f32) -> Option<f64> {
    score.to_string().parse().ok().filter(|number: &f64| number.is_finite())
}
