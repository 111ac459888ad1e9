//! One list of candidates, ranked for one query or for many.
//!
//! Rows are read and scored in chunks of at most [`CHUNK_ROWS`] rows and some 64 MiB. With a top-k,
//! only rows that can still be results are kept, so memory depends on k and not on the number of
//! candidates. Blending with first-stage scores needs the whole list, so it keeps 16 bytes more per
//! candidate. Feedback keeps the rows that can be among the [`MAX_FEEDBACK_CANDIDATES`] best, with
//! their embeddings. For a scorer that needs whole lists, all rows are one chunk.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::named::{of_candidate, of_query};
use super::observer::Observer;
use super::totals::Totals;
use crate::answer::{Format, ModelRun, Ranked, RankedQuery, WorkDone, check_trec_id};
use crate::blend::Blend;
use crate::call::Call;
use crate::io::{Query, Row, Rows};
use crate::ranking::{self, Hit, TopK};
use crate::reranker::Reranker;
use crate::scorer::list::{self, FeedbackStep};
use crate::scorer::{Explanation, Feedback, MAX_FEEDBACK_CANDIDATES, QueryReading, Scored, ScoredList};
use crate::{Error, Result};

/// Number of rows scored at a time: enough for batches of similar length, and few enough for memory
/// at any text length.
pub const CHUNK_ROWS: usize = 4096;

/// The use of first-stage scores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum FirstStageUse {
    /// They are ignored: a first-stage score belongs to one query, but there are many.
    Ignored,
    /// They are used if candidates have them and the reranker blends.
    #[default]
    Taken,
    /// The same, but candidates without them are an error.
    Needed,
}

/// Options for ranking one list of candidates.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RowsOptions {
    /// Maximum number of results of each query; `None`: all.
    pub top_k: Option<usize>,
    /// Minimum model score of results.
    pub min_score: Option<f32>,
    /// If true, a candidate with its query's id is left out, as BEIR does for ArguAna and Quora.
    pub ignore_identical_ids: bool,
    /// If true, each result has an explanation of its score.
    pub explain: bool,
    /// The use of first-stage scores.
    pub first_stage: FirstStageUse,
    /// The output format. Ids that it does not allow are refused before scoring.
    pub format: Option<Format>,
}

/// The ranked candidates of an input, for each query.
#[derive(Debug)]
pub struct RankedRows<'a> {
    lists: Vec<RankedRowList<'a>>,
    rows: HashMap<usize, Row>,
    blend: Option<Blend>,
    totals: Totals,
}

#[derive(Debug)]
struct RankedRowList<'a> {
    query: &'a Query,
    reading: QueryReading,
    feedback: Option<f32>,
    /// Best first.
    results: Vec<(Hit, Scored, Option<Explanation>)>,
}

/// Ranks the rows of an input for each query. [`Hit::index`] is the row's position among the rows.
///
/// # Errors
/// [`Error::At`] naming the query or the row whose score is not a number; [`Error::BadInput`] and
/// [`Error::BadRow`] for missing first-stage scores and for ids that the format does not allow;
/// errors of reading and scoring.
pub fn rank_rows<'a>(
    rows: &mut Rows,
    reranker: &Reranker,
    queries: &'a [Query],
    options: &RowsOptions,
    observer: &dyn Observer,
    call: &Call<'_>,
) -> Result<RankedRows<'a>> {
    let mixes = options.first_stage != FirstStageUse::Ignored && reranker.blend() != Blend::None;
    if mixes {
        rows.need_scores();
    }
    let mut collected = CollectedRows::new(queries, options, reranker);
    let chunk_rows = if reranker.needs_whole_lists() { usize::MAX } else { CHUNK_ROWS };
    observer.expect(queries.len(), false);
    loop {
        let chunk = rows.next_chunk(chunk_rows)?;
        if chunk.is_empty() {
            return collected.ranked(reranker, options, call);
        }
        if options.format == Some(Format::Trec) {
            chunk.iter().try_for_each(|row| check_trec_id(row, rows.name()))?;
        }
        if mixes {
            collected.decide_mixing(&chunk, rows.name(), options.first_stage)?;
        }
        observer.expect(chunk.len(), chunk.len() < chunk_rows);
        collected.add(chunk, reranker, call)?;
        if let Some(k) = options.top_k {
            collected.forget_losers(k);
        }
        collected.forget_vectors();
    }
}

