//! What is made of the systems: quality, agreement, and the queries that they dispute.

use std::collections::HashSet;

use nearsort::eval::{ListAgreement, MeanAgreement, Measure, RankedList, Resampling, Test, disagreement, evaluate};
use nearsort::io::{Grades, ScoredDocument};

use super::input::{Judgements, Texts};
use super::system::System;
use crate::Failure;
use crate::args::{CompareArgs, Talk};
use crate::eval::{Measured, correct, say_what_is_odd};
use crate::hints::{Warning, warn};
use crate::words::this_call;

/// Documents of a disputed query that are shown of each system.
const SHOWN_DOCUMENTS: usize = 3;

/// Everything that is shown.
pub struct Report {
    pub systems: Vec<SystemReport>,
    pub judgements: Option<Judgements>,
    pub measures: Vec<Measure>,
    pub test: Test,
    pub resampling: Resampling,
    /// Of the first system.
    pub num_queries: usize,
    /// Row by row below the diagonal: the agreement of a system with each one before it; `None` where they have no query in common.
    pub agreement: Vec<Vec<Option<MeanAgreement>>>,
    pub disputed: Vec<Disputed>,
    pub notes: Vec<String>,
    /// This call.
    pub command: String,
}

pub struct SystemReport {
    pub system: System,
    /// One per measure; empty without judgements.
    pub measured: Vec<Measured>,
    /// Judged queries that the system lacks.
    pub missing: Vec<String>,
    pub num_unjudged: usize,
}

/// A query with what the systems put first.
pub struct Disputed {
    pub id: String,
    pub text: Option<String>,
    /// 1 less the mean rank-biased overlap of all pairs.
    pub disagreement: f64,
    /// One per system; `None` where it lacks the query.
    pub tops: Vec<Option<Vec<Top>>>,
}

/// A document near the top.
pub struct Top {
    pub id: String,
    /// `None` where nobody judged it.
    pub grade: Option<i32>,
    pub text: Option<String>,
}

impl Report {
    pub fn new(
        systems: Vec<System>,
        judgements: Option<Judgements>,
        mut notes: Vec<String>,
        texts: &Texts,
        args: &CompareArgs,
        talk: Talk,
    ) -> Result<Self, Failure> {
        let measures = if judgements.is_some() { Measure::parse_list(&args.measures)? } else { Vec::new() };
        let resampling = Resampling { resamples: args.resamples as usize, seed: args.seed };
        let differing = differing_queries(&systems)?;
        differing.iter().for_each(|message| warn(talk, &Warning::Note { message: message.clone() }));
        notes.extend(differing);
        let disputed = disputed(&systems, judgements.as_ref(), texts, args.disputed)?;
        let mut report = Self {
            systems: Vec::new(),
            judgements,
            measures,
            test: args.test,
            resampling,
            num_queries: systems[0].run.num_queries(),
            agreement: agreement(&systems),
            disputed,
            notes,
            command: this_call(),
        };
        systems.into_iter().try_for_each(|system| report.measure(system, talk))?;
        correct(&mut report.systems.iter_mut().map(|system| system.measured.as_mut_slice()).collect::<Vec<_>>());
        Ok(report)
    }

    fn measure(&mut self, system: System, talk: Talk) -> Result<(), Failure> {
        let mut found = SystemReport { system, measured: Vec::new(), missing: Vec::new(), num_unjudged: 0 };
        if let Some(judgements) = &self.judgements {
            let name = &found.system.name;
            let evaluation = evaluate(&judgements.qrels, &found.system.run, &self.measures);
            let evaluation = evaluation.map_err(|error| Failure::Error(format!("{name}: {error}")))?;
            say_what_is_odd(talk, name, &evaluation);
            let baseline = self.systems.first().map(|first| first.measured.as_slice());
            let measured =
                (0..self.measures.len()).map(|at| Measured::of(&evaluation, at, baseline, self.test, &self.resampling));
            found.measured = measured.collect::<Result<_, _>>()?;
            let missing = evaluation.missing_queries().iter();
            found.missing = missing.map(|&at| evaluation.query_ids()[at].clone()).collect();
            found.num_unjudged = evaluation.num_unjudged_queries();
        }
        self.systems.push(found);
        Ok(())
    }

