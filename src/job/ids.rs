//! Rows of an index, ranked by their ids or found by a search.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::named::of_query;
use crate::answer::{IndexRun, ModelRun, Ranked, RankedQuery, Readings};
use crate::blend::Blend;
use crate::call::Call;
use crate::error::Remedy;
use crate::index::{Index, IndexQuery, IndexScorer};
use crate::io::{InputFormat, Query, Rows, RunFile};
use crate::ranking::Hit;
use crate::scorer::{ListOptions, OrderedList, Scored, list};
use crate::{Error, Result};

/// Number of queries that are encoded and searched together.
const QUERIES_AT_ONCE: usize = 256;

/// A query with its candidates, which are rows of an index.
#[derive(Debug, Clone, PartialEq)]
pub struct IdList {
    /// The query.
    pub query: Query,
    /// The candidates' ids.
    pub ids: Vec<String>,
    /// The first-stage score of each candidate.
    pub first_stage: Vec<Option<f64>>,
}

/// Options for the lists of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RunOfIds {
    /// Number of candidates of each list to keep, best first by the first stage; `None`: all.
    pub depth: Option<usize>,
    /// If true, a candidate with its query's id is left out.
    pub ignore_identical_ids: bool,
    /// If true, lists with an unknown query are left out.
    pub leaves_out: bool,
}

/// Candidates that an index does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Their number.
    pub count: usize,
    /// The id of the first of them.
    pub example: String,
}

/// Ranked lists, in their order.
#[derive(Debug, Clone)]
pub struct RankedIds<'a> {
    /// An answer for each list; [`Hit::index`] is a row of the index.
    pub answers: Vec<RankedQuery<'a>>,
    /// Candidates that are left out because the index does not have them.
    pub unknown: Option<Unknown>,
    /// Ids of candidates without text, which come last.
    pub empty: Vec<String>,
    /// Counts of the queries that were truncated, or of which the model knows no token.
    pub readings: Readings,
    /// The time to encode the queries.
    pub encoding: Duration,
}

/// Counts and times of a search.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Searched {
    /// The number of results of all queries.
    pub results: usize,
    /// The number of rows of the index without text, which no search finds.
    pub empty_rows: u64,
    /// Counts of the queries that were truncated, or of which the model knows no token.
    pub readings: Readings,
    /// The time of the search, without encoding the queries.
    pub searching: Duration,
}

impl IdList {
    /// Reads the lists of a run, each with its query.
    ///
    /// # Errors
    /// [`Error::Advised`] for a query that is not among `queries`, unless such lists are left out;
    /// [`Error::BadInput`] for an empty run; errors of reading.
    pub fn of_run(run: &Path, queries: Vec<Query>, options: &RunOfIds) -> Result<Vec<Self>> {
        let queries: HashMap<String, Query> = queries.into_iter().map(|query| (query.id.clone(), query)).collect();
        let (mut lists, mut unknown): (Vec<Self>, Option<String>) = (Vec::new(), None);
        RunFile::open(run)?.ignore_identical_ids(options.ignore_identical_ids).for_each_query(|results| {
            match queries.get(results.query_id()) {
                None => drop(unknown.get_or_insert_with(|| results.query_id().to_owned())),
                Some(query) => lists.push(Self {
                    query: query.clone(),
                    ids: results.documents().iter().map(|document| document.id.to_owned()).collect(),
                    first_stage: results.documents().iter().map(|document| Some(document.score)).collect(),
                }),
            }
            Ok(())
        })?;
        let wrong = |message: String| Error::BadInput { file: run.display().to_string(), message };
        if let Some(unknown) = unknown.filter(|_| !options.leaves_out) {
            let message = format!("the run has the query '{unknown}', which is not among the queries");
            return Err(wrong(message).advised(Remedy::LeaveListsOut));
        }
        if lists.is_empty() {
            return Err(wrong("the run is empty".into()));
        }
        if let Some(depth) = options.depth {
            lists.iter_mut().for_each(|list| list.cut(depth));
        }
        Ok(lists)
    }

