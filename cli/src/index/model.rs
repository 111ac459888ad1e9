//! The model of an index.

use std::sync::Arc;

use nearsort::index::Index;
use nearsort::{Encoder, Model, ModelConfig};

use crate::args::ModelArgs;
use crate::session::Session;
use crate::{Failure, model};

/// Adds the index's model to the arguments, unless they name one.
pub fn named(args: &ModelArgs, index: &Index) -> ModelArgs {
    let name = args.name.clone().or_else(|| Some(index.model().name.clone()));
    ModelArgs { name, ..args.clone() }
}

/// Returns the configuration of the index's model. What the arguments leave open is the index's.
pub fn config(args: &ModelArgs, index: &Index) -> ModelConfig {
    model::config(&named(args, index)).or(index.model().config())
}

/// Loads the encoder of the index's model.
pub fn encoder(args: &ModelArgs, index: &Index, session: &Session) -> Result<Arc<dyn Encoder>, Failure> {
    let config = config(args, index);
    let options = model::options_with(&config, &named(args, index), session)?;
    Ok(Model::load_encoder(config.name(), options)?)
}