impl RankedRows<'_> {
    /// Returns counts for warnings and summaries. A row that is ranked for several queries counts
    /// as one document, but as a candidate of each.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// Returns the answers in the queries' order. `service`: counts of services' calls, as further
    /// fields of `usage`.
    pub fn answers<'a>(&'a self, model: &'a ModelRun, service: Option<&Map<String, Value>>) -> Vec<RankedQuery<'a>> {
        let answer = |list: &'a RankedRowList<'_>| RankedQuery {
            query: list.query,
            model,
            index: None,
            blend: self.blend,
            feedback: list.feedback,
            reading: list.reading,
            work: Some(WorkDone {
                tokens: self.totals.tokens,
                truncated: self.totals.truncated,
                service: service.cloned(),
            }),
            results: list.results.iter().map(|result| self.result(result)).collect(),
        };
        self.lists.iter().map(answer).collect()
    }

    fn result<'a>(&'a self, (hit, pair, explanation): &(Hit, Scored, Option<Explanation>)) -> Ranked<'a> {
        let row = &self.rows[&hit.index];
        Ranked {
            hit: *hit,
            id: row.id.as_str().into(),
            row: Some(row),
            pair: pair.clone(),
            first_stage: row.first_stage_score,
            explanation: explanation.clone(),
        }
    }
}

/// The state of one query.
struct PerQuery<'a> {
    query: &'a Query,
    best: TopK,
    reading: QueryReading,
    /// The pairs of the candidates that can still be results.
    pairs: HashMap<usize, Scored>,
}

impl PerQuery<'_> {
    /// Returns the candidates with vectors that feedback can need.
    fn with_needed_vectors(&self, mixing: Option<&Mixing>) -> HashSet<usize> {
        let with_vector = self.pairs.iter().filter(|(_, pair)| pair.vector.is_some());
        let Some(mixing) = mixing else {
            let scores = with_vector.map(|(&index, pair)| (index, f64::from(pair.ranked_by), 0.0)).collect::<Vec<_>>();
            return ranking::undominated(&scores, MAX_FEEDBACK_CANDIDATES).into_iter().collect();
        };
        mixing.winners(with_vector.map(|(&index, _)| index), MAX_FEEDBACK_CANDIDATES)
    }

    /// Sets the scores to show and the order after feedback of hits, which come best first. Returns
    /// the weight of the feedback, if there was any.
    fn reorder(&self, hits: &mut Vec<Hit>, mixing: Option<&Mixing>, feedback: Feedback) -> Result<Option<f32>> {
        let weight = feedback.weight(mixing.is_some());
        let model_score = |hit: &mut Hit| hit.score = self.pairs.get(&hit.index).map_or(hit.score, |pair| pair.score);
        let is_scored = |hit: &Hit| self.pairs.get(&hit.index).is_none_or(Scored::is_scored);
        if mixing.is_none() {
            // The score that hits are ranked by may be more precise. A hit that was left out has
            // none.
            hits.iter_mut().filter(|hit| weight.is_none() || !is_scored(hit)).for_each(model_score);
        }
        let Some(weight) = weight else { return Ok(None) };
        let is_long = |mixing: &&Mixing| mixing.model.len() > MAX_FEEDBACK_CANDIDATES;
        let winners = |mixing: &Mixing| mixing.winners(self.pairs.keys().copied(), MAX_FEEDBACK_CANDIDATES);
        let contenders = mixing.filter(is_long).map(winners);
        let mut left_out: Vec<usize> = hits.iter().filter(|hit| !is_scored(hit)).map(|hit| hit.index).collect();
        left_out.sort_unstable();
        let step = FeedbackStep { feedback, weight, left_out: &left_out, contenders };
        let vector = |at: usize| Ok(self.pairs.get(&at).and_then(|pair| pair.vector.clone()));
        let is_moved = step.reorder(hits, vector)?;
        if !is_moved && mixing.is_none() {
            hits.iter_mut().for_each(model_score);
        }
        Ok(is_moved.then_some(weight))
    }
}

/// Both stages' scores of every candidate so far.
#[derive(Default)]
struct Mixing {
    model: Vec<f32>,
    first_stage: Vec<Option<f64>>,
    /// Candidates without text or score, ascending.
    left_out: Vec<usize>,
}

