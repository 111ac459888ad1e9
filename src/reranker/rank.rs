//! Ranking one list with a builder.

use std::time::{Duration, Instant};

use super::Reranker;
use crate::Result;
use crate::answer::ModelRun;
use crate::call::{Call, CancelToken, Usage};
use crate::ranking::Hit;
use crate::scorer::{CandidateList, ListOptions, QueryReading, Scored, WhyNot, list};

/// A list to rank. Nothing is done before [`Ranking::run`].
pub struct Ranking<'a, D> {
    reranker: &'a Reranker,
    query: &'a str,
    documents: &'a [D],
    first_stage: Vec<Option<f64>>,
    options: ListOptions,
    on_deadline: OnDeadline,
    call: Call<'a>,
}

/// The outcome of a ranking whose deadline passes before it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDeadline {
    /// Returns [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded).
    #[default]
    Error,
    /// Returns an answer with the scored documents, and below them the others, in the first stage's
    /// order if there is one, else in input order.
    Partial,
}

/// A ranked list: the result of a [`Ranking`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The hits, best first: positions among the documents, and scores. The scores include the
    /// blend of first-stage scores and the feedback, where these apply.
    pub hits: Vec<Hit>,
    /// The details of every document, in input order.
    pub pairs: Vec<Scored>,
    /// True if first-stage scores count.
    pub is_blended: bool,
    /// The weight of the feedback inside the list; `None` without feedback.
    pub feedback: Option<f32>,
    /// The model's reading of the query.
    pub query: QueryReading,
    /// Number of tokens of the documents; every distinct text counts once.
    pub document_tokens: u64,
    /// The model that scored, and how it ran.
    pub model: ModelRun,
    /// The usage of the ranking.
    pub usage: Usage,
    /// Number of documents with a score of the model; in a cascade, with a score of any stage. It
    /// is less than all for documents without text, where a model gave no score, beyond a cascade's
    /// first depth, and if [`Answer::is_partial`].
    pub scored: usize,
    /// True if the deadline passed before all documents were scored: see [`Ranking::on_deadline`].
    pub is_partial: bool,
}

impl Reranker {
    /// Starts to rank documents for a query, with options set on the returned [`Ranking`].
    ///
    /// [`Hit::index`] is a document's position, and [`Hit::score`] its score. For embedding models
    /// the default score is the hybrid of cosine similarity and MaxSim, in [-1, 1]; for others see
    /// [`Reranker::score_kind`]. Equal texts are scored once, and each is ranked. A document
    /// without text (empty or white space) scores lowest.
    ///
    /// ```
    /// use nearsort::{Model, ModelOptions, Reranker};
    ///
    /// # fn main() -> nearsort::Result<()> {
    /// let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?; // once
    /// let docs = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."];
    /// let answer = Reranker::new(&model).rank("Where is the Eiffel Tower?", &docs).top_k(1).run()?;
    /// assert_eq!((answer.hits[0].index, answer.usage.texts, answer.model.name.as_str()), (1, 3, "all-MiniLM-L6-v2"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn rank<'a, D: AsRef<str>>(&'a self, query: &'a str, documents: &'a [D]) -> Ranking<'a, D> {
        let options = self.list_options();
        let on_deadline = OnDeadline::Error;
        Ranking { reranker: self, query, documents, first_stage: Vec::new(), options, on_deadline, call: Call::new() }
    }
}

impl<'a, D: AsRef<str>> Ranking<'a, D> {
    /// Keeps only the best `top_k` documents. Default: all.
    pub fn top_k(mut self, top_k: usize) -> Self {
        self.options.top_k = Some(top_k);
        self
    }

    /// Keeps only documents with at least this model score, whatever the first stage says. Default:
    /// all.
    pub fn min_score(mut self, least: f32) -> Self {
        self.options.min_score = Some(least);
        self
    }

    /// Sets the first-stage score of each document: the score from the search that found it. Higher
    /// is better; `None` is no score. `score` is called once for each document, in their order. The
    /// scores are mixed in by [`Reranker::blend`]. Then the best documents change the order of the
    /// others by [`Reranker::feedback`].
    ///
    /// ```
    /// use nearsort::{Model, ModelOptions, Reranker};
    ///
    /// struct Row {
    ///     text: &'static str,
    ///     bm25: f64,
    /// }
    ///
    /// impl AsRef<str> for Row {
    ///     fn as_ref(&self) -> &str {
    ///         self.text
    ///     }
    /// }
    ///
    /// # fn main() -> nearsort::Result<()> {
    /// # let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?;
    /// # let token = nearsort::CancelToken::new();
    /// let rows = [Row { text: "The Louvre is a museum.", bm25: 7.1 }, Row { text: "The Eiffel Tower.", bm25: 6.8 }];
    /// let answer = Reranker::new(&model).rank("eiffel", &rows).first_stage(|r| r.bm25).cancel(&token).run()?;
    /// assert!(answer.is_blended);
    /// # Ok(())
    /// # }
    /// ```
    pub fn first_stage<S: Into<Option<f64>>>(mut self, mut score: impl FnMut(&D) -> S) -> Self {
        self.first_stage = self.documents.iter().map(|document| score(document).into()).collect();
        self
    }

