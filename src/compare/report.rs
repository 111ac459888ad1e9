//! The report on the systems: quality, agreement, and the queries on which they disagree.

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

/// Number of documents of each system that are shown for a disputed query.
const SHOWN_DOCUMENTS: usize = 3;

/// The result of a comparison.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ComparisonReport {
    /// The systems. The others are compared with the first one.
    pub systems: Vec<SystemReport>,
    /// The judgements that quality is measured by.
    pub judgements: Option<Judgements>,
    /// The options of the comparison; without judgements they have no measures.
    pub options: CompareOptions,
    /// The number of queries of the first system.
    pub num_queries: usize,
    /// The agreement of each system with each one before it, row by row below the diagonal. `None`
    /// if they have no query in common.
    pub agreement: Vec<Vec<Option<MeanAgreement>>>,
    /// The queries with the least agreement, least first.
    pub disputed: Vec<DisputedQuery>,
    /// Notes on queries that differ from the first system's.
    pub notes: Vec<String>,
}

/// A system and its results.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SystemReport {
    /// The system.
    pub system: System,
    /// The evaluation, if there are judgements.
    pub evaluation: Option<Evaluation>,
    /// One per measure; empty without judgements.
    pub measured: Vec<Measured>,
}

/// A query and the first documents of each system.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DisputedQuery {
    /// The query's id.
    pub id: String,
    /// Its text, if it is known.
    pub text: Option<String>,
    /// 1 less the mean rank-biased overlap of all pairs.
    pub disagreement: f64,
    /// The first documents of each system; `None` if it lacks the query.
    pub tops: Vec<Option<Vec<TopDocument>>>,
}

/// A document among the first of a list.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TopDocument {
    /// The document's id.
    pub id: String,
    /// The grade; `None` if the document is not judged.
    pub grade: Option<i32>,
    /// Its text, if it is known.
    pub text: Option<String>,
}

impl ComparisonReport {
    /// Returns true if a system has a cost, so that reports show the columns.
    pub fn has_costs(&self) -> bool {
        self.systems.iter().any(|system| system.system.cost.is_some())
    }
}

/// Compares systems with the first of them. Disputed queries are shown with their `texts`, if these
/// are known.
///
/// # Errors
/// [`Error::InvalidArgument`] for fewer than two systems, two systems of one name, a system without
/// a query in common with the first, and a first measure that is a count; [`Error::BadInput`]
/// naming the system that cannot be evaluated.
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

/// Checks that the first measure is a quality and not a count. Callers run it before the work.
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

/// Returns notes on queries that differ from the first system's. A system without a query in common
/// is an error.
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

/// Returns the `number` queries of the first system on which the systems that have it agree least.
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
