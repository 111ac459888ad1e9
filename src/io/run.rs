//! Runs: the retrieved documents of queries, with their scores.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::FixedState;

use crate::{Error, Result};

/// Number of results of a query from which on repetitions are searched for while reading.
const GROWTH_DOCUMENTS: usize = 4096;

/// One retrieved document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredDocument<'a> {
    /// The document's id.
    pub id: &'a str,
    /// Higher is better. Finite.
    pub score: f64,
}

/// The results of a run for one query, in no particular order. Each document occurs once.
#[derive(Debug)]
pub struct QueryResults<'a> {
    query_id: &'a str,
    documents: &'a [ScoredDocument<'a>],
    positions: HashMap<&'a str, u32, FixedState>,
}

impl<'a> QueryResults<'a> {
    /// Indexes the documents of one query.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when a document occurs twice, or when a score is not finite.
    pub fn new(query_id: &'a str, documents: &'a [ScoredDocument<'a>]) -> Result<Self> {
        if let Some(document) = documents.iter().find(|document| !document.score.is_finite()) {
            let ScoredDocument { id, score } = document;
            return Err(Error::InvalidArgument(format!(
                "the score of '{id}' for the query '{query_id}' is {score}, not a finite number"
            )));
        }
        Self::indexed(query_id, documents)
            .map_err(|twice| Error::InvalidArgument(duplicate_message(query_id, documents[twice].id)))
    }

    /// Like [`QueryResults::new`], for scores that are known to be finite. The error is the
    /// position of a repeated document.
    pub(super) fn indexed(query_id: &'a str, documents: &'a [ScoredDocument<'a>]) -> Result<Self, usize> {
        let mut positions = HashMap::with_capacity_and_hasher(documents.len(), FixedState::default());
        for (position, document) in documents.iter().enumerate() {
            if positions.insert(document.id, position as u32).is_some() {
                return Err(position);
            }
        }
        Ok(Self { query_id, documents, positions })
    }

    /// Returns the query's id.
    pub fn query_id(&self) -> &'a str {
        self.query_id
    }

    /// Returns the documents, in the order given.
    pub fn documents(&self) -> &'a [ScoredDocument<'a>] {
        self.documents
    }

    /// Returns the position of a document in [`QueryResults::documents`], `None` if it was not
    /// retrieved.
    pub fn position(&self, document_id: &str) -> Option<usize> {
        self.positions.get(document_id).map(|&position| position as usize)
    }
}

pub(super) fn duplicate_message(query_id: &str, document_id: &str) -> String {
    format!(
        "the document '{document_id}' stands twice in the results of the query '{query_id}'; keep one of the two, or \
         the measures mean nothing (nearsort writes a document once with `format=trec`)"
    )
}

/// A run in memory: scored documents by query, in the order in which they were pushed.
///
/// Ids are concatenated in one text per query, so each line costs 16 bytes beside its id, also with
/// ten million lines.
///
/// ```
/// let mut run = nearsort::io::Run::default();
/// run.push("q1", "d7", 0.5);
/// run.push("q1", "d3", 0.25);
/// let documents = run.documents("q1").unwrap();
/// assert_eq!((documents.len(), documents[1].id), (2, "d3"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Run {
    queries: Vec<StoredQuery>,
    index: HashMap<String, usize, FixedState>,
    /// The query of the last push: most runs are pushed query by query.
    last: usize,
}

#[derive(Debug, Clone, Default)]
struct StoredQuery {
    id: String,
    /// The documents' ids, concatenated.
    ids: String,
    /// The end of each id in `ids`, and the document's score.
    documents: Vec<(usize, f64)>,
    /// The rank of each document, if the run was read with ranks.
    ranks: Vec<u64>,
}

impl Run {
    /// Adds a retrieved document. A repeated document is an error only when the run is evaluated.
    pub fn push(&mut self, query_id: &str, document_id: &str, score: f64) {
        if self.queries.get(self.last).is_none_or(|query| query.id != query_id) {
            self.last = match self.index.get(query_id) {
                Some(&known) => known,
                None => {
                    self.index.insert(query_id.to_owned(), self.queries.len());
                    self.queries.push(StoredQuery { id: query_id.to_owned(), ..StoredQuery::default() });
                    self.queries.len() - 1
                }
            };
        }
        let query = &mut self.queries[self.last];
        query.ids.push_str(document_id);
        query.documents.push((query.ids.len(), score));
    }

    /// Adds the rank of the document that was pushed last.
    pub(super) fn push_rank(&mut self, rank: u64) {
        if let Some(query) = self.queries.get_mut(self.last) {
            query.ranks.push(rank);
        }
    }

    /// Ranks the documents of each query by their scores, from 1; equal scores in their order.
    pub(super) fn rank_by_scores(&mut self) {
        for query in &mut self.queries {
            let mut order: Vec<usize> = (0..query.documents.len()).collect();
            order.sort_by(|&a, &b| query.documents[b].1.total_cmp(&query.documents[a].1));
            query.ranks = vec![0; order.len()];
            (1..).zip(order).for_each(|(rank, at)| query.ranks[at] = rank);
        }
    }

    /// Returns a repeated document of the last push's query, with the query. It searches only when
    /// the number of results is a power of two of at least 4,096.
    pub(super) fn repeated_while_growing(&self) -> Option<(&str, &str)> {
        let query = self.queries.get(self.last)?;
        let count = query.documents.len();
        if count < GROWTH_DOCUMENTS || !count.is_power_of_two() {
            return None;
        }
        let documents = query.documents();
        let twice = QueryResults::indexed(&query.id, &documents).err()?;
        let (start, end) = (query.documents[twice - 1].0, query.documents[twice].0);
        Some((&query.id, &query.ids[start..end]))
    }

    /// Returns the number of queries with documents.
    pub fn num_queries(&self) -> usize {
        self.queries.len()
    }

    /// Returns the queries' ids, in the order of their first document.
    pub fn query_ids(&self) -> impl Iterator<Item = &str> {
        self.queries.iter().map(|query| query.id.as_str())
    }

    /// Returns the documents of a query in the order in which they were pushed, `None` if it has
    /// none.
    pub fn documents(&self, query_id: &str) -> Option<Vec<ScoredDocument<'_>>> {
        self.index.get(query_id).map(|&query| self.queries[query].documents())
    }

    /// Returns the ranks of a query's documents, in the order of [`Run::documents`]; empty unless
    /// the run was read with ranks ([`RunFile::read_ranked`](super::RunFile::read_ranked)). `None`
    /// if the query has no documents.
    pub fn ranks(&self, query_id: &str) -> Option<&[u64]> {
        self.index.get(query_id).map(|&query| self.queries[query].ranks.as_slice())
    }

    /// Returns the query at this position in [`Run::query_ids`], and its documents.
    pub(super) fn query_at(&self, index: usize) -> (&str, Vec<ScoredDocument<'_>>) {
        let query = &self.queries[index];
        (&query.id, query.documents())
    }

    /// Returns every query with its documents, in the order of [`Run::query_ids`].
    pub fn iter(&self) -> impl Iterator<Item = (&str, Vec<ScoredDocument<'_>>)> {
        (0..self.queries.len()).map(|index| self.query_at(index))
    }
}

impl StoredQuery {
    fn documents(&self) -> Vec<ScoredDocument<'_>> {
        let starts = std::iter::once(0).chain(self.documents.iter().map(|&(end, _)| end));
        let ranges: std::iter::Zip<_, _> = starts.zip(&self.documents);
        ranges.map(|(start, &(end, score))| ScoredDocument { id: &self.ids[Range { start, end }], score }).collect()
    }
}