    /// Sets a cancel token, see [`Call::cancel`].
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.call = self.call.cancel(token);
        self
    }

    /// Sets a deadline, see [`Call::deadline`].
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.call = self.call.deadline(deadline);
        self
    }

    /// Sets a timeout, see [`Call::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call = self.call.timeout(timeout);
        self
    }

    /// Sets the outcome if the deadline passes before the ranking is done. Default: an error.
    ///
    /// With [`OnDeadline::Partial`] the documents are scored part by part, the first stage's best
    /// first, so that a deadline cuts off the least promising ones. Scored documents have the same
    /// bits as in a whole run. The others are marked
    /// [`WhyNot::NotReached`](crate::WhyNot::NotReached). In a cascade, the stages that ended
    /// before the deadline count. A cancelled ranking is still an error.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use nearsort::{Model, OnDeadline, Reranker};
    ///
    /// let overlap = Model::from_fn(|query, text| query.split(' ').filter(|word| text.contains(word)).count() as f32);
    /// let reranker = Reranker::new(overlap);
    /// let docs = ["a boat", "two red boats"];
    /// let late = reranker.rank("red boats", &docs).deadline(Instant::now()).on_deadline(OnDeadline::Partial).run()?;
    /// assert_eq!((late.is_partial, late.scored, late.hits[0].index), (true, 0, 0));
    /// let soon = reranker.rank("red boats", &docs).timeout(Duration::MAX).on_deadline(OnDeadline::Partial).run()?;
    /// assert_eq!((soon.is_partial, soon.scored, soon.hits[0].index), (false, 2, 1));
    /// # Ok::<(), nearsort::Error>(())
    /// ```
    pub fn on_deadline(mut self, on_deadline: OnDeadline) -> Self {
        self.on_deadline = on_deadline;
        self
    }

    /// Sets a progress callback, see [`Call::progress`].
    pub fn progress(mut self, progress: impl Fn(usize) + Send + Sync + 'a) -> Self {
        self.call = self.call.progress(progress);
        self
    }

    /// Ranks by descending score; equal scores keep the input order.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for an empty query and for a
    /// first-stage score that is not finite; [`Error::NotANumber`](crate::Error::NotANumber) naming
    /// the document; [`Error::Cancelled`](crate::Error::Cancelled);
    /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded); the model's errors.
    pub fn run(self) -> Result<Answer> {
        let Self { reranker, query, documents, first_stage, options, on_deadline, mut call } = self;
        let is_partial = on_deadline == OnDeadline::Partial;
        if is_partial {
            call = call.partial();
        }
        let first_comes_first = is_partial && !reranker.needs_whole_lists();
        let order =
            if first_comes_first { best_first(documents.len(), &first_stage) } else { (0..documents.len()).collect() };
        let lists = [CandidateList { query, candidates: &order }];
        let mut scored = reranker.score_lists(&lists, documents, &call)?.swap_remove(0);
        scored.pairs = in_input_order(scored.pairs, &order);
        let ordered = match call.is_cut_off() {
            true => order_in_part(&scored.pairs, &first_stage, &options)?,
            false => list::order(&scored.pairs, &first_stage, &options)?,
        };
        // The answer drops the vectors, which take 1.5 KB per document.
        scored.pairs.iter_mut().for_each(|pair| pair.vector = None);
        let is_scored = |pair: &&Scored| pair.is_scored() && (reranker.stages.is_empty() || pair.stage.is_some());
        Ok(Answer {
            scored: scored.pairs.iter().filter(is_scored).count(),
            is_partial: call.is_cut_off(),
            hits: ordered.hits,
            is_blended: ordered.is_blended,
            feedback: ordered.feedback,
            pairs: scored.pairs,
            query: scored.query,
            document_tokens: scored.document_tokens,
            model: reranker.model_run(),
            usage: call.usage(),
        })
    }
}

/// Returns the positions of documents by descending first-stage score, those without one last.
fn best_first(documents: usize, first_stage: &[Option<f64>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..documents).collect();
    if first_stage.len() == documents {
        let score = |at: usize| first_stage[at].unwrap_or(f64::NEG_INFINITY);
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
    }
    order
}

/// Returns the pairs in input order. `order` has the position of each pair's document.
fn in_input_order(pairs: Vec<Scored>, order: &[usize]) -> Vec<Scored> {
    let mut placed: Vec<(usize, Scored)> = order.iter().copied().zip(pairs).collect();
    placed.sort_by_key(|(at, _)| *at);
    placed.into_iter().map(|(_, pair)| pair).collect()
}

/// Orders pairs as [`list::order`] does, but puts documents cut off by the deadline after those
/// with a score, in the first stage's order.
fn order_in_part(pairs: &[Scored], first_stage: &[Option<f64>], options: &ListOptions) -> Result<list::OrderedList> {
    let mut ordered = list::order(pairs, first_stage, &options.top_k(None))?;
    let mut rank = vec![0; pairs.len()];
    best_first(pairs.len(), first_stage).into_iter().enumerate().for_each(|(place, at)| rank[at] = place);
    let place = |hit: &Hit| match &pairs[hit.index].why_not {
        None => (0, 0),
        Some(WhyNot::NotReached) => (1, rank[hit.index]),
        Some(_) => (2, 0),
    };
    ordered.hits.sort_by_key(place);
    ordered.hits.truncate(options.top_k.unwrap_or(usize::MAX));
    Ok(ordered)
}
