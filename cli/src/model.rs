//! From arguments to a loaded model.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use nearsort::encoder::ProgressFn;
use nearsort::io::{BadRows, ReadOptions, Rows};
use nearsort::{Blend, ModelStore, Overrides, Reranker, RerankerBuilder, StoreOptions};

use crate::Failure;
use crate::args::{BlendMethod, ModelArgs, ReadingArgs, ScoringArgs, StoreArgs, Talk};
use crate::hints::say;
use crate::progress::store_progress;

pub fn store(args: &StoreArgs, talk: Talk) -> Result<ModelStore, Failure> {
    let mut options = StoreOptions::from_env()?;
    options.offline |= args.offline;
    options.progress = store_progress(talk);
    Ok(ModelStore::new(options))
}

pub fn builder(args: &ModelArgs, talk: Talk, progress: ProgressFn) -> Result<RerankerBuilder, Failure> {
    let mut builder = Reranker::builder()
        .model(args.name())
        .store(store(&args.store, talk)?)
        .device(args.device)
        .batch_tokens(args.batch_tokens)
        .overrides(Overrides {
            query_prompt: args.query_prompt.clone(),
            document_prompt: args.document_prompt.clone(),
            max_tokens: args.max_tokens,
            pooling: args.pooling,
            dim: args.dim,
        })
        .progress(progress);
    if let Some(engine) = args.engine.0 {
        builder = builder.engine(engine);
    }
    if let Some(precision) = args.precision.0 {
        builder = builder.precision(precision);
    }
    if let Some(threads) = args.threads {
        builder = builder.threads(threads);
    }
    Ok(builder)
}

/// How first-stage scores count, if the arguments say; the weight's default depends on the method.
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

/// A builder with model and scoring.
pub fn reranker(
    model: &ModelArgs,
    scoring: &ScoringArgs,
    talk: Talk,
    progress: ProgressFn,
) -> Result<RerankerBuilder, Failure> {
    let mut builder = builder(model, talk, progress)?;
    if let Some(blend) = blend(scoring)? {
        builder = builder.blend(blend);
    }
    if let Some(scoring) = scoring.scoring {
        builder = builder.scoring(scoring);
    }
    if let Some(long) = scoring.long {
        builder = builder.long_text(long);
    }
    Ok(builder)
}

/// Opens the input, and says so when it is the keyboard: a program that waits for it looks like one that hangs.
pub fn open_rows(input: &Path, args: &ReadingArgs, talk: Talk) -> Result<Rows, Failure> {
    if input.as_os_str() == "-" && io::stdin().is_terminal() && talk > Talk::Quiet {
        say(format_args!("reading texts from the keyboard, one per line; Ctrl-D ends them"));
    }
    Ok(Rows::open(input, &reading(args))?)
}

/// The files that are meant, one or several.
pub fn files(paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.to_vec()
}

/// How input is read.
pub fn reading(args: &ReadingArgs) -> ReadOptions {
    ReadOptions {
        format: args.input_format,
        text_field: args.text_field.clone(),
        id_field: args.id_field.clone(),
        title_field: args.title_field.clone(),
        score_field: args.score_field.clone(),
        bad_rows: if args.skip_bad_rows { BadRows::Skip } else { BadRows::Fail },
        ..ReadOptions::default()
    }
}

/// What would make minutes of work useless, before them: a target that cannot be written, or that is one of the inputs.
pub fn check_target(path: &Path, inputs: &[Option<&PathBuf>]) -> Result<(), Failure> {
    let wrong = |why: String| Err(Failure::Error(format!("cannot write {}: {why}", path.display())));
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !folder.is_dir() {
        return wrong(format!("there is no folder {}; create it first", folder.display()));
    }
    if path.is_dir() {
        return wrong("it is a folder; give the name of a file".into());
    }
    let same = |input: &&PathBuf| matches!((path.canonicalize(), input.canonicalize()), (Ok(a), Ok(b)) if a == b);
    match inputs.iter().copied().flatten().find(same) {
        Some(_) => wrong("it is the input; give another name".into()),
        None => Ok(()),
    }
}
