//! `nearsort rerank --index`: candidates are ids of an index, and only queries are encoded.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use nearsort::answer::{Answer, Format, IndexRun, ModelRun, Ranked, Readings, Shape, check_trec_query};
use nearsort::index::{Index, IndexQuery, IndexScorer};
use nearsort::io::{InputFormat, Query, RunFile, read_delimited_queries};
use nearsort::scorer::ListOptions;
use nearsort::scorer::list::order;
use nearsort::{Blend, Hit};

use crate::args::{RerankArgs, Talk};
use crate::hints::{Warning, say, warn, warn_of_skipped};
use crate::outcome::CHECK_MODEL;
use crate::output;
use crate::progress::Counter;
use crate::ranker::name_query;
use crate::reading::warn_of_readings;
use crate::{Failure, Outcome, Run, index, model};

/// A query with its candidates.
struct List {
    query: Query,
    ids: Vec<String>,
    first_stage: Vec<Option<f64>>,
}

pub fn run(args: &RerankArgs, folder: &Path, talk: Talk, counter: &Counter) -> Run {
    let format = output::format(args)?;
    let index = Arc::new(Index::open(folder)?);
    let blend = match (model::blend(&args.scoring)?, args.scoring.scoring) {
        (Some(blend), _) => blend,
        (None, Some(scoring)) => scoring.default_blend(),
        (None, None) => Blend::default(),
    };
    let lists = match (&args.run, &args.query_file) {
        (Some(run), Some(queries)) => lists_of_run(run, queries, args)?,
        _ => same_list(args, blend != Blend::None, talk)?,
    };
    if format == Format::Trec && args.query.is_none() {
        lists.iter().try_for_each(|list| check_trec_query(&list.query, "queries"))?;
    }
    let encoder = index::builder(&args.model, &index, talk)?.build_any_encoder()?;
    let scorer = IndexScorer::new(Arc::clone(&index), Arc::clone(&encoder), args.scoring.scoring)?;
    let model = ModelRun::of_encoder(encoder.as_ref(), scorer.kind());
    counter.expect(lists.len(), true);
    let texts: Vec<&str> = lists.iter().map(|list| list.query.text.as_str()).collect();
    let started = Instant::now();
    let query = |at: usize| lists.get(at).map(|list| &list.query);
    let queries = scorer.encode(&texts, &counter.call()).map_err(|error| name_query(error, query))?;
    let encoding = started.elapsed();
    counter.finish();
    let mut unknown = Unknown::default();
    let empty_rows = index.blank_rows().count() as u64;
    let mut answers = Vec::with_capacity(lists.len());
    for (list, query) in lists.iter().zip(&queries) {
        let (results, is_blended) = rank(list, query, &scorer, blend, args, &mut unknown)?;
        let (blend, reading) = (is_blended.then_some(blend), query.reading());
        let index = Some(IndexRun { dtype: index.dtype().to_string(), empty_rows });
        answers.push(Answer { query: &list.query, model: &model, index, blend, reading, work: None, results });
    }
    unknown.judge(&index, args, talk)?;
    let mut readings = Readings::default();
    answers.iter().for_each(|answer| readings.add(&answer.query.id, answer.reading));
    warn_of_readings(talk, &readings, encoder.max_tokens(), scorer.kind());
    if talk == Talk::Verbose {
        let candidates: usize = lists.iter().map(|list| list.ids.len()).sum();
        let (encoding, all) = (encoding.as_secs_f64(), started.elapsed().as_secs_f64());
        say(format_args!(
            "{candidates} candidates of {} queries in {all:.4} s after loading, {encoding:.4} s of it for encoding the queries",
            lists.len()
        ));
    }
    // An index keeps no texts.
    let shape = Shape { with_text: false, ..output::shape(args) };
    let mut out = output::open(args.output.as_deref(), format, shape)?;
    answers.iter().try_for_each(|answer| out.write(answer))?;
    out.finish()?;
    warn_of_empty(&index, &lists, talk)?;
    if format == Format::Trec {
        let repeated: Vec<&str> = answers.iter().flat_map(Answer::repeated).map(|ranked| &*ranked.id).collect();
        output::warn_of_repeated(talk, repeated.len(), repeated.first().copied());
    }
    Ok(if answers.iter().all(|answer| answer.results.is_empty()) { Outcome::Nothing } else { Outcome::Done })
}

/// Says which candidates have no text, as `rerank` without an index does.
fn warn_of_empty(index: &Index, lists: &[List], talk: Talk) -> Result<(), Failure> {
    let mut ids: Vec<String> = Vec::new();
    if index.blank_rows().next().is_some() {
        for list in lists {
            for (id, row) in list.ids.iter().zip(index.find_all(&list.ids)?) {
                if let Some(row) = row
                    && index.is_blank(row)?
                {
                    ids.push(id.clone());
                }
            }
        }
    }
    warn(talk, &Warning::Empty { number: ids.len(), ids });
    Ok(())
}

/// Candidates that the index does not have.
#[derive(Default)]
struct Unknown {
    count: usize,
    example: Option<String>,
}

