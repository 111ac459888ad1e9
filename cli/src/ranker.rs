//! The reranker and the queries of `rerank`.

use std::path::Path;

use nearsort::answer::{Format, check_trec_query};
use nearsort::io::{Query, read_delimited_queries};
use nearsort::service::ServiceKind;
use nearsort::{Reranker, RerankerBuilder};

use crate::args::{ModelArgs, RankerArgs};
use crate::session::Session;
use crate::{Failure, cache, judge, model};

/// The arguments of a reranker.
pub struct Ranker<'a> {
    pub args: &'a RankerArgs,
    pub model: &'a ModelArgs,
    pub session: &'a Session,
}

impl Ranker<'_> {
    /// Loads the reranker that the arguments ask for.
    pub fn load(&self) -> Result<Reranker, Failure> {
        let mut builder = self.builder()?;
        if let Some(cache) = cache::open_for(&self.args.cache, self.model, self.args.uses_service(self.model))? {
            builder = builder.cache(cache);
        }
        let reranker = builder.build()?;
        if self.args.explain && reranker.encoder().is_none() {
            return Err(Failure::Error(
                "--explain is for embedding models: a cross-encoder does not tell which words met; leave it out".into(),
            ));
        }
        Ok(reranker)
    }

    /// Returns a builder with all options of the arguments, except the cache.
    pub fn builder(&self) -> Result<RerankerBuilder, Failure> {
        let args = self.args;
        let mut builder = model::reranker(self.model, &args.scoring, self.session)?.stages(args.stages.clone());
        if self.asks(ServiceKind::Judge) {
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

    /// Returns true if a service's model of this kind is used.
    pub fn asks(&self, kind: ServiceKind) -> bool {
        self.args.asks(kind, self.model)
    }
}

/// Returns the queries: a text, or those of a file.
pub fn queries(
    text: Option<&str>,
    file: Option<&Path>,
    delimiter: Option<u8>,
    format: Format,
) -> Result<Vec<Query>, Failure> {
    let Some(path) = file.filter(|_| text.is_none()) else { return query(text) };
    let queries = read_delimited_queries(path, delimiter)?;
    if queries.is_empty() {
        return Err(Failure::Error(format!("{}: the file has no queries", path.display())));
    }
    if format == Format::Trec {
        queries.iter().try_for_each(|query| check_trec_query(query, &path.display().to_string()))?;
    }
    Ok(queries)
}

/// Returns the single query of a text.
pub fn query(text: Option<&str>) -> Result<Vec<Query>, Failure> {
    match text {
        Some(text) if text.trim().is_empty() => Err(Failure::Error("--query is empty".into())),
        Some(text) => Ok(vec![Query::new("1", text)]),
        None => Err(Failure::Error("give --query TEXT or --query-file FILE".into())),
    }
}
