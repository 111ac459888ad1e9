//! `nearsort search`: an index as its own first stage.

use std::sync::Arc;
use std::time::Instant;

use nearsort::answer::{Answer, Format, IndexRun, ModelRun, Ranked, Readings, Shape, check_trec_query};
use nearsort::index::{Index, IndexScorer};
use nearsort::io::{Query, read_delimited_queries};
use nearsort::{Hit, Scored, Scoring};

use crate::args::{SearchArgs, Talk};
use crate::hints::{Warning, say, warn};
use crate::output;
use crate::progress::Counter;
use crate::ranker::name_query;
use crate::reading::warn_of_readings;
use crate::service::DryRun;
use crate::{Failure, Outcome, Run, index, model};

/// Queries that are encoded and searched together.
const QUERIES_AT_ONCE: usize = 256;

pub fn run(args: &SearchArgs, talk: Talk) -> Run {
    let format = format(args)?;
    if let Some(path) = &args.output {
        model::check_target(path, &[args.query_file.as_ref()])?;
    }
    let queries = queries(args, format)?;
    let counter = Counter::new(talk);
    let index = Arc::new(Index::open(&args.index)?);
    if let Some(mut dry) = DryRun::of(&index::named(&args.model, &index))? {
        dry.queries(queries.iter().map(|query| query.text.as_str()));
        return dry.print();
    }
    let call = counter.call();
    let encoder = index::builder(&args.model, &index, talk)?.build_any_encoder()?;
    let model = ModelRun::of_encoder(encoder.as_ref(), nearsort::ScoreKind::Cosine);
    let max_tokens = encoder.max_tokens();
    let scorer = IndexScorer::new(Arc::clone(&index), encoder, Some(Scoring::Cosine))?;
    let shape = Shape { with_query: args.query_file.is_some(), ..Shape::default() };
    let mut out = output::open(args.output.as_deref(), format, shape)?;
    counter.expect(queries.len(), true);
    let (mut searching, mut found) = (std::time::Duration::ZERO, 0);
    let mut readings = Readings::default();
    let empty_rows = index.blank_rows().count() as u64;
    for queries in queries.chunks(QUERIES_AT_ONCE) {
        let texts: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
        let encoded = scorer.encode(&texts, &call).map_err(|error| name_query(error, |at| queries.get(at)))?;
        let started = Instant::now();
        // One more, where one may be left out.
        let top_k = args.top_k as usize + usize::from(args.ignore_identical_ids);
        let hits = scorer.search(&encoded, top_k, &call)?;
        searching += started.elapsed();
        for ((query, read), hits) in queries.iter().zip(&encoded).zip(hits) {
            let reading = read.reading();
            readings.add(&query.id, reading);
            let mut results = hits.iter().map(|hit| ranked(&index, *hit)).collect::<Result<Vec<_>, Failure>>()?;
            results.retain(|hit| !args.ignore_identical_ids || hit.id != query.id);
            results.truncate(args.top_k as usize);
            found += results.len();
            let index = Some(IndexRun { dtype: index.dtype().to_string(), empty_rows });
            out.write(&Answer { query, model: &model, index, blend: None, reading, work: None, results })?;
        }
    }
    counter.finish();
    warn_of_readings(talk, &readings, max_tokens, nearsort::ScoreKind::Cosine);
    out.finish()?;
    if index.len().saturating_sub(empty_rows) < u64::from(args.top_k) {
        warn(talk, &Warning::FewerFound { rows: index.len(), empty: empty_rows, top_k: args.top_k });
    }
    if talk == Talk::Verbose {
        let (queries, rows) = (queries.len(), index.len());
        say(format_args!("{queries} queries over {rows} rows searched in {:.3} s", searching.as_secs_f64()));
    }
    Ok(if found == 0 { Outcome::Nothing } else { Outcome::Done })
}

fn ranked(index: &Index, hit: Hit) -> Result<Ranked<'_>, Failure> {
    let id = index.id(hit.index as u64)?.into();
    Ok(Ranked { hit, id, row: None, pair: Scored::new(hit.score), first_stage: None, explanation: None })
}

fn format(args: &SearchArgs) -> Result<Format, Failure> {
    match (args.format, &args.output) {
        (Some(format), _) => Ok(format.into()),
        (None, Some(path)) => output::by_extension(path),
        (None, None) if args.query_file.is_some() => Ok(Format::Trec),
        (None, None) => Ok(output::fitting_stdout()),
    }
}

fn queries(args: &SearchArgs, format: Format) -> Result<Vec<Query>, Failure> {
    let Some(path) = &args.query_file else {
        let text = args.query.as_deref().unwrap_or_default();
        return match text.trim().is_empty() {
            true => Err(Failure::Error("--query is empty".into())),
            false => Ok(vec![Query::new("1", text)]),
        };
    };
    let queries = read_delimited_queries(path, args.table.delimiter)?;
    if queries.is_empty() {
        return Err(Failure::Error(format!("{}: the file has no queries", path.display())));
    }
    if format == Format::Trec {
        queries.iter().try_for_each(|query| check_trec_query(query, &path.display().to_string()))?;
    }
    Ok(queries)
}
