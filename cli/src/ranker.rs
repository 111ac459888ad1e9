//! The reranker and the queries of `rerank`.

use std::path::Path;

use nearsort::answer::{Format, check_trec_query};
use nearsort::io::{Query, read_delimited_queries};
use nearsort::service::ServiceKind;
use nearsort::{ModelOptions, Reranker};

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
        let mut options = self.options()?;
        if let Some(cache) = cache::open_for(&self.args.cache, self.model, self.args.uses_service(self.model))? {
            options = options.cache(cache);
        }
        let reranker = self.load_with(options)?;
        if self.args.explain && reranker.encoder().is_none() {
            return Err(Failure::Error("--explain is for embedding models; leave it out".into()));
        }
        Ok(reranker)
    }

    /// Loads the reranker with these options of its models.
    pub fn load_with(&self, options: ModelOptions) -> Result<Reranker, Failure> {
        let (name, mut rank) = (self.model.name(), model::rank_options(&self.args.scoring)?);
        rank.raw_scores = self.args.raw_scores;
        Ok(match self.args.stages.as_slice() {
            [] => Reranker::load(name, options, rank)?,
            stages => Reranker::load_stages(stages, name, options, rank)?,
        })
    }

    /// Returns the options of the arguments for models, except the cache.
    pub fn options(&self) -> Result<ModelOptions, Failure> {
        let mut config = model::config(self.model);
        (config.instruction, config.kind) = (self.args.instruction.clone(), self.args.judge.kind);
        let options = model::options_with(&config, self.model, self.session)?;
        if !self.asks(ServiceKind::Judge) {
            return Ok(options);
        }
        let (method, judge) = judge::asking(&self.args.judge)?;
        Ok(options.judge(method, judge))
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
