//! `nearsort index`: embeddings on disk.

mod build;
mod edit;
mod info;

use nearsort::index::{Index, IndexModel};
use nearsort::{Overrides, Pooling, RerankerBuilder};

use crate::args::{IndexArgs, IndexVerb, ModelArgs, Talk};
use crate::{Failure, Run, model};

pub fn run(args: &IndexArgs, talk: Talk) -> Run {
    match &args.verb {
        IndexVerb::Build(args) => build::build(args, talk),
        IndexVerb::Add(args) => build::add(args, talk),
        IndexVerb::Delete(args) => edit::delete(args, talk),
        IndexVerb::Info { index, json } => info::info(index, *json),
        IndexVerb::Verify { index } => info::verify(index),
    }
}

/// A builder of the index's model: what the arguments leave open is as the index was made with.
pub fn builder(
    args: &ModelArgs,
    index: &Index,
    talk: Talk,
    progress: nearsort::encoder::ProgressFn,
) -> Result<RerankerBuilder, Failure> {
    let made: &IndexModel = index.model();
    let name = args.name.clone().or_else(|| Some(made.name.clone()));
    let args = ModelArgs { name, ..args.clone() };
    let mut builder = model::builder(&args, talk, progress)?.overrides(Overrides {
        query_prompt: args.query_prompt.clone().or_else(|| Some(made.query_prompt.clone())),
        document_prompt: args.document_prompt.clone().or_else(|| Some(made.document_prompt.clone())),
        max_tokens: args.max_tokens.or(Some(made.max_tokens)),
        pooling: args.pooling.or_else(|| made.pooling.parse::<Pooling>().ok()),
        dim: args.dim.or(Some(made.dim)),
    });
    if let (None, Ok(engine)) = (args.engine.0, made.engine.parse()) {
        builder = builder.engine(engine);
    }
    if let (None, Ok(precision)) = (args.precision.0, made.precision.parse()) {
        builder = builder.precision(precision);
    }
    Ok(builder)
}
