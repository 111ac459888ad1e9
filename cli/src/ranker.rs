//! What `rerank` ranks by, and what it asks: the parts that jobs, rehearsals and candidates of an index share.

use nearsort::answer::{Format, check_trec_query};
use nearsort::io::{Query, read_delimited_queries};
use nearsort::service::ServiceKind;
use nearsort::{Reranker, RerankerBuilder};

use crate::args::{RerankArgs, Talk};
use crate::outcome::CHECK_MODEL;
use crate::{Failure, cache, judge, model, output};

/// Rows scored at a time: enough for batches of like length, little enough to keep in memory at any text length.
pub const CHUNK_ROWS: usize = 4096;

/// The reranker that the arguments ask for.
pub fn load(args: &RerankArgs, talk: Talk) -> Result<Reranker, Failure> {
    let mut builder = builder(args, talk)?;
    if let Some(cache) = cache::open_for(&args.cache, &args.model, args.uses_service())? {
        builder = builder.cache(cache);
    }
    let reranker = builder.build()?;
    if args.explain && reranker.encoder().is_none() {
        return Err(Failure::Error(
            "--explain is for embedding models: a cross-encoder does not tell which words met; leave it out".into(),
        ));
    }
    Ok(reranker)
}

/// Everything that the arguments say about a reranker, but for the cache.
pub fn builder(args: &RerankArgs, talk: Talk) -> Result<RerankerBuilder, Failure> {
    let mut builder = model::reranker(&args.model, &args.scoring, talk)?.stages(args.stages.clone());
    if args.asks(ServiceKind::Judge) {
        let (method, options) = judge::asking(&args.judge)?;
        builder = builder.judge(method, options);
    }
    if let Some(kind) = args.judge.kind {
        builder = builder.kind(kind);
    }
    if let Some(raw_scores) = args.raw_scores {
        builder = builder.raw_scores(raw_scores);
    }
    if let Some(instruction) = &args.instruction {
        builder = builder.instruction(instruction);
    }
    Ok(builder)
}

/// What is asked.
pub fn queries(args: &RerankArgs) -> Result<Vec<Query>, Failure> {
    match (&args.query, &args.query_file) {
        (Some(text), _) if text.trim().is_empty() => Err(Failure::Error("--query is empty".into())),
        (Some(text), _) => Ok(vec![Query::new("1", text)]),
        (None, Some(path)) => {
            let queries = read_delimited_queries(path, args.reading.table.delimiter)?;
            if queries.is_empty() {
                return Err(Failure::Error(format!("{}: the file has no queries", path.display())));
            }
            if output::format(args)? == Format::Trec {
                queries.iter().try_for_each(|query| check_trec_query(query, &path.display().to_string()))?;
            }
            Ok(queries)
        }
        (None, None) => Err(Failure::Error("give --query TEXT or --query-file FILE".into())),
    }
}

/// An error about a query names a position; the user knows the id that `query` gives.
pub fn name_query<'a>(error: nearsort::Error, query: impl FnOnce(usize) -> Option<&'a Query>) -> Failure {
    let found = match &error {
        nearsort::Error::QueryNotANumber { index } => query(*index),
        _ => None,
    };
    match found {
        Some(found) => Failure::Error(format!("{error}: query '{}'; {CHECK_MODEL}", found.id)),
        None => error.into(),
    }
}
