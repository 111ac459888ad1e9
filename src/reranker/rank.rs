//! Ranking one list, said step by step.

use std::time::{Duration, Instant};

use super::Reranker;
use crate::Result;
use crate::answer::ModelRun;
use crate::call::{Call, CancelToken, Usage};
use crate::ranking::Hit;
use crate::scorer::{CandidateList, ListOptions, QueryReading, Scored, list};

/// A list that is to be ranked; nothing is done before [`Ranking::run`].
pub struct Ranking<'a, D> {
    reranker: &'a Reranker,
    query: &'a str,
    documents: &'a [D],
    first_stage: Vec<Option<f64>>,
    options: ListOptions,
    call: Call<'a>,
}

/// A ranked list: what a [`Ranking`] gives.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// Best first: positions among the documents, and scores; where first-stage scores count, the mixed ones.
    pub hits: Vec<Hit>,
    /// All that is known of every document, in their order.
    pub pairs: Vec<Scored>,
    /// Whether first-stage scores count.
    pub is_blended: bool,
    /// How the query was read.
    pub query: QueryReading,
    /// Tokens of the documents, every distinct text counted once.
    pub document_tokens: u64,
    /// Which model scored, and how it ran.
    pub model: ModelRun,
    /// What the ranking used.
    pub usage: Usage,
}

impl Reranker {
    /// Begins to rank documents for a query: what comes back is said step by step.
    ///
    /// [`Hit::index`] is a document's position, [`Hit::score`] its score; for embedding models by default the hybrid of cosine similarity
    /// and MaxSim, in [-1, 1], for others see [`Reranker::score_kind`]. Equal texts are scored once and ranked each. A document without text
    /// (empty or white space) scores lowest.
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
        let options = ListOptions::new(self.blend);
        Ranking { reranker: self, query, documents, first_stage: Vec::new(), options, call: Call::new() }
    }
}

impl<'a, D: AsRef<str>> Ranking<'a, D> {
    /// The best so many. Default: all.
    pub fn top_k(mut self, top_k: usize) -> Self {
        self.options.top_k = Some(top_k);
        self
    }

    /// Only documents that the model scores at least this much, whatever the first stage says. Default: all.
    pub fn min_score(mut self, least: f32) -> Self {
        self.options.min_score = Some(least);
        self
    }

    /// The score that the search which found a document gave it, higher is better; `None` where it gave none. It is called once for each
    /// document, in their order. The scores are mixed in as [`Reranker::blend`] says.
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

    /// As [`Call::cancel`].
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.call = self.call.cancel(token);
        self
    }

    /// As [`Call::deadline`].
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.call = self.call.deadline(deadline);
        self
    }

    /// As [`Call::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call = self.call.timeout(timeout);
        self
    }

    /// As [`Call::progress`].
    pub fn progress(mut self, progress: impl Fn(usize) + Send + Sync + 'a) -> Self {
        self.call = self.call.progress(progress);
        self
    }

    /// Ranks: score descending, equal scores in input order.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for an empty query and for a first-stage score that is not finite;
    /// [`Error::NotANumber`](crate::Error::NotANumber) naming the document; [`Error::Cancelled`](crate::Error::Cancelled);
    /// [`Error::DeadlineExceeded`](crate::Error::DeadlineExceeded); what the model fails with.
    pub fn run(self) -> Result<Answer> {
        let Self { reranker, query, documents, first_stage, options, call } = self;
        let all: Vec<usize> = (0..documents.len()).collect();
        let lists = [CandidateList { query, candidates: &all }];
        let scored = reranker.score_lists(&lists, documents, &call)?.swap_remove(0);
        let ordered = list::order(&scored.pairs, &first_stage, &options)?;
        Ok(Answer {
            hits: ordered.hits,
            is_blended: ordered.is_blended,
            pairs: scored.pairs,
            query: scored.query,
            document_tokens: scored.document_tokens,
            model: reranker.model_run(),
            usage: call.usage(),
        })
    }
}