impl Mixing {
    fn add(&mut self, first: usize, chunk: &[Row], pairs: &[Scored]) {
        self.model.extend(pairs.iter().map(|pair| pair.score));
        self.first_stage.extend(chunk.iter().map(|row| row.first_stage_score));
        let left_out = (first..).zip(pairs).filter(|(_, pair)| !pair.is_scored());
        self.left_out.extend(left_out.map(|(at, _)| at));
    }

    /// Returns the candidates among `kept` that can still be among the best `k`.
    fn winners(&self, kept: impl Iterator<Item = usize>, k: usize) -> HashSet<usize> {
        list::contenders(&self.model, &self.first_stage, &self.left_out, kept, k)
    }
}

struct CollectedRows<'a> {
    queries: Vec<PerQuery<'a>>,
    feedback: Feedback,
    ignore_identical_ids: bool,
    rows: HashMap<usize, Row>,
    /// The scores of both stages, if first-stage scores are used.
    mixing: Option<Mixing>,
    totals: Totals,
}

impl<'a> CollectedRows<'a> {
    fn new(queries: &'a [Query], options: &RowsOptions, reranker: &Reranker) -> Self {
        let feedback = reranker.feedback();
        let top_k = needed(options.top_k.unwrap_or(usize::MAX), feedback.weight(false));
        let per_query =
            |query| PerQuery { query, best: TopK::new(top_k), reading: QueryReading::default(), pairs: HashMap::new() };
        let max_tokens = reranker.model().map_or(0, |model| model.max_tokens);
        Self {
            queries: queries.iter().map(per_query).collect(),
            feedback,
            ignore_identical_ids: options.ignore_identical_ids,
            rows: HashMap::new(),
            mixing: None,
            totals: Totals { max_tokens, lists: queries.len(), ..Totals::default() },
        }
    }

