//! From what was read to what is observed: the model's scores of every pair, and what became of the texts on their way into the model.

use super::material::{AskedQuery, Found, Material, Passage};
use super::room::{Asked, Room, mode_scores};
use super::trials;
use crate::answer::{ModelRun, Readings};
use crate::call::Call;
use crate::diagnose::{Candidate, Configuration, Document, ModeScores, Observations, Query, Setting};
use crate::job::Observer;
use crate::model::Model;
use crate::scorer::{LongText, Scored, ScoredList, Scoring, UnitVector, less_window_margin};
use crate::{Error, Result};

/// What is diagnosed.
#[derive(Debug, Clone, Default)]
pub struct ObserveOptions {
    /// What the model is called where it is to be named again; `None`: by its own name.
    pub model: Option<String>,
    /// How pairs are scored.
    pub configuration: Configuration,
    /// Which judged queries are tried with other prompts and poolings.
    pub seed: u64,
}

/// What was observed, and by what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Observed {
    /// What [`diagnose`](crate::diagnose::diagnose) looks at.
    pub observations: Observations,
    /// Which model, and how it ran.
    pub model: ModelRun,
    /// Longest text that it takes, in tokens.
    pub max_tokens: usize,
    /// What became of the queries.
    pub readings: Readings,
    /// Queries that other prompts and poolings were tried on.
    pub tried_queries: usize,
    /// What was left out when the material was read.
    pub notes: Vec<String>,
}

/// Scores every pair with a local embedding model, and tries it with other prompts and poolings where there are judgements.
///
/// # Errors
/// [`Error::InvalidArgument`] for a model that is none, for a candidate that names no document, and for an empty query; [`Error::At`] naming the
/// query that the model makes no numbers of; what scoring fails with.
pub fn observe(
    material: Material,
    model: &Model,
    options: &ObserveOptions,
    observer: &dyn Observer,
    call: &Call<'_>,
) -> Result<Observed> {
    let room = Room { model, observer, call };
    let reranker = room.reranker(Scoring::Hybrid, LongText::Truncate)?;
    let encoder =
        reranker.encoder().ok_or_else(|| Error::InvalidArgument("there is no local model to diagnose".into()))?;
    let contract = encoder.contract();
    let texts: Vec<&str> = material.documents.iter().map(|document| document.text.as_str()).collect();
    let lists: Vec<Asked<'_>> = material.queries.iter().map(asked).collect();
    let scored = room.score(&reranker, &lists, &texts)?;
    let mut documents: Vec<Document> = material.documents.iter().map(document).collect();
    note_lengths(&mut documents, &lists, &scored);
    let mut readings = Readings::default();
    material.queries.iter().zip(&scored).for_each(|(query, scored)| readings.add(&query.id, scored.query));
    let mut queries =
        material.queries.iter().zip(&scored).map(|(asked, scored)| query(asked, scored)).collect::<Result<Vec<_>>>()?;
    add_windows(&mut queries, &documents, &texts, options.configuration, &room)?;
    let name = options.model.as_deref().unwrap_or(model.name());
    let setting = Setting {
        model: name.to_owned(),
        configuration: options.configuration,
        depth: None,
        query_prompt: contract.query_prompt.clone(),
        document_prompt: contract.document_prompt.clone(),
        pooling: contract.pooling.to_string(),
    };
    let mut run = reranker.model_run();
    (run.scoring, run.long_text) = (options.configuration.scoring.kind(), options.configuration.long_text);
    let (is_sample, qrels, notes) = (material.is_sample, material.qrels, material.notes);
    let mut observations = Observations { setting, documents, queries, is_sample, trials: Vec::new(), qrels };
    let tried_queries = trials::add(&mut observations, &texts, encoder, &room, options.seed)?;
    Ok(Observed { max_tokens: contract.max_tokens, observations, model: run, readings, tried_queries, notes })
}

fn asked(query: &AskedQuery) -> Asked<'_> {
    (&query.text, query.candidates.iter().map(|found| found.document).collect())
}

fn document(passage: &Passage) -> Document {
    let Passage { id, text } = passage.clone();
    Document { id, text, tokens: 0, unknown: 0, truncated: false }
}

