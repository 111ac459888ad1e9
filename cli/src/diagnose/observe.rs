//! From what was read to what is observed: the model's scores of every pair, and what became of the texts on their way into the model.

use nearsort::diagnose::{Candidate, Configuration, Document, ModeScores, Observations, Query, Setting};
use nearsort::io::Row;
use nearsort::scorer::less_window_margin;
use nearsort::{LongText, ModelRun, ScoredList, Scoring};

use super::input::Input;
use super::scoreroom::{Scoreroom, mode_scores};
use super::trials;
use crate::args::ScoringArgs;
use crate::reading::warn_of_readings;
use crate::{Failure, model};
use nearsort::answer::Readings;

/// What was observed, and by what.
pub struct Observed {
    pub observations: Observations,
    pub model: ModelRun,
    pub max_tokens: usize,
    /// Queries that other prompts and poolings were tried on.
    pub tried_queries: usize,
}

/// What `nearsort rerank` would do with the same options.
fn configuration(scoring: &ScoringArgs) -> Result<Configuration, Failure> {
    let chosen = scoring.scoring.unwrap_or(Configuration::default().scoring);
    Ok(Configuration {
        scoring: chosen,
        blend: model::blend(scoring)?.unwrap_or(chosen.default_blend()),
        long_text: scoring.long.unwrap_or(chosen.default_long_text()),
    })
}

pub fn observe(input: Input, room: &Scoreroom<'_>) -> Result<Observed, Failure> {
    let args = room.args;
    let configuration = configuration(&args.scoring)?;
    let reranker = room.reranker(&args.model, Scoring::Hybrid, LongText::Truncate)?;
    let encoder = reranker.encoder().ok_or_else(|| Failure::Error("there is no local model to diagnose".into()))?;
    let contract = encoder.contract();
    let mut documents: Vec<Document> = input.documents.iter().map(document).collect();
    let passages: Vec<_> = input.documents.iter().map(Row::passage).collect();
    let texts: Vec<&str> = passages.iter().map(AsRef::as_ref).collect();
    let lists: Vec<(&str, Vec<usize>)> = input
        .queries
        .iter()
        .map(|asked| (asked.query.text.as_str(), asked.candidates.iter().map(|found| found.document).collect()))
        .collect();
    let scored = room.score(&reranker, &lists, &texts)?;
    note_lengths(&mut documents, &lists, &scored);
    let mut readings = Readings::default();
    let ids = input.queries.iter().map(|asked| &asked.query.id);
    ids.zip(&scored).for_each(|(id, scored)| readings.add(id, scored.query));
    warn_of_readings(room.talk, &readings, contract.max_tokens, reranker.score_kind());
    let mut queries = queries(&input, &scored)?;
    add_windows(&mut queries, &documents, &texts, configuration, room)?;
    let setting = Setting {
        model: args.model.name().to_owned(),
        configuration,
        depth: None,
        query_prompt: contract.query_prompt.clone(),
        document_prompt: contract.document_prompt.clone(),
        pooling: contract.pooling.to_string(),
    };
    let mut model = reranker.model_run();
    (model.scoring, model.long_text) = (configuration.scoring.kind(), configuration.long_text);
    let mut observations = Observations {
        setting,
        documents,
        queries,
        is_sample: input.is_sample,
        trials: Vec::new(),
        qrels: input.qrels,
    };
    let tried_queries = trials::add(&mut observations, &texts, encoder, room)?;
    Ok(Observed { max_tokens: contract.max_tokens, observations, model, tried_queries })
}

fn document(row: &Row) -> Document {
    Document { id: row.id.clone(), text: row.passage().into_owned(), tokens: 0, unknown: 0, truncated: false }
}

