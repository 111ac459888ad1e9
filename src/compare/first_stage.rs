//! Reranks the first stage's lists with models, query by query, and measures the time.

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use super::system::{Cost, System, SystemKind};
use super::texts::Texts;
use crate::answer::Readings;
use crate::call::Call;
use crate::eval::{OVERLAP_DEPTH, RankedList, Ties, untied_scores};
use crate::io::Run;
use crate::job::{Notice, Observer, missing_message};
use crate::reranker::Reranker;
use crate::scorer::list::order;
use crate::scorer::{QueryReading, ScoredList};
use crate::{Error, Result};

/// Number of ids that a warning shows.
const SHOWN_IDS: usize = 6;

/// Options for reranking the first stage's lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FirstStageOptions {
    /// The name of the run in messages, such as its file.
    pub source: String,
    /// The number of candidates of each list that models rerank. The others stay below, in the
    /// first stage's order. `None`: all are reranked.
    pub depth: Option<usize>,
    /// Leaves out queries and documents of the run that have no text. If false, they are an error.
    pub leaves_out: bool,
}

/// The first stage's lists, with the texts that models rerank.
pub struct FirstStage<'a> {
    texts: &'a Texts,
    lists: Vec<FirstStageList<'a>>,
    depth: usize,
    num_candidates: usize,
}

/// The candidates of a query, in the first stage's order, best first.
struct FirstStageList<'a> {
    query_id: &'a str,
    query: &'a str,
    ranked: RankedList<'a>,
    /// True for a candidate with a text; others are left out.
    has_text: Vec<bool>,
}

/// The result of reranking one list.
struct RerankedList {
    /// The reranked candidates, best first, then the rest of the first stage's list.
    ids: Vec<String>,
    scores: Vec<f32>,
    ties: Ties,
    unscored: usize,
    empty: Vec<String>,
    seconds: f64,
    candidates: usize,
    tokens: u64,
    truncated: usize,
    reading: QueryReading,
}

impl<'a> FirstStage<'a> {
    /// Looks up the texts of the queries and documents of a run.
    ///
    /// # Errors
    /// [`Error::MissingTexts`] for a query or document without text, if such are not left out or if
    /// nothing else is left; those of [`Texts::document`].
    pub fn new(run: &'a Run, texts: &'a Texts, options: &FirstStageOptions, observer: &dyn Observer) -> Result<Self> {
        let (mut lists, mut missing) = (Vec::new(), [Vec::new(), Vec::new()]);
        for (query_id, documents) in run.iter() {
            let Some(query) = texts.query(query_id) else {
                missing[0].push(query_id);
                continue;
            };
            let ranked = RankedList::new(&documents);
            let mut has_text = Vec::with_capacity(documents.len());
            for id in ranked.ids() {
                has_text.push(texts.document(id)?.is_some());
                if has_text.last() == Some(&false) {
                    missing[1].push(id);
                }
            }
            lists.push(FirstStageList { query_id, query, ranked, has_text });
        }
        judge_missing(&missing, texts, options, lists.is_empty(), observer)?;
        let depth = options.depth.unwrap_or(usize::MAX);
        let num_candidates = lists.iter().map(|list| list.ranked.documents().len().min(depth)).sum();
        Ok(Self { texts, lists, depth, num_candidates })
    }

