//! The systems of a comparison: rankings of the same queries, and their cost.

use crate::answer::{ModelRun, Readings};
use crate::eval::{GradedList, OVERLAP_DEPTH, RankedList, Ties};
use crate::io::{Qrels, Run};

/// A system of a comparison: a ranking of every query.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct System {
    /// The system's name.
    pub name: String,
    /// The source of its rankings.
    pub kind: SystemKind,
    /// The file, or the model as it was asked for.
    pub source: String,
    /// The run that is evaluated. For models and grades, no two scores of a list are equal.
    pub run: Run,
    /// The ties of each list, by the system's own scores.
    pub ties: Vec<Ties>,
    /// The number of candidates without a score; `None` if unknown, as for a run.
    pub unscored: Option<usize>,
    /// The cost, for a model.
    pub cost: Option<Cost>,
}

/// The source of a system's rankings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemKind {
    /// The first stage's run, which models rerank and grades order.
    FirstStage,
    /// A model that reranked the first stage.
    Model,
    /// An existing run.
    Run,
    /// Grades of the first stage's candidates.
    Grades,
}

impl SystemKind {
    /// All kinds, in the order in which reports list them.
    pub const ALL: [Self; 4] = [Self::FirstStage, Self::Model, Self::Run, Self::Grades];

    /// Returns the name of the kind in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstStage => "first stage",
            Self::Model => "model",
            Self::Run => "run",
            Self::Grades => "grades",
        }
    }
}

/// The cost of a model for all lists, and what was truncated.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Cost {
    /// The model, and the device and engine that ran it.
    pub model: ModelRun,
    /// The blend with the first stage's scores.
    pub blend: String,
    /// The feedback of the best candidates on the order of the others.
    pub feedback: String,
    /// The seconds of each list, with the model already loaded.
    pub seconds: Vec<f64>,
    /// Candidates that were scored.
    pub candidates: usize,
    /// The tokens of queries and candidates, as the model counts them.
    pub tokens: u64,
    /// The longest text that the model reads, in tokens; 0 if the scorer does not report it.
    pub max_tokens: usize,
    /// Candidates that were longer than the model reads.
    pub truncated: usize,
    /// Candidates without text.
    pub empty: usize,
    /// The ids of the first six candidates without text.
    pub empty_ids: Vec<String>,
    /// The tokens and truncation of the queries.
    pub readings: Readings,
    /// The price of services for all lists; 0 for a model that runs locally, `None` if a price is
    /// not known.
    pub dollars: Option<f64>,
}

impl Cost {
    /// Returns the scored candidates per second; `None` if no time passed.
    pub fn candidates_per_second(&self) -> Option<f64> {
        let seconds: f64 = self.seconds.iter().sum();
        (seconds > 0.0).then(|| self.candidates as f64 / seconds)
    }

    /// Returns the dollars per 1,000 queries.
    pub fn dollars_per_1000(&self) -> Option<f64> {
        self.dollars.map(|dollars| 1000.0 * dollars / self.seconds.len().max(1) as f64)
    }
}

impl System {
    /// Makes a system of a run as it is: the first stage's, or another program's. `source` is its
    /// origin, such as a file.
    pub fn of_run(name: impl Into<String>, kind: SystemKind, source: impl Into<String>, run: Run) -> Self {
        let of_list = |(_, documents): (&str, Vec<_>)| Ties::of(&RankedList::new(&documents).scores(), OVERLAP_DEPTH);
        let ties = run.iter().map(of_list).collect();
        Self { name: name.into(), kind, source: source.into(), run, ties, unscored: None, cost: None }
    }

    /// Makes a system that orders the first stage's candidates by grades, for example an LLM's.
    /// Equal grades keep the first stage's order; ungraded candidates come last.
    pub fn by_grades(name: impl Into<String>, source: impl Into<String>, first_stage: &Run, grades: &Qrels) -> Self {
        let (mut run, mut ties, mut ungraded) = (Run::default(), Vec::new(), 0);
        for (query_id, documents) in first_stage.iter() {
            let list = GradedList::new(&RankedList::new(&documents), grades.grades(query_id));
            list.documents.iter().for_each(|document| run.push(query_id, document.id, document.score));
            ties.push(Ties::of(&list.scores(), OVERLAP_DEPTH));
            ungraded += list.num_ungraded();
        }
        let (name, source, kind) = (name.into(), source.into(), SystemKind::Grades);
        Self { name, kind, source, run, ties, unscored: Some(ungraded), cost: None }
    }

    /// Returns the share of pairs with the same score, averaged over lists.
    pub fn tied_pairs(&self) -> f64 {
        self.ties.iter().map(|ties| ties.tied_pairs).sum::<f64>() / self.ties.len().max(1) as f64
    }

    /// Returns the number of lists with a tie at the cutoff of ten.
    pub fn tied_at_cutoff(&self) -> usize {
        self.ties.iter().filter(|ties| ties.at_cutoff).count()
    }

    /// Returns the documents of a query, best first; `None` if the system lacks it.
    pub(super) fn list(&self, query_id: &str) -> Option<RankedList<'_>> {
        self.run.documents(query_id).map(|documents| RankedList::new(&documents))
    }
}
