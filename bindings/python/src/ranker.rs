//! A model that ranks: takes lists, returns their scores or orders.

use std::sync::Arc;

use nearsort::answer::ModelRun;
use nearsort::scorer::list;
use nearsort::{Call, CandidateList, Feedback, RankOptions, Reranker, Scored, ScoredList, Usage};
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::call::{Limits, run};
use crate::errors::{invalid, raised};
use crate::model::Model;
use crate::options::RankConfig;
use crate::texts::texts;

/// A model with its ranking options. Threads share it.
#[pyclass(frozen, module = "nearsort._native")]
pub struct Ranker {
    pub inner: Arc<Reranker>,
    /// The same without feedback, which needs an embedding of 1.5 KB for every candidate: for what
    /// it has no part in.
    plain: Arc<Reranker>,
}

/// Queries, texts, and the candidates of each query among the texts.
struct Lists {
    queries: Vec<String>,
    texts: Vec<String>,
    candidates: Vec<Vec<usize>>,
}

/// The hits of one list in its order: `(index, score, window, tokens, truncated, why)`. `index`
/// counts within the list, `window` is the start and end of the best window in characters, and
/// `why` is the reason for a missing score.
type RankedHits = Vec<(usize, f32, Option<(usize, usize)>, u32, bool, Option<String>)>;

/// A list in its order, the kind of its scores, and the weight of the feedback if there was one.
type RankedList = (RankedHits, String, Option<f32>);

/// The cuts of a list, and the first stage's scores of each list.
struct Order {
    top_k: Option<usize>,
    min_score: Option<f32>,
    first_stage: Option<Vec<Vec<Option<f64>>>>,
}

#[pymethods]
impl Ranker {
    #[new]
    fn new(py: Python<'_>, model: &Model, config: RankConfig) -> PyResult<Self> {
        let made = config.options().and_then(|options| {
            let by = |options: RankOptions| Reranker::with(&model.inner, options).map(Arc::new);
            Ok(Self { inner: by(options)?, plain: by(options.feedback(Feedback::Off))? })
        });
        made.map_err(|error| raised(py, &error))
    }

    /// The meaning of the scores, such as "hybrid" or "probability".
    #[getter]
    fn score_kind(&self) -> String {
        self.inner.score_kind().to_string()
    }

    /// True if scores depend on the whole list.
    #[getter]
    fn needs_whole_lists(&self) -> bool {
        self.inner.needs_whole_lists()
    }

    /// Returns the description of the model and its run for answers.
    fn model_run<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let ModelRun { name, revision, device, engine, precision, isa, scoring, long_text, .. } =
            self.inner.model_run();
        let run = PyDict::new(py);
        run.set_item("name", name)?;
        run.set_item("revision", revision)?;
        run.set_item("device", device)?;
        run.set_item("engine", engine)?;
        run.set_item("precision", precision)?;
        run.set_item("isa", isa)?;
        run.set_item("scoring", scoring.to_string())?;
        run.set_item("long_text", long_text.to_string())?;
        Ok(run)
    }

    /// Returns the scores of each list, in its candidates' order, and the usage of the call. Scores
    /// are float32 `(n,)`; NaN if a candidate has no score.
    #[pyo3(signature = (queries, texts, candidates=None, deadline=None, progress=None))]
    fn score<'py>(
        &self,
        py: Python<'py>,
        queries: Vec<String>,
        texts: &Bound<'py, PyAny>,
        candidates: Option<Vec<Vec<usize>>>,
        deadline: Option<f64>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Vec<Bound<'py, PyArray1<f32>>>, Bound<'py, PyDict>)> {
        let lists = Lists::new(queries, texts, candidates)?;
        let reranker = Arc::clone(&self.plain);
        let (scored, usage) = run(py, Limits { deadline, progress }, move |call| {
            let scored = lists.score(&reranker, call)?;
            Ok((scored, call.usage()))
        })?;
        let shown = |pair: &Scored| if pair.reason().is_some() { f32::NAN } else { pair.score };
        let scores = scored.iter().map(|list| list.pairs.iter().map(shown).collect::<Vec<_>>().into_pyarray(py));
        Ok((scores.collect(), usage_dict(py, &usage)?))
    }

    /// The hits of each list, best first, what their scores mean, and the weight of the feedback;
    /// with what the call used.
    #[pyo3(signature = (queries, texts, candidates=None, *, top_k=None, min_score=None, first_stage=None, deadline=None, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn rank<'py>(
        &self,
        py: Python<'py>,
        queries: Vec<String>,
        texts: &Bound<'py, PyAny>,
        candidates: Option<Vec<Vec<usize>>>,
        top_k: Option<usize>,
        min_score: Option<f32>,
        first_stage: Option<Vec<Vec<Option<f64>>>>,
        deadline: Option<f64>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Vec<RankedList>, Bound<'py, PyDict>)> {
        let lists = Lists::new(queries, texts, candidates)?;
        if first_stage.as_ref().is_some_and(|scores| scores.len() != lists.queries.len()) {
            return Err(invalid(py, "first_stage needs one list of scores per query"));
        }
        let has_feedback = self.inner.feedback().weight(first_stage.is_some()).is_some();
        let reranker = Arc::clone(if has_feedback { &self.inner } else { &self.plain });
        let order = Order { top_k, min_score, first_stage };
        let (hits, usage) = run(py, Limits { deadline, progress }, move |call| {
            let scored = lists.score(&reranker, call)?;
            let hits = scored.iter().enumerate().map(|(at, scored)| lists.ordered(at, scored, &reranker, &order));
            Ok((hits.collect::<nearsort::Result<Vec<_>>>()?, call.usage()))
        })?;
        Ok((hits, usage_dict(py, &usage)?))
    }
}

