//! The material of a diagnosis: queries with the first stage's results, texts, and judgements.

use crate::io::Qrels;

/// Queries with the first stage's results, the texts, and judgements.
/// [`DiagnoseFiles::read`](super::DiagnoseFiles::read) reads it from files.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// The queries with their candidates.
    pub queries: Vec<AskedQuery>,
    /// The documents that the candidates refer to, each id once.
    pub documents: Vec<Passage>,
    /// The judgements, if there are any.
    pub qrels: Option<Qrels>,
    /// True if the queries are fewer than the run's.
    pub is_sample: bool,
    /// Notes on what was left out, and why.
    pub notes: Vec<String>,
}

/// A query with its candidates, in the order of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedQuery {
    /// The run's id.
    pub id: String,
    /// The text of the query.
    pub text: String,
    /// The first stage's results.
    pub candidates: Vec<Found>,
}

/// A result of the first stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Position in [`Material::documents`].
    pub document: usize,
    /// The first stage's score. Finite.
    pub score: f64,
    /// The rank in the run.
    pub rank: Option<u64>,
}

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The corpus' id.
    pub id: String,
    /// The whole text, title included.
    pub text: String,
}

impl Material {
    /// Adds a document, and returns its position.
    pub fn document(&mut self, id: impl Into<String>, text: impl Into<String>) -> usize {
        self.documents.push(Passage { id: id.into(), text: text.into() });
        self.documents.len() - 1
    }

    /// Adds a query with its results: positions of documents, and the first stage's scores.
    pub fn query(
        &mut self,
        id: impl Into<String>,
        text: impl Into<String>,
        found: impl IntoIterator<Item = (usize, f64)>,
    ) {
        let candidates = found.into_iter().map(|(document, score)| Found { document, score, rank: None }).collect();
        self.queries.push(AskedQuery { id: id.into(), text: text.into(), candidates });
    }
}
