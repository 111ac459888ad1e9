//! From arguments to a loaded model.

use std::io::{self, IsTerminal};
use std::path::Path;

use nearsort::encoder::ProgressFn;
use nearsort::io::{BadRows, ReadOptions, Rows};
use nearsort::{ModelStore, Overrides, Reranker, RerankerBuilder, StoreOptions};

use crate::Failure;
use crate::args::{ModelArgs, ReadingArgs, StoreArgs, Talk};
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
        .model(&args.model)
        .store(store(&args.store, talk)?)
        .device(args.device)
        .batch_tokens(args.batch_tokens)
        .overrides(Overrides {
            query_prompt: args.query_prompt.clone(),
            document_prompt: args.document_prompt.clone(),
            max_tokens: args.max_tokens,
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

/// Opens the input, and says so when it is the keyboard: a program that waits for it looks like one that hangs.
pub fn open_rows(input: &Path, args: &ReadingArgs, talk: Talk) -> Result<Rows, Failure> {
    if input.as_os_str() == "-" && io::stdin().is_terminal() && talk > Talk::Quiet {
        say(format_args!("reading texts from the keyboard, one per line; Ctrl-D ends them"));
    }
    let options = ReadOptions {
        format: args.input_format,
        text_field: args.text_field.clone(),
        id_field: args.id_field.clone(),
        title_field: args.title_field.clone(),
        bad_rows: if args.skip_bad_rows { BadRows::Skip } else { BadRows::Fail },
        ..ReadOptions::default()
    };
    Ok(Rows::open(input, &options)?)
}
