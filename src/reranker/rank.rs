//! Ranking one list, said step by step.

use super::{RerankOptions, Reranker};
use crate::Result;
use crate::answer::ModelRun;
use crate::ranking::Hit;
use crate::scorer::{QueryReading, Scored, list};

/// A list that is to be ranked; nothing is done before [`Ranking::run`].
pub struct Ranking<'a, D> {
    reranker: &'a Reranker,
    query: &'a str,
    documents: &'a [D],
    first_stage: Vec<Option<f64>>,
    options: RerankOptions,
}

/// What became of a list.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reranked {
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
}

impl Reranker {
    /// Begins to rank a list: what comes back is said step by step.
    ///
    /// ```
    /// use nearsort::{Model, ModelOptions, Reranker};
    ///
    /// # fn main() -> nearsort::Result<()> {
    /// let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?; // once
    /// let documents = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."];
    /// let best = Reranker::new(&model)?.rank("Where is the Eiffel Tower?", &documents).top_k(1).run()?;
    /// assert_eq!(best.hits[0].index, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn rank<'a, D: AsRef<str>>(&'a self, query: &'a str, documents: &'a [D]) -> Ranking<'a, D> {
        Ranking { reranker: self, query, documents, first_stage: Vec::new(), options: RerankOptions::default() }
    }
}

impl<D: AsRef<str>> Ranking<'_, D> {
    /// The best so many. Default: all.
    pub fn top_k(mut self, top_k: usize) -> Self {
        self.options.top_k = Some(top_k);
        self
    }

    /// Only documents that the model scores at least this much. Default: all.
    pub fn min_score(mut self, least: f32) -> Self {
        self.options.min_score = Some(least);
        self
    }

    /// The score that the search which found a document gave it, higher is better; `None` where it gave none.
    pub fn first_stage(mut self, score: impl Fn(&D) -> Option<f64>) -> Self {
        self.first_stage = self.documents.iter().map(score).collect();
        self
    }

    /// Ranks: score descending, equal scores in input order.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`](crate::Error::InvalidArgument) for an empty query and for a first-stage score that is not finite; [`Error::NotANumber`](crate::Error::NotANumber) naming the
    /// document; what the model fails with.
    pub fn run(self) -> Result<Reranked> {
        let scored = self.reranker.score(self.query, self.documents)?;
        let options = self.reranker.list_options(&self.options);
        let ordered = list::order(&scored.pairs, &self.first_stage, &options)?;
        Ok(Reranked {
            hits: ordered.hits,
            is_blended: ordered.is_blended,
            pairs: scored.pairs,
            query: scored.query,
            document_tokens: scored.document_tokens,
            model: self.reranker.model_run(),
        })
    }
}
