//! The input of a diagnosis: texts, scores and judgements, as data. The owner of the model fills
//! it.

use serde::Serialize;

use super::Configuration;
use crate::Scoring;
use crate::io::Qrels;
use crate::scorer::UnitVector;

/// The observations of one run and its reranking.
#[derive(Debug, Clone)]
pub struct Observations {
    /// The requested setting.
    pub setting: Setting,
    /// The documents that the candidates name, each id once.
    pub documents: Vec<Document>,
    /// The queries with their candidates.
    pub queries: Vec<ObservedQuery>,
    /// True if the queries are a sample of the run's. Then missing judged queries are not a
    /// finding.
    pub is_sample: bool,
    /// Other prompts or another pooling, tried on some of the queries; may be empty.
    pub trials: Vec<Trial>,
    /// Relevance judgements. Without them the report covers less, and lists what it cannot say.
    pub qrels: Option<Qrels>,
}

/// The requested setting, with its model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Setting {
    /// The model's name in the form of `--model`.
    pub model: String,
    /// The configuration of scoring.
    pub configuration: Configuration,
    /// The number of the first stage's best that are reranked; `None`: all. The others stay below,
    /// in the first stage's order.
    pub depth: Option<usize>,
    /// The prefix of queries; may be empty.
    pub query_prompt: String,
    /// The prefix of documents; may be empty.
    pub document_prompt: String,
    /// The pooling of token vectors, by the name that [`crate::Pooling`] prints.
    pub pooling: String,
}

/// A document in the form that the model read.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The corpus' id, which is compared with the judgements'.
    pub id: String,
    /// The whole passage, title included; white space alone counts as empty.
    pub text: String,
    /// Number of tokens after truncation, special ones included; 0 if unknown.
    pub tokens: u32,
    /// Number of tokens for words that the vocabulary lacks.
    pub unknown: u32,
    /// True if the text was longer than the model reads, and was cut.
    pub truncated: bool,
}

/// A query and its candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct ObservedQuery {
    /// The run's id, which is compared with the judgements'.
    pub id: String,
    /// The text of the query.
    pub text: String,
    /// The candidates, in the order of the run's file.
    pub candidates: Vec<Candidate>,
}

/// A candidate of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Position in [`Observations::documents`].
    pub document: usize,
    /// The first stage's score. Finite; taken as "higher is better", even if it is not.
    pub first_stage: f64,
    /// The rank in the run's file; `None` if it has none.
    pub rank: Option<u64>,
    /// The model's scores of the first part of the text, up to the model's limit; all -1 for a
    /// document without text.
    pub scores: ModeScores,
    /// The model's scores with [`crate::LongText::Window`], for truncated documents; `None` for
    /// others, and if windows were not tried.
    pub windowed: Option<ModeScores>,
    /// The embedding of the first part of the text, for feedback; `None` for a document without
    /// text, and for a model without embeddings.
    pub vector: Option<UnitVector>,
    /// The embedding of the best window, if there is [`Candidate::windowed`].
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
    /// The score of [`Scoring::Cosine`].
    pub cosine: f32,
    /// The score of [`Scoring::MaxSim`].
    pub maxsim: f32,
    /// The score of [`Scoring::Hybrid`].
    pub hybrid: f32,
}

impl ModeScores {
    /// Makes the scores from the two scores of one text. (With windows each scoring has its own
    /// best window, so its hybrid is not made of the other two. The scores of the window that is
    /// best by hybrid are a good approximation.)
    pub fn from_parts(cosine: f32, maxsim: f32) -> Self {
        Self { cosine, maxsim, hybrid: Scoring::Hybrid.combine(cosine, maxsim) }
    }

    /// Returns the score by one scoring.
    pub fn get(&self, scoring: Scoring) -> f32 {
        match scoring {
            Scoring::Cosine => self.cosine,
            Scoring::MaxSim => self.maxsim,
            Scoring::Hybrid => self.hybrid,
        }
    }
}

/// A trial of the model with another setting, on some queries.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The change against the setting.
    pub change: Change,
    /// A short name for people, such as `e5 prompts`.
    pub name: String,
    /// The options for the change, such as `--query-prompt "query: "`.
    pub arguments: String,
    /// The results, for each query that was tried.
    pub lists: Vec<TrialList>,
}

/// The change that a [`Trial`] makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Change {
    /// Other prompts.
    Prompts {
        /// The prefix of queries.
        query: String,
        /// The prefix of documents.
        document: String,
    },
    /// Another pooling, by the name that [`crate::Pooling`] prints.
    Pooling(String),
}

impl Change {
    /// Returns the options of `nearsort rerank` for the change, quoted for a shell.
    pub fn arguments(&self) -> String {
        match self {
            Self::Prompts { query, document } => {
                format!("--query-prompt {} --document-prompt {}", shell_word(query), shell_word(document))
            }
            Self::Pooling(pooling) => format!("--pooling {pooling}"),
        }
    }
}

/// Quotes a word for a POSIX shell.
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
    /// The scores of the query's first candidates, in their order; may be fewer than the query has.
    /// They are compared with the same candidates' [`Candidate::scores`].
    pub scores: Vec<ModeScores>,
}
