//! What is compared: rankings of the same queries, and what they took.

use std::collections::HashSet;
use std::path::Path;

use nearsort::ModelRun;
use nearsort::eval::{OVERLAP_DEPTH, RankedList, Ties};
use nearsort::io::Run;

use crate::Failure;
use crate::eval::file_name;

/// One of the systems.
pub struct System {
    pub name: String,
    pub kind: Kind,
    /// The file, or the model as it was asked for.
    pub source: String,
    /// As it is evaluated. Of models and grades no two scores of a list are the same.
    pub run: Run,
    /// Of each list, by the system's own scores.
    pub ties: Vec<Ties>,
    /// Candidates that the system gave no score; `None` where a file does not say.
    pub unscored: Option<usize>,
    /// What a model took.
    pub cost: Option<Cost>,
}

/// Where a system's rankings come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    FirstStage,
    Model,
    Run,
    Grades,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::FirstStage => "first stage",
            Self::Model => "model",
            Self::Run => "run",
            Self::Grades => "grades",
        }
    }
}

/// What a model took for all lists.
pub struct Cost {
    pub model: ModelRun,
    /// How the first stage's scores were mixed in.
    pub blend: String,
    /// Of each list, the model being loaded.
    pub seconds: Vec<f64>,
    pub candidates: usize,
    /// Of queries and candidates, as the model counts them.
    pub tokens: u64,
    /// Candidates that were longer than the model takes.
    pub truncated: usize,
    /// Queries that were.
    pub truncated_queries: usize,
    /// For all lists; `None` where nobody knows.
    pub dollars: Option<f64>,
}

impl Cost {
    pub fn candidates_per_second(&self) -> Option<f64> {
        let seconds: f64 = self.seconds.iter().sum();
        (seconds > 0.0).then(|| self.candidates as f64 / seconds)
    }

    /// Dollars per 1,000 queries.
    pub fn dollars_per_1000(&self) -> Option<f64> {
        self.dollars.map(|dollars| 1000.0 * dollars / self.seconds.len().max(1) as f64)
    }
}

impl System {
    /// A run as a file has it.
    pub fn of_run(name: String, kind: Kind, path: &Path, run: Run) -> Self {
        let of_list = |(_, documents): (&str, Vec<_>)| Ties::of(&RankedList::new(&documents).scores(), OVERLAP_DEPTH);
        let ties = run.iter().map(of_list).collect();
        let source = path.display().to_string();
        Self { name, kind, source, run, ties, unscored: None, cost: None }
    }

    /// The share of pairs with the same score, averaged over lists.
    pub fn tied_pairs(&self) -> f64 {
        self.ties.iter().map(|ties| ties.tied_pairs).sum::<f64>() / self.ties.len().max(1) as f64
    }

    /// Lists whose first ten are not told apart from the rest.
    pub fn tied_at_cutoff(&self) -> usize {
        self.ties.iter().filter(|ties| ties.at_cutoff).count()
    }
}

/// What a system is called by, a file or a model.
pub enum Source<'a> {
    File(&'a Path),
    Model(&'a str),
}

/// Names that are all different: a file's name, or its path where another has the same.
pub fn names(sources: &[Source<'_>]) -> Result<Vec<String>, Failure> {
    let short = |source: &Source<'_>| match source {
        Source::File(path) => file_name(path),
        Source::Model(model) => (*model).to_owned(),
    };
    let shorts: Vec<String> = sources.iter().map(short).collect();
    let is_unique = |name: &String| shorts.iter().filter(|other| *other == name).count() == 1;
    let name = |(source, short): (&Source<'_>, &String)| match source {
        Source::File(path) if !is_unique(short) => path.display().to_string(),
        _ => short.clone(),
    };
    let names: Vec<String> = sources.iter().zip(&shorts).map(name).collect();
    let mut seen = HashSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(twice) => Err(Failure::Error(format!(
            "the system '{twice}' is given twice; name each once (the first stage of --run is a system, too)"
        ))),
        None => Ok(names),
    }
}
