//! Runs: which documents were retrieved for which queries, with their scores.

use std::collections::HashMap;
use std::ops::Range;

use foldhash::fast::FixedState;

use crate::{Error, Result};

/// Results of one query from which on repetitions are looked for while a run is read.
const GROWTH_DOCUMENTS: usize = 4096;

/// One retrieved document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredDocument<'a> {
    /// The document's id.
    pub id: &'a str,
    /// Higher is better. Finite.
    pub score: f64,
}

/// What a run has for one query, in no particular order; no document stands in it twice.
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
    /// [`Error::InvalidArgument`] when a document stands in the list twice, or when a score is not finite.
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

    /// As [`QueryResults::new`] for scores that are known to be finite; fails with the position of a document that
    /// stood in the list before.
    pub(super) fn indexed(query_id: &'a str, documents: &'a [ScoredDocument<'a>]) -> Result<Self, usize> {
        let mut positions = HashMap::with_capacity_and_hasher(documents.len(), FixedState::default());
        for (position, document) in documents.iter().enumerate() {
            if positions.insert(document.id, position as u32).is_some() {
                return Err(position);
            }
        }
        Ok(Self { query_id, documents, positions })
    }

    /// The query's id.
    pub fn query_id(&self) -> &'a str {
        self.query_id
    }

    /// The documents, in the order in which they were given.
    pub fn documents(&self) -> &'a [ScoredDocument<'a>] {
        self.documents
    }

    /// Where in [`QueryResults::documents`] a document stands, `None` if it was not retrieved.
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
/// Ids are kept end to end in one text per query, so that ten million lines cost 16 bytes each beside their ids.
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
    /// Where the last push went: most runs are pushed query by query.
    last: usize,
}

#[derive(Debug, Clone, Default)]
struct StoredQuery {
    id: String,
    /// The documents' ids, end to end.
    ids: String,
    /// Where in `ids` each id ends, and the document's score.
    documents: Vec<(usize, f64)>,
}

impl Run {
    /// Adds a retrieved document. A document that is pushed twice for a query is found when the run is evaluated.
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

    /// A document that the query of the last push has twice, with the query. Looked for whenever its results have doubled, from
    /// 4,096 on.
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

    /// How many queries have documents.
    pub fn num_queries(&self) -> usize {
        self.queries.len()
    }

    /// The queries' ids, in the order of their first document.
    pub fn query_ids(&self) -> impl Iterator<Item = &str> {
        self.queries.iter().map(|query| query.id.as_str())
    }

    /// The documents of a query in the order in which they were pushed, `None` when it has none.
    pub fn documents(&self, query_id: &str) -> Option<Vec<ScoredDocument<'_>>> {
        self.index.get(query_id).map(|&query| self.queries[query].documents())
    }

    /// The documents of the query at this place of [`Run::query_ids`].
    pub(super) fn query_at(&self, index: usize) -> (&str, Vec<ScoredDocument<'_>>) {
        let query = &self.queries[index];
        (&query.id, query.documents())
    }

    /// Every query with its documents, in the order of [`Run::query_ids`].
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
