//! What a diagnosis is made from: texts, scores and judgements, as data. Whoever has a model fills them.

use serde::Serialize;

use super::Configuration;
use crate::Scoring;
use crate::io::Qrels;
use crate::scorer::UnitVector;

/// Everything that was seen of one run and its reranking.
#[derive(Debug, Clone)]
pub struct Observations {
    /// What was asked for.
    pub setting: Setting,
    /// The documents that the candidates name, each id once.
    pub documents: Vec<Document>,
    /// The queries with their candidates.
    pub queries: Vec<Query>,
    /// Whether the queries are a sample of the run's: then judged queries that are not here are no finding.
    pub is_sample: bool,
    /// Other prompts or another pooling, tried on some of the queries; empty when nothing was tried.
    pub trials: Vec<Trial>,
    /// Relevance judgements; without them the report says what it can, and what it cannot.
    pub qrels: Option<Qrels>,
}

/// What was asked for, and with which model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// The model's name, as `--model` takes it.
    pub model: String,
    /// How pairs are scored.
    pub configuration: Configuration,
    /// How many of the first stage's best are reranked; `None`: all. The others stay below, in the first stage's order.
    pub depth: Option<usize>,
    /// What is put before queries; may be empty.
    pub query_prompt: String,
    /// What is put before documents; may be empty.
    pub document_prompt: String,
    /// How token vectors become one vector, by the name that [`crate::Pooling`] prints.
    pub pooling: String,
}

/// A document as the model got it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The corpus' id, compared with the judgements'.
    pub id: String,
    /// The whole passage, title included; white space alone counts as empty.
    pub text: String,
    /// Tokens encoded after truncation, special ones included; 0 where unknown.
    pub tokens: u32,
    /// How many of the tokens stand for something that the vocabulary lacks.
    pub unknown: u32,
    /// Whether the text was longer than the model takes, and was cut.
    pub truncated: bool,
}

/// A query and its candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The run's id, compared with the judgements'.
    pub id: String,
    /// What the user asked.
    pub text: String,
    /// In the order of the run's file.
    pub candidates: Vec<Candidate>,
}

/// A candidate of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Position in [`Observations::documents`].
    pub document: usize,
    /// The first stage's score. Finite; taken as "higher is better", whether or not it is.
    pub first_stage: f64,
    /// The rank that the run's file states; `None` where it states none.
    pub rank: Option<u64>,
    /// The model's scores of the text's beginning, as much as the model takes; -1 each for a document without text.
    pub scores: ModeScores,
    /// The model's scores with [`crate::LongText::Window`], for documents that are truncated; `None` for those that are not, and where windows were
    /// not tried.
    pub windowed: Option<ModeScores>,
    /// The embedding of the text's beginning, for feedback; `None` for a document without text, and where the model gives none.
    pub vector: Option<UnitVector>,
    /// The embedding of the best window, where there is [`Candidate::windowed`].
    pub windowed_vector: Option<UnitVector>,
}

/// A pair's score by each scoring, each in [-1, 1].
///
/// ```
/// use nearsort::{Scoring, diagnose::ModeScores};
/// let scores = ModeScores::from_parts(0.5, 0.25);
/// assert_eq!(scores.get(Scoring::Hybrid), Scoring::Hybrid.combine(0.5, 0.25));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ModeScores {
    /// By [`Scoring::Cosine`].
    pub cosine: f32,
    /// By [`Scoring::MaxSim`].
    pub maxsim: f32,
    /// By [`Scoring::Hybrid`].
    pub hybrid: f32,
}

impl ModeScores {
    /// From the two scores of one text. (With windows each scoring has a best window of its own, so that its hybrid is not made of
    /// the other two; scores of the window that is best by hybrid are a good stand-in.)
    pub fn from_parts(cosine: f32, maxsim: f32) -> Self {
        Self { cosine, maxsim, hybrid: Scoring::Hybrid.combine(cosine, maxsim) }
    }

    /// The score by one scoring.
    pub fn get(&self, scoring: Scoring) -> f32 {
        match scoring {
            Scoring::Cosine => self.cosine,
            Scoring::MaxSim => self.maxsim,
            Scoring::Hybrid => self.hybrid,
        }
    }
}

/// Another use of the same model, tried on some queries.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// What was other.
    pub change: Change,
    /// A few words for people, such as `e5 prompts`.
    pub name: String,
    /// The options that ask for it, such as `--query-prompt "query: "`.
    pub arguments: String,
    /// What came out, for each query that was tried.
    pub lists: Vec<TrialList>,
}

/// What a [`Trial`] did otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Change {
    /// Other prompts.
    Prompts {
        /// Put before queries.
        query: String,
        /// Put before documents.
        document: String,
    },
    /// Another pooling, by the name that [`crate::Pooling`] prints.
    Pooling(String),
}

impl Change {
    /// The options of `nearsort rerank` that ask for it, as a shell reads them.
    pub fn arguments(&self) -> String {
        match self {
            Self::Prompts { query, document } => {
                format!("--query-prompt {} --document-prompt {}", shell_word(query), shell_word(document))
            }
            Self::Pooling(pooling) => format!("--pooling {pooling}"),
        }
    }
}

/// A word as a POSIX shell reads it.
///
/// ```
/// use nearsort::diagnose::shell_word;
/// assert_eq!(["a/b-c.trec", "", "query: "].map(shell_word), ["a/b-c.trec", "''", "'query: '"]);
/// assert_eq!(shell_word("it's $HOME"), r"'it'\''s $HOME'");
/// assert_eq!(shell_word("two\nlines"), "'two\nlines'");
/// ```
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The scores of a trial for one query.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialList {
    /// Position in [`Observations::queries`].
    pub query: usize,
    /// For the query's first candidates, in their order; may be fewer than the query has. They are compared with the same candidates'
    /// [`Candidate::scores`].
    pub scores: Vec<ModeScores>,
}
