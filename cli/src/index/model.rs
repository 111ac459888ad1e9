//! The model of an index.

use std::sync::Arc;

use nearsort::index::{Index, IndexModel};
use nearsort::remote::known_dim;
use nearsort::{Encoder, Model, ModelConfig};

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

/// Returns the configuration of the index's model. What the arguments leave open is the index's.
pub fn config(args: &ModelArgs, index: &Index) -> ModelConfig {
    let (args, made) = (named(args, index), index.model());
    let is_service = args.service_name().is_some();
    let mut config = model::config(&args);
    config.query_prompt.get_or_insert_with(|| made.query_prompt.clone());
    config.document_prompt.get_or_insert_with(|| made.document_prompt.clone());
    let limit = (!is_service || made.max_tokens < UNKNOWN_TOKENS).then_some(made.max_tokens);
    config.max_tokens = config.max_tokens.or(limit);
    config.pooling = config.pooling.or_else(|| made.pooling.parse().ok());
    config.dim = config.dim.or_else(|| dim_to_ask_for(&args, made));
    config.engine = config.engine.or_else(|| made.engine.parse().ok());
    config.precision = config.precision.or_else(|| made.precision.parse().ok());
    config
}

/// Loads the encoder of the index's model.
pub fn encoder(args: &ModelArgs, index: &Index, session: &Session) -> Result<Arc<dyn Encoder>, Failure> {
    let config = config(args, index);
    let options = model::options_with(&config, &named(args, index), session)?;
    Ok(Model::load_encoder(config.name(), options)?)
}
