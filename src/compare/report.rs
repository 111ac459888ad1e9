//! What is made of the systems: quality, agreement, and the queries that they dispute.

use std::collections::HashSet;

use super::judgements::Judgements;
use super::options::CompareOptions;
use super::system::System;
use super::texts::Texts;
use crate::eval::{
    Evaluation, ListAgreement, MeanAgreement, Measure, Measured, RankedList, disagreement, evaluate, measure_runs,
};
use crate::io::{Grades, ScoredDocument};
use crate::{Error, Result};

/// Documents of a disputed query that are shown of each system.
const SHOWN_DOCUMENTS: usize = 3;

/// Everything that is known of the systems beside each other.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ComparisonReport {
    /// The first is what the others are compared with.
    pub systems: Vec<SystemReport>,
    /// What quality rests on.
    pub judgements: Option<Judgements>,
    /// How it was compared; without judgements it has no measures.
    pub options: CompareOptions,
    /// Of the first system.
    pub num_queries: usize,
    /// Row by row below the diagonal: the agreement of a system with each one before it; `None` where they have no query in common.
    pub agreement: Vec<Vec<Option<MeanAgreement>>>,
    /// The queries on which the systems agree least, those first.
    pub disputed: Vec<DisputedQuery>,
    /// What does not fit together with the first system's queries.
    pub notes: Vec<String>,
}

/// A system and what was found of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SystemReport {
    /// The system.
    pub system: System,
    /// By the judgements, where there are some.
    pub evaluation: Option<Evaluation>,
    /// One per measure; empty without judgements.
    pub measured: Vec<Measured>,
}

/// A query with what the systems put first.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DisputedQuery {
    /// The query's id.
    pub id: String,
    /// Its text, where it is known.
    pub text: Option<String>,
    /// 1 less the mean rank-biased overlap of all pairs.
    pub disagreement: f64,
    /// One per system; `None` where it lacks the query.
    pub tops: Vec<Option<Vec<TopDocument>>>,
}

/// A document near the top.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TopDocument {
    /// The document's id.
    pub id: String,
    /// `None` where nobody judged it.
    pub grade: Option<i32>,
    /// Its text, where it is known.
    pub text: Option<String>,
}

impl ComparisonReport {
    /// Whether a model took time, for columns that say so.
    pub fn has_costs(&self) -> bool {
        self.systems.iter().any(|system| system.system.cost.is_some())
    }
}

/// Compares systems with the first of them. `texts` are shown with disputed queries, as far as they are there.
///
/// # Errors
/// [`Error::InvalidArgument`] for fewer than two systems, two of one name, or one without a query in common with the first, and for a
/// measure that is a count before all others; [`Error::BadInput`] naming the system that cannot be evaluated.
pub fn compare(
    systems: Vec<System>,
    judgements: Option<Judgements>,
    texts: &Texts,
    options: &CompareOptions,
) -> Result<ComparisonReport> {
    check(&systems, options)?;
    let notes = differing_queries(&systems)?;
    let disputed = disputed(&systems, judgements.as_ref(), texts, options.disputed)?;
    let agreement = agreement(&systems);
    let measures = if judgements.is_some() { options.measures.clone() } else { Vec::new() };
    let options = CompareOptions { measures, ..options.clone() };
    let num_queries = systems[0].run.num_queries();
    let systems = measured(systems, judgements.as_ref(), &options)?;
    Ok(ComparisonReport { systems, judgements, options, num_queries, agreement, disputed, notes })
}

fn check(systems: &[System], options: &CompareOptions) -> Result<()> {
    let wrong = |message: String| Err(Error::InvalidArgument(message));
    if systems.len() < 2 {
        return wrong(format!("a comparison needs at least two systems, not {}", systems.len()));
    }
    let mut seen = HashSet::new();
    if let Some(twice) = systems.iter().find(|system| !seen.insert(&system.name)) {
        return wrong(format!("two systems are called '{}'; give them different names", twice.name));
    }
    check_measures(&options.measures)
}

/// Refuses measures the first of which is no quality, before the work.
///
/// # Errors
/// [`Error::InvalidArgument`] naming the count.
pub fn check_measures(measures: &[Measure]) -> Result<()> {
    match measures.first().filter(|measure| measure.is_count()) {
        Some(count) => Err(Error::InvalidArgument(format!(
            "{count} is a count, not a quality; name another measure first, e.g. nDCG@10"
        ))),
        None => Ok(()),
    }
}

