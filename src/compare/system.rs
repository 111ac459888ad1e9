//! What is compared: rankings of the same queries, and what they took.

use crate::answer::{ModelRun, Readings};
use crate::eval::{GradedList, OVERLAP_DEPTH, RankedList, Ties};
use crate::io::{Qrels, Run};

/// One of the systems: a ranking of every query.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct System {
    /// What it is called.
    pub name: String,
    /// Where its rankings come from.
    pub kind: SystemKind,
    /// The file, or the model as it was asked for.
    pub source: String,
    /// As it is evaluated. Of models and grades no two scores of a list are the same.
    pub run: Run,
    /// Of each list, by the system's own scores.
    pub ties: Vec<Ties>,
    /// Candidates that the system gave no score; `None` where a run does not say.
    pub unscored: Option<usize>,
    /// What a model took.
    pub cost: Option<Cost>,
}

/// Where a system's rankings come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemKind {
    /// The run that models rerank and grades order.
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

    /// As reports name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::FirstStage => "first stage",
            Self::Model => "model",
            Self::Run => "run",
            Self::Grades => "grades",
        }
    }
}

/// What a model took for all lists, and what became of the texts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Cost {
    /// Which model, and how it ran.
    pub model: ModelRun,
    /// How the first stage's scores were mixed in.
    pub blend: String,
    /// Whether the best candidates changed the order of the others.
    pub feedback: String,
    /// Of each list, the model being loaded.
    pub seconds: Vec<f64>,
    /// Candidates that were scored.
    pub candidates: usize,
    /// Of queries and candidates, as the model counts them.
    pub tokens: u64,
    /// Longest text that the model takes, in tokens; 0 where the scorer does not say.
    pub max_tokens: usize,
    /// Candidates that were longer than the model takes.
    pub truncated: usize,
    /// Candidates without text.
    pub empty: usize,
    /// The ids of the first six of them.
    pub empty_ids: Vec<String>,
    /// What became of the queries.
    pub readings: Readings,
    /// What services asked for all lists; 0 for a model that runs here, `None` where a price is not known.
    pub dollars: Option<f64>,
}

impl Cost {
    /// Scored candidates per second; `None` where no time passed.
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
    /// A run as it is: the first stage, or another program's. `source`: where it comes from, such as a file.
    pub fn of_run(name: impl Into<String>, kind: SystemKind, source: impl Into<String>, run: Run) -> Self {
        let of_list = |(_, documents): (&str, Vec<_>)| Ties::of(&RankedList::new(&documents).scores(), OVERLAP_DEPTH);
        let ties = run.iter().map(of_list).collect();
        Self { name: name.into(), kind, source: source.into(), run, ties, unscored: None, cost: None }
    }

    /// The first stage's candidates by grades, an LLM's, say: equal grades keep the first stage's order, ungraded candidates come last.
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

    /// The share of pairs with the same score, averaged over lists.
    pub fn tied_pairs(&self) -> f64 {
        self.ties.iter().map(|ties| ties.tied_pairs).sum::<f64>() / self.ties.len().max(1) as f64
    }

    /// Lists whose first ten are not told apart from the rest.
    pub fn tied_at_cutoff(&self) -> usize {
        self.ties.iter().filter(|ties| ties.at_cutoff).count()
    }

    /// The documents of a query, best first; `None` where the system lacks it.
    pub(super) fn list(&self, query_id: &str) -> Option<RankedList<'_>> {
        self.run.documents(query_id).map(|documents| RankedList::new(&documents))
    }
}