/// Tokens, unknown ones and truncation do not depend on the query.
fn note_lengths(documents: &mut [Document], lists: &[Asked<'_>], scored: &[ScoredList]) {
    for ((_, candidates), scored) in lists.iter().zip(scored) {
        for (at, &document) in candidates.iter().enumerate() {
            let (document, pair) = (&mut documents[document], &scored.pairs[at]);
            document.tokens = pair.tokens;
            document.unknown = pair.unknown;
            document.truncated = pair.truncated;
        }
    }
}

fn query(asked: &AskedQuery, scored: &ScoredList) -> Result<Query> {
    let candidate = |((found, scores), pair): ((&Found, ModeScores), &Scored)| Candidate {
        document: found.document,
        first_stage: found.score,
        rank: found.rank,
        scores,
        windowed: None,
        vector: pair.vector.clone(),
        windowed_vector: None,
    };
    let candidates = asked.candidates.iter().zip(mode_scores(scored)?).zip(&scored.pairs).map(candidate).collect();
    Ok(Query { id: asked.id.clone(), text: asked.text.clone(), candidates })
}

/// Reads the texts that were cut in windows, if there are any.
fn add_windows(
    queries: &mut [Query],
    documents: &[Document],
    texts: &[&str],
    setting: Configuration,
    room: &Room<'_>,
) -> Result<()> {
    let is_cut = |candidate: &Candidate| documents[candidate.document].truncated;
    let cut: Vec<usize> = (0..documents.len()).filter(|&at| documents[at].truncated).collect();
    if cut.is_empty() {
        return Ok(());
    }
    let texts: Vec<&str> = cut.iter().map(|&at| texts[at]).collect();
    let place = |candidate: &Candidate| cut.binary_search(&candidate.document).unwrap_or_default();
    let lists: Vec<Asked<'_>> = queries
        .iter()
        .map(|query| (query.text.as_str(), query.candidates.iter().filter(|c| is_cut(c)).map(place).collect()))
        .collect();
    let by_hybrid = score_windows(&lists, &texts, Scoring::Hybrid, room)?;
    let mut windowed = by_hybrid.iter().map(best_window_scores).collect::<Result<Vec<_>>>()?;
    let mut vectors: Vec<Option<UnitVector>> = vectors_of(&by_hybrid);
    if setting.long_text == LongText::Window && setting.scoring != Scoring::Hybrid {
        // What is diagnosed is scored exactly as it is reranked; by hybrid's best window it would only be near.
        let exact = score_windows(&lists, &texts, setting.scoring, room)?;
        vectors = vectors_of(&exact);
        let exact = exact.iter().flat_map(ScoredList::scores);
        for (scores, exact) in windowed.iter_mut().flatten().zip(exact) {
            match setting.scoring {
                Scoring::Cosine => scores.cosine = exact,
                Scoring::MaxSim => scores.maxsim = exact,
                Scoring::Hybrid => {}
            }
        }
    }
    let mut vectors = vectors.into_iter();
    for (query, scores) in queries.iter_mut().zip(windowed) {
        let cut = query.candidates.iter_mut().filter(|candidate| is_cut(candidate));
        for (candidate, scores) in cut.zip(scores) {
            (candidate.windowed, candidate.windowed_vector) = (Some(scores), vectors.next().flatten());
        }
    }
    Ok(())
}

/// The embeddings of all pairs, list by list.
fn vectors_of(lists: &[ScoredList]) -> Vec<Option<UnitVector>> {
    lists.iter().flat_map(|list| &list.pairs).map(|pair| pair.vector.clone()).collect()
}

/// Scores by the best window of each text.
fn score_windows(lists: &[Asked<'_>], texts: &[&str], scoring: Scoring, room: &Room<'_>) -> Result<Vec<ScoredList>> {
    room.score(&room.reranker(scoring, LongText::Window)?, lists, texts)
}

/// The hybrid score of the best windows and its parts. The hybrid score has the margin of later windows in it, its parts have not.
fn best_window_scores(scored: &ScoredList) -> Result<Vec<ModeScores>> {
    let mut scores = mode_scores(scored)?;
    for (scores, pair) in scores.iter_mut().zip(&scored.pairs) {
        let start = pair.window.as_ref().map_or(0, |window| window.start);
        scores.cosine = less_window_margin(scores.cosine, start);
        scores.maxsim = less_window_margin(scores.maxsim, start);
    }
    Ok(scores)
}