fn measured(
    systems: Vec<System>,
    judgements: Option<&Judgements>,
    options: &CompareOptions,
) -> Result<Vec<SystemReport>> {
    let Some(judgements) = judgements else {
        let report = |system| SystemReport { system, evaluation: None, measured: Vec::new() };
        return Ok(systems.into_iter().map(report).collect());
    };
    let evaluate = |system: &System| {
        let found = evaluate(&judgements.qrels, &system.run, &options.measures);
        found.map_err(|error| Error::BadInput { file: system.name.clone(), message: error.to_string() })
    };
    let evaluations = systems.iter().map(evaluate).collect::<Result<Vec<_>>>()?;
    let measured = measure_runs(&evaluations, options.measures.len(), options.test, &options.resampling)?;
    let all = systems.into_iter().zip(evaluations).zip(measured);
    let report = |((system, evaluation), measured)| SystemReport { system, evaluation: Some(evaluation), measured };
    Ok(all.map(report).collect())
}

/// What does not fit together with the first system's queries; an error where nothing does.
fn differing_queries(systems: &[System]) -> Result<Vec<String>> {
    let Some((first, others)) = systems.split_first() else { return Ok(Vec::new()) };
    let notes: Result<Vec<_>> = others.iter().map(|other| differing(first, other)).collect();
    Ok(notes?.concat())
}

fn differing(first: &System, other: &System) -> Result<Vec<String>> {
    let [in_first, in_other] = [first, other].map(|system| system.run.query_ids().collect::<HashSet<&str>>());
    let lacks: Vec<&str> = first.run.query_ids().filter(|id| !in_other.contains(id)).collect();
    let extra: Vec<&str> = other.run.query_ids().filter(|id| !in_first.contains(id)).collect();
    let [first, other] = [&first.name, &other.name];
    if let (Some(ours), Some(theirs)) = (lacks.first(), extra.first())
        && lacks.len() == in_first.len()
    {
        return Err(Error::InvalidArgument(format!(
            "{first} and {other} have no query in common: the one has '{ours}', the other '{theirs}'; do they belong together?"
        )));
    }
    let number = |ids: &[&str]| if ids.len() == 1 { "1 query".to_owned() } else { format!("{} queries", ids.len()) };
    let lacking = lacks.first().map(|id| {
        format!("{other} lacks {} of {first}, such as '{id}': agreement is over what both have", number(&lacks))
    });
    let having = extra.first().map(|id| format!("{other} has {} that {first} lacks, such as '{id}'", number(&extra)));
    Ok(lacking.into_iter().chain(having).collect())
}

fn agreement(systems: &[System]) -> Vec<Vec<Option<MeanAgreement>>> {
    let pair = |first: &System, second: &System| {
        let of_query =
            |(id, documents): (&str, Vec<_>)| Some(ListAgreement::of(&first.list(id)?, &RankedList::new(&documents)));
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
) -> Result<Vec<DisputedQuery>> {
    let of_query = |id: &str| {
        let lists: Vec<_> = systems.iter().filter_map(|system| system.list(id)).collect();
        disagreement(&lists)
    };
    let ids = systems[0].run.query_ids();
    let mut all: Vec<(&str, f64)> = ids.filter_map(|id| Some((id, of_query(id)?))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1));
    all.truncate(number);
    let of_query = |(id, disagreement): (&str, f64)| {
        let grades = judgements.and_then(|judgements| judgements.qrels.grades(id));
        let tops = systems.iter().map(|system| system.list(id).map(|list| tops(&list, grades, texts)).transpose());
        let (tops, text) = (tops.collect::<Result<_>>()?, texts.query(id).map(str::to_owned));
        Ok(DisputedQuery { id: id.to_owned(), text, disagreement, tops })
    };
    all.into_iter().map(of_query).collect()
}

fn tops(list: &RankedList<'_>, grades: Option<&Grades>, texts: &Texts) -> Result<Vec<TopDocument>> {
    let top = |found: &ScoredDocument<'_>| {
        let text = texts.document(found.id)?.map(|text| text.into_owned());
        Ok(TopDocument { id: found.id.to_owned(), grade: grades.and_then(|grades| grades.get(found.id)), text })
    };
    list.documents().iter().take(SHOWN_DOCUMENTS).map(top).collect()
}