    /// Whether a system took time, for columns that say so.
    pub fn has_costs(&self) -> bool {
        self.systems.iter().any(|system| system.system.cost.is_some())
    }
}

fn list<'a>(documents: Option<Vec<ScoredDocument<'a>>>) -> Option<RankedList<'a>> {
    documents.map(|documents| RankedList::new(&documents))
}

/// What does not fit together with the first system's queries; an error where nothing does.
fn differing_queries(systems: &[System]) -> Result<Vec<String>, Failure> {
    let (first, others) = systems.split_first().ok_or_else(|| Failure::Error("there is no system".into()))?;
    let notes: Result<Vec<_>, _> = others.iter().map(|other| differing(first, other)).collect();
    Ok(notes?.concat())
}

fn differing(first: &System, other: &System) -> Result<Vec<String>, Failure> {
    let [in_first, in_other] = [first, other].map(|system| system.run.query_ids().collect::<HashSet<&str>>());
    let lacks: Vec<&str> = first.run.query_ids().filter(|id| !in_other.contains(id)).collect();
    let extra: Vec<&str> = other.run.query_ids().filter(|id| !in_first.contains(id)).collect();
    let names = [&first.name, &other.name];
    let number = |ids: &[&str]| if ids.len() == 1 { "1 query".to_owned() } else { format!("{} queries", ids.len()) };
    match (lacks.first(), extra.first()) {
        (Some(ours), Some(theirs)) if lacks.len() == in_first.len() => Err(Failure::Error(format!(
            "{} and {} have no query in common: the one has '{ours}', the other '{theirs}'; do they belong together?",
            names[0], names[1]
        ))),
        (example, other_example) => {
            let lacks = example.map(|id| {
                format!(
                    "{} lacks {} of {}, such as '{id}': agreement is over what both have",
                    names[1],
                    number(&lacks),
                    names[0]
                )
            });
            let has = |id| format!("{} has {} that {} lacks, such as '{id}'", names[1], number(&extra), names[0]);
            Ok(lacks.into_iter().chain(other_example.map(has)).collect())
        }
    }
}

fn agreement(systems: &[System]) -> Vec<Vec<Option<MeanAgreement>>> {
    let pair = |first: &System, second: &System| {
        let of_query = |(id, documents): (&str, Vec<_>)| {
            Some(ListAgreement::of(&list(first.run.documents(id))?, &RankedList::new(&documents)))
        };
        MeanAgreement::over(&second.run.iter().filter_map(of_query).collect::<Vec<_>>())
    };
    let row = |at: usize| systems[..at].iter().map(|before| pair(before, &systems[at])).collect();
    (0..systems.len()).map(row).collect()
}

/// The queries of the first system on which all that have it agree least.
fn disputed(
    systems: &[System],
    judgements: Option<&Judgements>,
    texts: &Texts,
    number: usize,
) -> Result<Vec<Disputed>, Failure> {
    let of_query = |id: &str| {
        let lists: Vec<_> = systems.iter().filter_map(|system| list(system.run.documents(id))).collect();
        disagreement(&lists)
    };
    let ids = systems[0].run.query_ids();
    let mut all: Vec<(&str, f64)> = ids.filter_map(|id| Some((id, of_query(id)?))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(number);
    let of_query = |(id, disagreement): (&str, f64)| {
        let grades = judgements.and_then(|judgements| judgements.qrels.grades(id));
        let tops = systems.iter().map(|system| list(system.run.documents(id)).map(|list| tops(&list, grades, texts)));
        let tops = tops.map(Option::transpose).collect::<Result<_, _>>()?;
        let text = texts.query(id).map(|query| query.text.clone());
        Ok(Disputed { id: id.to_owned(), text, disagreement, tops })
    };
    all.into_iter().map(of_query).collect()
}

fn tops(list: &RankedList<'_>, grades: Option<&Grades>, texts: &Texts) -> Result<Vec<Top>, Failure> {
    let top = |found: &ScoredDocument<'_>| {
        let text = texts.document(found.id)?.map(|row| row.passage().into_owned());
        Ok(Top { id: found.id.to_owned(), grade: grades.and_then(|grades| grades.get(found.id)), text })
    };
    list.documents().iter().take(SHOWN_DOCUMENTS).map(top).collect()
}
