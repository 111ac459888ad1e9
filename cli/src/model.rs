//! Loads models by the arguments.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use nearsort::io::{ReadOptions, Rows};
use nearsort::{Blend, Encoder, ModelConfig, ModelOptions, ModelStore, RankOptions, StoreOptions};

use crate::args::{BlendMethod, ModelArgs, ScoringArgs, StoreArgs, Talk};
use crate::hints::say;
use crate::progress::store_progress;
use crate::session::Session;
pub use crate::targets::check_target;
use crate::{Failure, service};

pub fn store(args: &StoreArgs, talk: Talk) -> Result<ModelStore, Failure> {
    let mut options = StoreOptions::from_env()?;
    options.offline |= args.offline;
    options.progress = store_progress(talk);
    Ok(ModelStore::new(options))
}

/// Returns what the arguments say of the model. What they leave open follows from the model.
pub fn config(args: &ModelArgs) -> ModelConfig {
    let mut config = ModelConfig::new(args.name());
    (config.device, config.engine, config.precision) = (Some(args.device), args.engine.0, args.precision.0);
    (config.threads, config.batch_tokens) = (args.threads, Some(args.batch_tokens));
    (config.query_prompt, config.document_prompt) = (args.query_prompt.clone(), args.document_prompt.clone());
    (config.max_tokens, config.pooling, config.dim) = (args.max_tokens, args.pooling, args.dim);
    config
}

/// Returns the options for loading the arguments' model.
pub fn options(args: &ModelArgs, session: &Session) -> Result<ModelOptions, Failure> {
    options_with(&config(args), args, session)
}

/// Returns the options for loading a model: its configuration, the store, and the way to services.
pub fn options_with(config: &ModelConfig, args: &ModelArgs, session: &Session) -> Result<ModelOptions, Failure> {
    let options = ModelOptions::from(config).store(store(&args.store, session.talk)?);
    Ok(options.connect(service::connector(args, session)).concurrency(usize::from(args.service.concurrency)))
}

/// Returns the name of an encoder's model.
pub fn name_of(encoder: &dyn Encoder) -> String {
    encoder.model().map_or_else(|| "-".to_owned(), |model| model.name)
}

/// Returns the blend that the arguments ask for, if any. The default weight depends on the method.
pub fn blend(args: &ScoringArgs) -> Result<Option<Blend>, Failure> {
    let wrong = |message: &str| Err(Failure::Error(message.into()));
    let method = match args.blend {
        Some(method) => method,
        None if args.blend_weight.is_some() || args.normalize.is_some() => BlendMethod::Linear,
        None => return Ok(None),
    };
    let normalize = args.normalize.unwrap_or_default();
    let blend = match (method, args.blend_weight) {
        (BlendMethod::None, Some(_)) => return wrong("--blend-weight has no effect with --blend none"),
        (BlendMethod::None | BlendMethod::Rrf, _) if args.normalize.is_some() => {
            return wrong("--normalize is for --blend linear");
        }
        (BlendMethod::None, None) => Blend::None,
        (BlendMethod::Linear, weight) => {
            Blend::Linear { weight: weight.unwrap_or(Blend::linear_weight(normalize)), normalize }
        }
        (BlendMethod::Rrf, weight) => Blend::Rrf { weight: weight.unwrap_or(Blend::RRF_WEIGHT) },
    };
    Ok(Some(blend.check()?))
}

/// Returns the options for ranking.
pub fn rank_options(scoring: &ScoringArgs) -> Result<RankOptions, Failure> {
    let mut options = RankOptions::default().feedback(scoring.feedback.unwrap_or_default());
    (options.scoring, options.long_text, options.blend) = (scoring.scoring, scoring.long, blend(scoring)?);
    Ok(options)
}

/// Opens the inputs. Prints a notice if one is the keyboard, because a program waiting for it seems
/// to hang.
pub fn open_rows(inputs: &[PathBuf], reading: &ReadOptions, talk: Talk) -> Result<Rows, Failure> {
    if inputs.iter().any(|input| input.as_os_str() == "-") && io::stdin().is_terminal() && talk > Talk::Quiet {
        say(format_args!("reading texts from the keyboard, one per line; Ctrl-D ends the input"));
    }
    Ok(Rows::open_all(inputs, reading)?)
}
