//! What is observed: queries with what a first stage found, texts, and judgements.

use crate::io::Qrels;

/// Queries with what a first stage found, the texts, and judgements. [`DiagnoseFiles::read`](super::DiagnoseFiles::read) makes it of files.
#[derive(Debug, Clone, Default)]
pub struct Material {
    /// The queries with their candidates.
    pub queries: Vec<AskedQuery>,
    /// The documents that the candidates name, each id once.
    pub documents: Vec<Passage>,
    /// Judgements, where there are some.
    pub qrels: Option<Qrels>,
    /// Whether the queries are fewer than the run's.
    pub is_sample: bool,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// A query with its candidates, in the order of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct AskedQuery {
    /// The run's id.
    pub id: String,
    /// What the user asked.
    pub text: String,
    /// What the first stage found.
    pub candidates: Vec<Found>,
}

/// What the first stage found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Position in [`Material::documents`].
    pub document: usize,
    /// The first stage's score. Finite.
    pub score: f64,
    /// The rank that the run states.
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
    /// Adds a document; its position.
    pub fn document(&mut self, id: impl Into<String>, text: impl Into<String>) -> usize {
        self.documents.push(Passage { id: id.into(), text: text.into() });
        self.documents.len() - 1
    }

    /// Adds a query with what was found for it: positions of documents, and the first stage's scores.
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
