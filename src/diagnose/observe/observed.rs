//! Makes observations from the material: the model's scores of every pair, and the lengths and
//! truncation of the texts.

use super::material::{AskedQuery, Found, Material, Passage};
use super::room::{Asked, Room, mode_scores};
use super::trials;
use crate::answer::{ModelRun, Readings};
use crate::call::Call;
use crate::diagnose::{Candidate, Configuration, Document, ModeScores, Observations, ObservedQuery, Setting};
use crate::job::Observer;
use crate::model::{Model, RankOptions};
use crate::scorer::{LongText, Scored, ScoredList, Scoring, UnitVector, less_window_margin};
use crate::{Error, Result};

/// Options of observing.
#[derive(Debug, Clone, Default)]
pub struct ObserveOptions {
    /// The model's name for commands in the report; `None`: the model's own name.
    pub model: Option<String>,
    /// The configuration of scoring.
    pub configuration: Configuration,
    /// The seed that draws the judged queries for trials of other prompts and poolings.
    pub seed: u64,
}

impl ObserveOptions {
    /// Creates options for looking at a reranker with these options. What they leave open follows
    /// from the model, as in [`RankOptions`].
    pub fn of(model: &Model, options: &RankOptions) -> Self {
        let scoring = options.scoring.or(model.default_scoring()).unwrap_or(Configuration::default().scoring);
        let configuration = Configuration {
            scoring,
            blend: options.blend.unwrap_or(scoring.default_blend()),
            feedback: options.feedback,
            long_text: options.long_text.unwrap_or(scoring.default_long_text()),
        };
        Self { configuration, ..Self::default() }
    }
}

/// The observations, and the model that made them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Observed {
    /// The input of [`diagnose`](crate::diagnose::diagnose).
    pub observations: Observations,
    /// The model, and the device and engine that ran it.
    pub model: ModelRun,
    /// The longest text that it reads, in tokens.
    pub max_tokens: usize,
    /// The tokens and truncation of the queries.
    pub readings: Readings,
    /// Number of queries that other prompts and poolings were tried on.
    pub tried_queries: usize,
    /// Notes on what was left out when the material was read.
    pub notes: Vec<String>,
}

/// Scores every pair with a local embedding model. If there are judgements, it also tries other
/// prompts and poolings; [`observe_scores`] does not.
///
/// # Errors
/// [`Error::InvalidArgument`] for a model that is not a local embedding model, for a candidate that
/// refers to no document, and for an empty query; [`Error::At`] naming a query without finite
/// scores; errors of scoring.
pub fn observe(
    material: Material,
    model: &Model,
    options: &ObserveOptions,
    observer: &dyn Observer,
    call: &Call<'_>,
) -> Result<Observed> {
    observed(material, options, &Room { model, observer, call }, true)
}

/// Scores every pair with a local embedding model, for [`tune`](crate::diagnose::tune()).
///
/// # Errors
/// As [`observe`].
pub fn observe_scores(
    material: Material,
    model: &Model,
    options: &ObserveOptions,
    observer: &dyn Observer,
    call: &Call<'_>,
) -> Result<Observed> {
    observed(material, options, &Room { model, observer, call }, false)
}

fn observed(material: Material, options: &ObserveOptions, room: &Room<'_>, with_trials: bool) -> Result<Observed> {
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
    add_windows(&mut queries, &documents, &texts, options.configuration, room)?;
    let name = options.model.as_deref().unwrap_or(room.model.name());
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
    let tried_queries = match with_trials {
        true => trials::add(&mut observations, &texts, encoder, room, options.seed)?,
        false => 0,
    };
    Ok(Observed { max_tokens: contract.max_tokens, observations, model: run, readings, tried_queries, notes })
}

fn asked(query: &AskedQuery) -> Asked<'_> {
    (&query.text, query.candidates.iter().map(|found| found.document).collect())
}

fn document(passage: &Passage) -> Document {
    let Passage { id, text } = passage.clone();
    Document { id, text, tokens: 0, unknown: 0, truncated: false }
}

/// Records the lengths of documents. Tokens, unknown ones and truncation do not depend on the
/// query.
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

fn query(asked: &AskedQuery, scored: &ScoredList) -> Result<ObservedQuery> {
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
    Ok(ObservedQuery { id: asked.id.clone(), text: asked.text.clone(), candidates })
}

/// Scores the truncated texts in windows, if there are any.
fn add_windows(
    queries: &mut [ObservedQuery],
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
        // The setting is scored exactly as in reranking; the best window by hybrid would only be an
        // approximation.
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

/// Returns the embeddings of all pairs, list by list.
fn vectors_of(lists: &[ScoredList]) -> Vec<Option<UnitVector>> {
    lists.iter().flat_map(|list| &list.pairs).map(|pair| pair.vector.clone()).collect()
}

/// Returns the scores of the best window of each text.
fn score_windows(lists: &[Asked<'_>], texts: &[&str], scoring: Scoring, room: &Room<'_>) -> Result<Vec<ScoredList>> {
    room.score(&room.reranker(scoring, LongText::Window)?, lists, texts)
}

/// Returns the hybrid score of the best windows and its parts. The hybrid score includes the margin
/// of later windows; its parts do not.
fn best_window_scores(scored: &ScoredList) -> Result<Vec<ModeScores>> {
    let mut scores = mode_scores(scored)?;
    for (scores, pair) in scores.iter_mut().zip(&scored.pairs) {
        let start = pair.window.as_ref().map_or(0, |window| window.start);
        scores.cosine = less_window_margin(scores.cosine, start);
        scores.maxsim = less_window_margin(scores.maxsim, start);
    }
    Ok(scores)
}