    /// Decides by the first rows whether there are first-stage scores. Later rows must agree.
    fn decide_mixing(&mut self, chunk: &[Row], file: &str, first_stage: FirstStageUse) -> Result<()> {
        let scored = chunk.iter().find(|row| row.first_stage_score.is_some());
        match (self.totals.documents, scored) {
            (0, Some(_)) => self.mixing = Some(Mixing::default()),
            (0, None) if first_stage == FirstStageUse::Needed => {
                let message = "`blend=` needs the first stage's scores, and no candidate has a field 'score'; name the field with `score_field=`";
                return Err(Error::BadInput { file: file.to_owned(), message: message.to_owned() });
            }
            (before @ 1.., Some(row)) if self.mixing.is_none() => {
                let message = format!(
                    "this row has a first-stage score, the first {before} have none; give one to all, or set `blend=none`"
                );
                return Err(Error::BadRow { file: file.to_owned(), line: row.line, message });
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, chunk: Vec<Row>, reranker: &Reranker, call: &Call<'_>) -> Result<()> {
        let first = self.totals.documents;
        let passages: Vec<_> = chunk.iter().map(Row::passage).collect();
        let texts: Vec<&str> = self.queries.iter().map(|asked| asked.query.text.as_str()).collect();
        let scored = reranker.score_queries(&texts, &passages, call);
        let scored = scored.map_err(|error| of_query(error, |at| self.queries.get(at).map(|asked| asked.query)))?;
        drop(passages);
        let keeps_vectors = self.feedback_weight().is_some();
        for (asked, scored) in self.queries.iter_mut().zip(&scored) {
            asked.reading.merge(scored.query);
            for ((at, pair), row) in (first..).zip(&scored.pairs).zip(&chunk) {
                if self.ignore_identical_ids && row.id == asked.query.id {
                    continue;
                }
                asked.best.push(at, pair.ranked_by).map_err(|error| of_candidate(error, row))?;
                let vector = pair.vector.clone().filter(|_| keeps_vectors);
                asked.pairs.insert(at, Scored { vector, ..pair.clone() });
            }
        }
        self.count(&scored, &chunk)?;
        self.rows.extend((first..).zip(chunk));
        Ok(())
    }

    fn count(&mut self, scored: &[ScoredList], chunk: &[Row]) -> Result<()> {
        let totals = &mut self.totals;
        if totals.documents == 0 {
            // Count the query once, not once per chunk.
            totals.tokens += scored.iter().map(|scored| u64::from(scored.query.tokens)).sum::<u64>();
        }
        for scored in scored {
            totals.unscored += scored.unscored().count();
            for (at, _) in scored.unscored() {
                totals.note_left_out(&scored.pairs[at], || Ok(chunk[at].id.clone()))?;
            }
        }
        totals.candidates += scored.len() * chunk.len();
        // Tokens, truncation and emptiness of a candidate do not depend on the query.
        let Some(any) = scored.first() else { return Ok(()) };
        if let Some(mixing) = &mut self.mixing {
            mixing.add(totals.documents, chunk, &any.pairs);
            totals.no_first_stage += chunk.iter().filter(|row| row.first_stage_score.is_none()).count();
        }
        totals.tokens += any.document_tokens;
        totals.truncated += any.num_truncated();
        for at in any.empty() {
            totals.empty += 1;
            totals.note_left_out(&any.pairs[at], || Ok(chunk[at].id.clone()))?;
        }
        totals.documents += any.pairs.len();
        Ok(())
    }

    /// Returns the weight of the feedback; `None` without feedback.
    fn feedback_weight(&self) -> Option<f32> {
        self.feedback.weight(self.mixing.is_some())
    }

    /// Drops the vectors of candidates that no feedback can need any more.
    fn forget_vectors(&mut self) {
        for asked in self.queries.iter_mut().filter(|asked| asked.pairs.len() > MAX_FEEDBACK_CANDIDATES) {
            let needed = asked.with_needed_vectors(self.mixing.as_ref());
            let dropped = asked.pairs.iter_mut().filter(|(index, _)| !needed.contains(index));
            dropped.for_each(|(_, pair)| pair.vector = None);
        }
    }

    fn forget_losers(&mut self, k: usize) {
        let k = needed(k, self.feedback_weight());
        let winners = self.mixing.as_ref().map(|mixing| mixing.winners(self.rows.keys().copied(), k));
        for asked in &mut self.queries {
            let own = || asked.best.indices().collect();
            let winners = winners.clone().unwrap_or_else(own);
            asked.pairs.retain(|index, _| winners.contains(index));
        }
        let needed: HashSet<usize> = self.queries.iter().flat_map(|asked| asked.pairs.keys().copied()).collect();
        self.rows.retain(|index, _| needed.contains(index));
    }

    fn ranked(self, reranker: &Reranker, options: &RowsOptions, call: &Call<'_>) -> Result<RankedRows<'a>> {
        let weight = self.feedback_weight();
        let Self { queries, rows, mixing, mut totals, feedback, .. } = self;
        let k = options.top_k.unwrap_or(usize::MAX);
        let mixed = match &mixing {
            Some(Mixing { model, left_out, first_stage }) => {
                let mixed = list::mix(reranker.blend(), model, left_out, first_stage)?;
                mixed.map(|mixed| ranking::top_k(&mixed, needed(k, weight))).transpose()?
            }
            None => None,
        };
        let mut lists = Vec::with_capacity(queries.len());
        for mut asked in queries {
            totals.readings.add(&asked.query.id, asked.reading);
            let best = std::mem::replace(&mut asked.best, TopK::new(0));
            let mut hits = mixed.clone().unwrap_or_else(|| best.into_hits());
            let weight = asked.reorder(&mut hits, mixing.as_ref(), feedback)?;
            let PerQuery { query, reading, mut pairs, .. } = asked;
            let mut results = Vec::new();
            for hit in hits.into_iter().take(k) {
                let Some(pair) = pairs.remove(&hit.index) else { continue };
                if options.min_score.is_some_and(|least| pair.score < least || pair.score.is_nan()) {
                    continue;
                }
                let passage = rows[&hit.index].passage();
                if options.explain {
                    call.check()?;
                }
                let explanation = options.explain.then(|| reranker.explain(&query.text, &passage)).transpose()?;
                results.push((hit, Scored { vector: None, ..pair }, explanation.flatten()));
            }
            totals.results += results.len();
            lists.push(RankedRowList { query, reading, feedback: weight, results });
        }
        Ok(RankedRows { lists, rows, blend: mixed.is_some().then(|| reranker.blend()), totals })
    }
}

/// Returns the number of best rows to keep for a top `k`.
fn needed(k: usize, feedback: Option<f32>) -> usize {
    feedback.map_or(k, |_| k.max(MAX_FEEDBACK_CANDIDATES))
}
