//! The model of an index.

use nearsort::index::{Index, IndexModel};
use nearsort::remote::known_dim;
use nearsort::{Overrides, Pooling, RerankerBuilder};

use crate::args::ModelArgs;
use crate::session::Session;
use crate::{Failure, model};

/// Token limit of a service's model whose limit is not known.
const UNKNOWN_TOKENS: usize = u32::MAX as usize;

/// Adds the index's model to the arguments, unless they name one.
pub fn named(args: &ModelArgs, index: &Index) -> ModelArgs {
    let name = args.name.clone().or_else(|| Some(index.model().name.clone()));
    ModelArgs { name, ..args.clone() }
}

/// Returns the dimension of the index, if the model must be asked for it. A service's model with an
/// unknown dimension is not asked; some refuse the request.
fn dim_to_ask_for(args: &ModelArgs, made: &IndexModel) -> Option<usize> {
    match args.service_name() {
        None => Some(made.dim),
        Some((provider, model)) => known_dim(provider, model).map(|_| made.dim),
    }
}

/// Returns a builder of the index's model. Options that the arguments leave open are those of the
/// index.
pub fn builder(args: &ModelArgs, index: &Index, session: &Session) -> Result<RerankerBuilder, Failure> {
    let made: &IndexModel = index.model();
    let args = named(args, index);
    let is_service = args.service_name().is_some();
    let mut builder = model::builder(&args, session)?.overrides(Overrides {
        query_prompt: args.query_prompt.clone().or_else(|| Some(made.query_prompt.clone())),
        document_prompt: args.document_prompt.clone().or_else(|| Some(made.document_prompt.clone())),
        max_tokens: args.max_tokens.or((!is_service || made.max_tokens < UNKNOWN_TOKENS).then_some(made.max_tokens)),
        pooling: args.pooling.or_else(|| made.pooling.parse::<Pooling>().ok()),
        dim: args.dim.or(dim_to_ask_for(&args, made)),
    });
    if let (None, Ok(engine)) = (args.engine.0, made.engine.parse()) {
        builder = builder.engine(engine);
    }
    if let (None, Ok(precision)) = (args.precision.0, made.precision.parse()) {
        builder = builder.precision(precision);
    }
    Ok(builder)
}