    /// Reranks all lists. `source` is the model as it was asked for. `call` may end the work; it
    /// counts texts and dollars.
    ///
    /// # Errors
    /// [`Error::At`] naming the query, around the reranker's error. For a score that is not a
    /// number it names the candidate too.
    pub fn rerank(
        &self,
        name: impl Into<String>,
        source: impl Into<String>,
        reranker: &Reranker,
        observer: &dyn Observer,
        call: &Call<'_>,
    ) -> Result<System> {
        observer.expect(self.num_candidates + self.lists.len(), true);
        let (reranked, usage) = call.measured(|call| {
            let rerank = |list: &FirstStageList<'_>| {
                let place = || format!("the query '{}'", list.query_id);
                self.rerank_list(list, reranker, call).map_err(|error| Error::at(error, place()))
            };
            self.lists.iter().map(rerank).collect::<Result<Vec<_>>>()
        });
        let reranked = reranked?;
        let mut run = Run::default();
        for (list, found) in self.lists.iter().zip(&reranked) {
            found.ids.iter().zip(&found.scores).for_each(|(id, &score)| run.push(list.query_id, id, score.into()));
        }
        Ok(System {
            name: name.into(),
            kind: SystemKind::Model,
            source: source.into(),
            run,
            ties: reranked.iter().map(|found| found.ties).collect(),
            unscored: Some(reranked.iter().map(|found| found.unscored).sum()),
            cost: Some(self.cost(&reranked, reranker, usage.service.dollars)),
        })
    }

    /// Reranks the best candidates of a list. The others stay below, in the first stage's order.
    fn rerank_list(&self, list: &FirstStageList<'_>, reranker: &Reranker, call: &Call<'_>) -> Result<RerankedList> {
        let all = list.ranked.documents();
        let (head, tail) = all.split_at(all.len().min(self.depth));
        let has_text = |at: &usize| list.has_text[*at];
        let asked: Vec<usize> = (0..head.len()).filter(has_text).collect();
        let passages = asked.iter().filter_map(|&at| self.texts.document(head[at].id).transpose());
        let passages = passages.collect::<Result<Vec<_>>>()?;
        let named = |error: Error| match &error {
            Error::NotANumber { index } => {
                let id = asked.get(*index).map_or("?", |&at| head[at].id);
                Error::at(error, format!("id '{id}'"))
            }
            _ => error,
        };
        let (scored, seconds) = timed(reranker, list.query, &passages, call).map_err(named)?;
        let first_stage: Vec<Option<f64>> = asked.iter().map(|&at| Some(head[at].score)).collect();
        let options = reranker.list_options();
        let hits = order(&scored.pairs, &first_stage, &options).map_err(named)?.hits;
        let below = (0..head.len()).filter(|at| !has_text(at)).map(|at| &head[at]).chain(tail);
        let ids = hits.iter().map(|hit| head[asked[hit.index]].id).chain(below.map(|document| document.id));
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        let mut scores: Vec<f32> = hits.iter().map(|hit| hit.score).collect();
        scores.resize(ids.len(), f32::NEG_INFINITY);
        Ok(RerankedList {
            ids,
            scores: untied_scores(&scores),
            ties: Ties::of(&scored.scores(), OVERLAP_DEPTH),
            unscored: scored.unscored().count() + head.len() - asked.len(),
            empty: scored.empty().map(|at| head[asked[at]].id.to_owned()).collect(),
            seconds,
            candidates: asked.len(),
            tokens: scored.document_tokens + u64::from(scored.query.tokens),
            truncated: scored.num_truncated(),
            reading: scored.query,
        })
    }

    fn cost(&self, reranked: &[RerankedList], reranker: &Reranker, dollars: Option<f64>) -> Cost {
        let mut readings = Readings::default();
        self.lists.iter().zip(reranked).for_each(|(list, found)| readings.add(list.query_id, found.reading));
        let empty = || reranked.iter().flat_map(|found| &found.empty);
        Cost {
            model: reranker.model_run(),
            blend: reranker.blend().to_string(),
            feedback: reranker.feedback().to_string(),
            seconds: reranked.iter().map(|found| found.seconds).collect(),
            candidates: reranked.iter().map(|found| found.candidates).sum(),
            tokens: reranked.iter().map(|found| found.tokens).sum(),
            max_tokens: reranker.model().map_or(0, |model| model.max_tokens),
            truncated: reranked.iter().map(|found| found.truncated).sum(),
            empty: empty().count(),
            empty_ids: empty().take(SHOWN_IDS).cloned().collect(),
            readings,
            dollars,
        }
    }
}

/// Reports queries and documents of the run that have no text. It is an error if such are not left
/// out, or if nothing else is left.
fn judge_missing(
    missing: &[Vec<&str>; 2],
    texts: &Texts,
    options: &FirstStageOptions,
    nothing_left: bool,
    observer: &dyn Observer,
) -> Result<()> {
    let nouns = [["query", "queries"], ["document", "documents"]];
    for ((ids, file), noun) in missing.iter().zip(texts.names()).zip(nouns) {
        let Some(example) = ids.first() else { continue };
        let message = missing_message(Path::new(&options.source), ids.len(), noun, file, example);
        if nothing_left || !options.leaves_out {
            return Err(Error::MissingTexts { message });
        }
        observer.notice(&Notice::LeftOut { message: &message });
    }
    Ok(())
}

/// Scores a list, and measures the seconds.
fn timed(reranker: &Reranker, query: &str, passages: &[Cow<'_, str>], call: &Call<'_>) -> Result<(ScoredList, f64)> {
    let started = Instant::now();
    let scored = reranker.score_queries(&[query], passages, call)?.swap_remove(0);
    Ok((scored, started.elapsed().as_secs_f64()))
}