    /// Reads candidates that are the same for every query. A line of text is an id; a row of
    /// another format has one.
    ///
    /// # Errors
    /// Those of reading the inputs.
    pub fn of_rows(rows: &mut Rows, queries: Vec<Query>, ignore_identical_ids: bool) -> Result<Vec<Self>> {
        let is_text = rows.format() == InputFormat::Text;
        let (mut ids, mut first_stage) = (Vec::new(), Vec::new());
        for row in rows.by_ref() {
            let row = row?;
            let id = if is_text { row.text.trim().to_owned() } else { row.id };
            if !id.is_empty() {
                ids.push(id);
                first_stage.push(row.first_stage_score);
            }
        }
        let list = |query: Query| {
            let is_ignored = |id: &String| ignore_identical_ids && *id == query.id;
            let candidates = ids.iter().zip(&first_stage).filter(|(id, _)| !is_ignored(id));
            let (ids, first_stage) = candidates.map(|(id, score)| (id.clone(), *score)).unzip();
            Self { query, ids, first_stage }
        };
        Ok(queries.into_iter().map(list).collect())
    }

    /// Keeps the best by the first stage.
    fn cut(&mut self, depth: usize) {
        let mut order: Vec<usize> = (0..self.ids.len()).collect();
        let score = |at: usize| self.first_stage[at].unwrap_or(f64::NEG_INFINITY);
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)).then(a.cmp(&b)));
        order.truncate(depth);
        order.sort_unstable();
        self.ids = order.iter().map(|&at| std::mem::take(&mut self.ids[at])).collect();
        self.first_stage = order.iter().map(|&at| self.first_stage[at]).collect();
    }
}

/// Ranks the candidates of each list by the vectors of an index; only the queries are encoded.
/// `model`: the description of the model in answers. Candidates that the index does not have are
/// left out if `leaves_out` is true.
///
/// # Errors
/// [`Error::At`] naming the pair whose score is not a number; [`Error::Advised`] for candidates
/// that the index does not have; errors of encoding and of reading the index.
pub fn rank_ids<'a>(
    scorer: &IndexScorer,
    lists: &'a [IdList],
    options: &ListOptions,
    model: &'a ModelRun,
    leaves_out: bool,
    call: &Call<'_>,
) -> Result<RankedIds<'a>> {
    let started = Instant::now();
    let queries = encode(scorer, lists.iter().map(|list| &list.query), call)?;
    let encoding = started.elapsed();
    let index = index_run(scorer.index());
    let mut ranked =
        RankedIds { answers: Vec::new(), unknown: None, empty: Vec::new(), readings: Readings::default(), encoding };
    for (list, query) in lists.iter().zip(&queries) {
        let known = ranked.known(list, scorer.index(), index.empty_rows > 0)?;
        let RankedIdList { results, blend, feedback } = rank(list, &known, query, scorer, options)?;
        let reading = query.reading();
        ranked.readings.add(&list.query.id, reading);
        let index = Some(index.clone());
        let query = &list.query;
        ranked.answers.push(RankedQuery { query, model, index, blend, feedback, reading, work: None, results });
    }
    match &ranked.unknown {
        Some(unknown) if !leaves_out => {
            Err(Error::InvalidArgument(unknown.message(scorer.index())).advised(Remedy::AddToIndex))
        }
        _ => Ok(ranked),
    }
}

impl Unknown {
    /// Returns the message about them for users.
    pub fn message(&self, index: &Index) -> String {
        let Self { count, example } = self;
        let are = if *count == 1 { "candidate is" } else { "candidates are" };
        format!("{count} {are} not in the index {}, such as '{example}'", index.folder().display())
    }
}

impl RankedIds<'_> {
    /// Returns the candidates that the index has: positions in the list, and rows. Counts the
    /// others, and those without text.
    fn known(&mut self, list: &IdList, index: &Index, has_blank: bool) -> Result<Vec<(usize, u64)>> {
        let mut known = Vec::with_capacity(list.ids.len());
        for ((place, id), row) in list.ids.iter().enumerate().zip(index.find_all(&list.ids)?) {
            let Some(row) = row else {
                self.unknown.get_or_insert_with(|| Unknown { count: 0, example: id.clone() }).count += 1;
                continue;
            };
            known.push((place, row));
            if has_blank && index.is_blank(row)? {
                self.empty.push(id.clone());
            }
        }
        Ok(known)
    }
}

/// The candidates of a list in their order, and the blend and feedback that were used.
struct RankedIdList<'a> {
    results: Vec<Ranked<'a>>,
    blend: Option<Blend>,
    feedback: Option<f32>,
}

