//! Loads models by the arguments.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use nearsort::io::{ReadOptions, Rows};
use nearsort::{Blend, Encoder, ModelStore, Overrides, Reranker, RerankerBuilder, StoreOptions};

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

pub fn builder(args: &ModelArgs, session: &Session) -> Result<RerankerBuilder, Failure> {
    let mut builder = Reranker::builder()
        .model(args.name())
        .store(store(&args.store, session.talk)?)
        .device(args.device)
        .batch_tokens(args.batch_tokens)
        .overrides(Overrides {
            query_prompt: args.query_prompt.clone(),
            document_prompt: args.document_prompt.clone(),
            max_tokens: args.max_tokens,
            pooling: args.pooling,
            dim: args.dim,
        });
    if let Some(engine) = args.engine.0 {
        builder = builder.engine(engine);
    }
    if let Some(precision) = args.precision.0 {
        builder = builder.precision(precision);
    }
    if let Some(threads) = args.threads {
        builder = builder.threads(threads);
    }
    Ok(service::attach(builder, args, session))
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
        (BlendMethod::None, Some(_)) => return wrong("--blend none has no use for --blend-weight"),
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

/// Returns a builder with model and scoring.
pub fn reranker(model: &ModelArgs, scoring: &ScoringArgs, session: &Session) -> Result<RerankerBuilder, Failure> {
    let mut builder = builder(model, session)?;
    if let Some(blend) = blend(scoring)? {
        builder = builder.blend(blend);
    }
    if let Some(feedback) = scoring.feedback {
        builder = builder.feedback(feedback);
    }
    if let Some(scoring) = scoring.scoring {
        builder = builder.scoring(scoring);
    }
    if let Some(long) = scoring.long {
        builder = builder.long_text(long);
    }
    Ok(builder)
}

/// Opens the inputs. Prints a notice if one is the keyboard, because a program waiting for it seems
/// to hang.
pub fn open_rows(inputs: &[PathBuf], reading: &ReadOptions, talk: Talk) -> Result<Rows, Failure> {
    if inputs.iter().any(|input| input.as_os_str() == "-") && io::stdin().is_terminal() && talk > Talk::Quiet {
        say(format_args!("reading texts from the keyboard, one per line; Ctrl-D ends them"));
    }
    Ok(Rows::open_all(inputs, reading)?)
}