/// Tokens, unknown ones and truncation do not depend on the query.
fn note_lengths(documents: &mut [Document], lists: &[(&str, Vec<usize>)], scored: &[ScoredList]) {
    for ((_, candidates), scored) in lists.iter().zip(scored) {
        for (at, &document) in candidates.iter().enumerate() {
            let (document, pair) = (&mut documents[document], &scored.pairs[at]);
            document.tokens = pair.tokens;
            document.unknown = pair.unknown;
            document.truncated = pair.truncated;
        }
    }
}

fn queries(input: &Input, scored: &[ScoredList]) -> Result<Vec<Query>, Failure> {
    let query = |(asked, scored): (&super::input::Asked, &ScoredList)| {
        let scores = mode_scores(scored)?;
        let candidate = |(found, scores): (&super::input::Found, ModeScores)| Candidate {
            document: found.document,
            first_stage: found.score,
            rank: Some(found.rank),
            scores,
            windowed: None,
        };
        let candidates = asked.candidates.iter().zip(scores).map(candidate).collect();
        Ok(Query { id: asked.query.id.clone(), text: asked.query.text.clone(), candidates })
    };
    input.queries.iter().zip(scored).map(query).collect()
}

/// Reads the texts that were cut in windows, if there are any.
fn add_windows(
    queries: &mut [Query],
    documents: &[Document],
    texts: &[&str],
    setting: Configuration,
    room: &Scoreroom<'_>,
) -> Result<(), Failure> {
    let is_cut = |candidate: &Candidate| documents[candidate.document].truncated;
    let cut: Vec<usize> = (0..documents.len()).filter(|&at| documents[at].truncated).collect();
    if cut.is_empty() {
        return Ok(());
    }
    let texts: Vec<&str> = cut.iter().map(|&at| texts[at]).collect();
    let place = |candidate: &Candidate| cut.binary_search(&candidate.document).unwrap_or_default();
    let lists: Vec<(&str, Vec<usize>)> = queries
        .iter()
        .map(|query| (query.text.as_str(), query.candidates.iter().filter(|c| is_cut(c)).map(place).collect()))
        .collect();
    let by_hybrid = score_windows(&lists, &texts, Scoring::Hybrid, room)?;
    let mut windowed = by_hybrid.iter().map(best_window_scores).collect::<Result<Vec<_>, _>>()?;
    if setting.long_text == LongText::Window && setting.scoring != Scoring::Hybrid {
        // What is diagnosed is scored exactly as it is reranked; by hybrid's best window it would only be near.
        let exact = score_windows(&lists, &texts, setting.scoring, room)?;
        let exact = exact.iter().flat_map(ScoredList::scores);
        for (scores, exact) in windowed.iter_mut().flatten().zip(exact) {
            match setting.scoring {
                Scoring::Cosine => scores.cosine = exact,
                Scoring::MaxSim => scores.maxsim = exact,
                Scoring::Hybrid => {}
            }
        }
    }
    for (query, scores) in queries.iter_mut().zip(windowed) {
        let cut = query.candidates.iter_mut().filter(|candidate| is_cut(candidate));
        cut.zip(scores).for_each(|(candidate, scores)| candidate.windowed = Some(scores));
    }
    Ok(())
}

/// Scores by the best window of each text.
fn score_windows(
    lists: &[(&str, Vec<usize>)],
    texts: &[&str],
    scoring: Scoring,
    room: &Scoreroom<'_>,
) -> Result<Vec<ScoredList>, Failure> {
    let reranker = room.reranker(&room.args.model, scoring, LongText::Window)?;
    room.score(&reranker, lists, texts)
}

/// The hybrid score of the best windows and its parts. The hybrid score has the margin of later windows in it, its parts have not.
fn best_window_scores(scored: &ScoredList) -> Result<Vec<ModeScores>, Failure> {
    let mut scores = mode_scores(scored)?;
    for (scores, pair) in scores.iter_mut().zip(&scored.pairs) {
        let start = pair.window.as_ref().map_or(0, |window| window.start);
        scores.cosine = less_window_margin(scores.cosine, start);
        scores.maxsim = less_window_margin(scores.maxsim, start);
    }
    Ok(scores)
}