/// Ranks a list. `known`: positions in the list, with the rows of the index.
fn rank<'a>(
    list: &'a IdList,
    known: &[(usize, u64)],
    query: &IndexQuery,
    scorer: &IndexScorer,
    options: &ListOptions,
) -> Result<RankedIdList<'a>> {
    let rows: Vec<u64> = known.iter().map(|(_, row)| *row).collect();
    let pairs = scorer.score(query, &rows)?.pairs;
    let first: Vec<Option<f64>> = known.iter().map(|(place, _)| list.first_stage[*place]).collect();
    let vector = |at: usize| scorer.unit_vector(rows[at]);
    let OrderedList { hits, is_blended, feedback } =
        list::order_with(&pairs, &first, options, vector).map_err(|error| match error {
            Error::NotANumber { index } => {
                Error::at(error, format!("query '{}', id '{}'", list.query.id, list.ids[known[index].0]))
            }
            error => error,
        })?;
    let ranked = |hit: &Hit| Ranked {
        hit: Hit { index: rows[hit.index] as usize, ..*hit },
        id: list.ids[known[hit.index].0].as_str().into(),
        row: None,
        pair: pairs[hit.index].clone(),
        first_stage: first[hit.index],
        explanation: None,
    };
    Ok(RankedIdList {
        results: hits.iter().map(ranked).collect(),
        blend: is_blended.then_some(options.blend),
        feedback,
    })
}

/// Finds the best rows of an index for each query, and passes each answer to `answered` at once.
/// `model`: the description of the model in answers.
///
/// `ignore_identical_ids`: leaves a row out if its id is its query's.
///
/// # Errors
/// [`Error::At`] naming a query whose numbers are not finite; errors of encoding, of reading the
/// index and of `answered`.
pub fn search_index(
    scorer: &IndexScorer,
    queries: &[Query],
    (top_k, ignore_identical_ids): (usize, bool),
    model: &ModelRun,
    call: &Call<'_>,
    mut answered: impl FnMut(&RankedQuery<'_>) -> Result<()>,
) -> Result<Searched> {
    let index = scorer.index();
    let run = index_run(index);
    let mut searched = Searched { empty_rows: run.empty_rows, ..Searched::default() };
    for queries in queries.chunks(QUERIES_AT_ONCE) {
        let encoded = encode(scorer, queries, call)?;
        let started = Instant::now();
        // One more, because one may be left out.
        let hits = scorer.search(&encoded, top_k + usize::from(ignore_identical_ids), call)?;
        searched.searching += started.elapsed();
        for ((query, read), hits) in queries.iter().zip(&encoded).zip(hits) {
            let reading = read.reading();
            searched.readings.add(&query.id, reading);
            let mut results = hits.iter().map(|hit| found(index, *hit)).collect::<Result<Vec<_>>>()?;
            results.retain(|hit| !ignore_identical_ids || hit.id != query.id);
            results.truncate(top_k);
            searched.results += results.len();
            let index = Some(run.clone());
            answered(&RankedQuery { query, model, index, blend: None, feedback: None, reading, work: None, results })?;
        }
    }
    Ok(searched)
}

/// Returns the description of an index for answers.
fn index_run(index: &Index) -> IndexRun {
    IndexRun { dtype: index.dtype().to_string(), empty_rows: index.blank_rows().count() as u64 }
}

fn found(index: &Index, hit: Hit) -> Result<Ranked<'_>> {
    let id = index.id(hit.index as u64)?.into();
    Ok(Ranked { hit, id, row: None, pair: Scored::new(hit.score), first_stage: None, explanation: None })
}

fn encode<'q>(
    scorer: &IndexScorer,
    queries: impl IntoIterator<Item = &'q Query>,
    call: &Call<'_>,
) -> Result<Vec<IndexQuery>> {
    let queries: Vec<&Query> = queries.into_iter().collect();
    let texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
    scorer.encode(&texts, call).map_err(|error| of_query(error, |at| queries.get(at).copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_keeps_the_first_stages_best_in_their_order() {
        let ids = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
        let first_stage = vec![Some(1.0), None, Some(3.0), Some(1.0)];
        let mut list = IdList { query: Query::new("q", "?"), ids, first_stage };
        list.cut(2);
        assert_eq!((list.ids, list.first_stage), (vec!["a".into(), "c".into()], vec![Some(1.0), Some(3.0)]));
    }
}