impl Lists {
    fn new(queries: Vec<String>, texts: &Bound<'_, PyAny>, candidates: Option<Vec<Vec<usize>>>) -> PyResult<Self> {
        let texts = self::texts(texts, "documents")?;
        let candidates = candidates.unwrap_or_else(|| vec![(0..texts.len()).collect(); queries.len()]);
        match candidates.len() == queries.len() {
            true => Ok(Self { queries, texts, candidates }),
            false => Err(pyo3::exceptions::PyValueError::new_err("candidates needs one list per query")),
        }
    }

    fn score(&self, reranker: &Reranker, call: &Call<'_>) -> nearsort::Result<Vec<ScoredList>> {
        let list = |(query, candidates)| CandidateList { query, candidates };
        let queries = self.queries.iter().map(String::as_str);
        let lists: Vec<_> = queries.zip(self.candidates.iter().map(Vec::as_slice)).map(list).collect();
        reranker.score_lists(&lists, &self.texts, call)
    }

    fn ordered(
        &self,
        at: usize,
        scored: &ScoredList,
        reranker: &Reranker,
        order: &Order,
    ) -> nearsort::Result<RankedList> {
        let options = reranker.list_options().top_k(order.top_k).min_score(order.min_score);
        let first_stage = order.first_stage.as_ref().map_or(&[][..], |lists| &lists[at]);
        let ordered = list::order(&scored.pairs, first_stage, &options)?;
        let hit = |hit: nearsort::Hit| {
            let (pair, text) = (&scored.pairs[hit.index], &self.texts[self.candidates[at][hit.index]]);
            let window = pair.window.as_ref().map(|window| in_characters(text, window.start, window.end));
            (hit.index, hit.score, window, pair.tokens, pair.truncated, pair.shown_reason().map(str::to_owned))
        };
        let kind = reranker.score_kind().in_list(ordered.is_blended, ordered.feedback.is_some());
        Ok((ordered.hits.into_iter().map(hit).collect(), kind.to_string(), ordered.feedback))
    }
}

/// Converts a range of bytes to a range of characters.
fn in_characters(text: &str, start: usize, end: usize) -> (usize, usize) {
    let before = text.get(..start).map_or(0, |part| part.chars().count());
    let within = text.get(start..end).map_or(0, |part| part.chars().count());
    (before, before + within)
}

/// Returns the usage of a call as a dictionary.
fn usage_dict<'py>(py: Python<'py>, usage: &Usage) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("texts", usage.texts)?;
    dict.set_item("tokens", usage.tokens)?;
    dict.set_item("truncated", usage.truncated)?;
    dict.set_item("cached", usage.cached)?;
    dict.set_item("requests", usage.service.requests)?;
    dict.set_item("dollars", usage.service.dollars)?;
    Ok(dict)
}