impl Unknown {
    fn judge(self, index: &Index, args: &RerankArgs, talk: Talk) -> Result<(), Failure> {
        let Some(example) = self.example else { return Ok(()) };
        let (count, are) = (self.count, if self.count == 1 { "candidate is" } else { "candidates are" });
        let message = format!("{count} {are} not in the index {}, such as '{example}'", index.folder().display());
        if !args.reading.leaves_out() {
            return Err(Failure::Error(format!(
                "{message}; add their texts to the index (nearsort index add), or leave them out with --skip-bad-rows"
            )));
        }
        warn(talk, &Warning::LeftOut { message });
        Ok(())
    }
}

/// The candidates of a list in their order, and whether the first stage counted.
fn rank<'a>(
    list: &'a List,
    query: &IndexQuery,
    scorer: &IndexScorer,
    blend: Blend,
    args: &RerankArgs,
    unknown: &mut Unknown,
) -> Result<(Vec<Ranked<'a>>, bool), Failure> {
    let index = scorer.index();
    let places = index.find_all(&list.ids)?;
    let mut known = Vec::with_capacity(list.ids.len());
    for (place, row) in places.into_iter().enumerate() {
        match row {
            Some(row) => known.push((place, row)),
            None => {
                unknown.count += 1;
                unknown.example.get_or_insert_with(|| list.ids[place].clone());
            }
        }
    }
    let rows: Vec<u64> = known.iter().map(|(_, row)| *row).collect();
    let pairs = scorer.score(query, &rows)?.pairs;
    let first: Vec<Option<f64>> = known.iter().map(|(place, _)| list.first_stage[*place]).collect();
    let options = ListOptions::new(blend).top_k(args.top_k).min_score(args.min_score);
    let ordered = order(&pairs, &first, &options).map_err(|error| match error {
        nearsort::Error::NotANumber { index } => {
            let id = &list.ids[known[index].0];
            Failure::Error(format!("{error}: query '{}', id '{id}'; {CHECK_MODEL}", list.query.id))
        }
        other => other.into(),
    })?;
    let ranked = |hit: &Hit| Ranked {
        hit: Hit { index: rows[hit.index] as usize, ..*hit },
        id: list.ids[known[hit.index].0].as_str().into(),
        row: None,
        pair: pairs[hit.index].clone(),
        first_stage: first[hit.index],
        explanation: None,
    };
    Ok((ordered.hits.iter().map(ranked).collect(), ordered.is_blended))
}

fn lists_of_run(run: &Path, queries: &Path, args: &RerankArgs) -> Result<Vec<List>, Failure> {
    let queries: HashMap<String, Query> = read_delimited_queries(queries, args.reading.table.delimiter)?
        .into_iter()
        .map(|query| (query.id.clone(), query))
        .collect();
    let mut lists: Vec<List> = Vec::new();
    let mut unknown = None;
    RunFile::open(run)?.ignore_identical_ids(args.ignore_identical_ids).for_each_query(|results| {
        match queries.get(results.query_id()) {
            None => drop(unknown.get_or_insert_with(|| results.query_id().to_owned())),
            Some(query) => lists.push(List {
                query: query.clone(),
                ids: results.documents().iter().map(|document| document.id.to_owned()).collect(),
                first_stage: results.documents().iter().map(|document| Some(document.score)).collect(),
            }),
        }
        Ok(())
    })?;
    if let Some(unknown) = unknown.filter(|_| !args.reading.leaves_out()) {
        return Err(Failure::Error(format!(
            "{}: the run has the query '{unknown}', which is not among the queries; leave such lists out with --skip-bad-rows",
            run.display(),
        )));
    }
    if lists.is_empty() {
        return Err(Failure::Error(format!("{}: the run is empty", run.display())));
    }
    if let Some(depth) = args.depth {
        lists.iter_mut().for_each(|list| list.cut(depth));
    }
    Ok(lists)
}

impl List {
    /// Keeps the first stage's best.
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

/// The same candidates for every query: a line of text is an id, a row of another format has one.
fn same_list(args: &RerankArgs, needs_scores: bool, talk: Talk) -> Result<Vec<List>, Failure> {
    let mut rows = model::open_rows(std::slice::from_ref(&args.input), &args.reading, false, talk)?;
    if needs_scores {
        rows.need_scores();
    }
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
    warn_of_skipped(talk, rows.skipped(), rows.name(), rows.skip_reasons());
    let queries = match (&args.query, &args.query_file) {
        (Some(text), _) if text.trim().is_empty() => return Err(Failure::Error("--query is empty".into())),
        (Some(text), _) => vec![Query::new("1", text)],
        (None, Some(path)) => read_delimited_queries(path, args.reading.table.delimiter)?,
        (None, None) => return Err(Failure::Error("give --query TEXT or --query-file FILE".into())),
    };
    let list = |query: Query| {
        let is_ignored = |id: &String| args.ignore_identical_ids && *id == query.id;
        let candidates = ids.iter().zip(&first_stage).filter(|(id, _)| !is_ignored(id));
        let (ids, first_stage) = candidates.map(|(id, score)| (id.clone(), *score)).unzip();
        List { query, ids, first_stage }
    };
    Ok(queries.into_iter().map(list).collect())
}
