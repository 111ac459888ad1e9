//! From arguments to a loaded model.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nearsort::io::{BadRows, ReadOptions, Rejects, Rows};
use nearsort::{Blend, Encoder, ModelStore, Overrides, Reranker, RerankerBuilder, StoreOptions};

use crate::args::{BadRowsArg, BlendMethod, ModelArgs, ReadingArgs, RerankArgs, ScoringArgs, StoreArgs, Talk};
use crate::hints::say;
use crate::interrupt::remove_on_interrupt;
use crate::progress::store_progress;
use crate::{Failure, Run, output, service};

pub fn store(args: &StoreArgs, talk: Talk) -> Result<ModelStore, Failure> {
    let mut options = StoreOptions::from_env()?;
    options.offline |= args.offline;
    options.progress = store_progress(talk);
    Ok(ModelStore::new(options))
}

pub fn builder(args: &ModelArgs, talk: Talk) -> Result<RerankerBuilder, Failure> {
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
    Ok(service::attach(builder, args))
}

/// What an encoder's model is called.
pub fn name_of(encoder: &dyn Encoder) -> String {
    encoder.model().map_or_else(|| "-".to_owned(), |model| model.name)
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
pub fn reranker(model: &ModelArgs, scoring: &ScoringArgs, talk: Talk) -> Result<RerankerBuilder, Failure> {
    let mut builder = builder(model, talk)?;
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

/// Opens the inputs, and says so when one is the keyboard: a program that waits for it looks like one that hangs.
/// `extra`: whether fields without a meaning are printed.
pub fn open_rows(inputs: &[PathBuf], args: &ReadingArgs, extra: bool, talk: Talk) -> Result<Rows, Failure> {
    if inputs.iter().any(|input| input.as_os_str() == "-") && io::stdin().is_terminal() && talk > Talk::Quiet {
        say(format_args!("reading texts from the keyboard, one per line; Ctrl-D ends them"));
    }
    Ok(Rows::open_all(inputs, &ReadOptions { extra, ..reading(args) })?)
}

/// How input is read.
pub fn reading(args: &ReadingArgs) -> ReadOptions {
    ReadOptions {
        format: args.input_format,
        text_field: args.text_field.clone(),
        id_field: args.id_field.clone(),
        title_field: args.title_field.clone(),
        score_field: args.score_field.clone(),
        delimiter: args.table.delimiter,
        // Who needs scores says so when it knows that they count; who prints other fields, that it does.
        needs_score: false,
        extra: false,
        bad_rows: match &args.opened_rejects {
            Some(rejects) => BadRows::Report(Arc::clone(rejects)),
            None if args.leaves_out() => BadRows::Skip,
            None => BadRows::Fail,
        },
        ..ReadOptions::default()
    }
}

/// The same for `rerank`, which prints other fields in JSON.
pub fn reading_for(args: &RerankArgs) -> Result<ReadOptions, Failure> {
    let format = output::format(args)?;
    let extra = matches!(format, nearsort::answer::Format::Json | nearsort::answer::Format::Jsonl);
    Ok(ReadOptions { extra, ..reading(&args.reading) })
}

/// The name of the file of unusable rows that is asked for. `output`: where the results go.
fn rejects_path(args: &ReadingArgs, output: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    match (args.bad_rows, &args.rejects) {
        (Some(BadRowsArg::Report), Some(path)) => Ok(Some(path.clone())),
        (Some(BadRowsArg::Report), None) => Ok(Some(match output {
            Some(output) => {
                let mut name = output.as_os_str().to_owned();
                name.push(".rejects.jsonl");
                name.into()
            }
            None => "rejects.jsonl".into(),
        })),
        (_, Some(_)) => Err(Failure::Error("--rejects is for --bad-rows report".into())),
        (_, None) => Ok(None),
    }
}

/// Does `work` with the file of unusable rows open, if there is to be one, and puts it in its place whatever the work comes to.
pub fn with_rejects(
    args: &ReadingArgs,
    output: Option<&Path>,
    inputs: &[Option<&PathBuf>],
    talk: Talk,
    work: impl FnOnce(ReadingArgs) -> Run,
) -> Run {
    let Some(path) = rejects_path(args, output)? else { return work(args.clone()) };
    check_target(&path, inputs)?;
    if output.is_some_and(|output| output == path) {
        return Err(Failure::Error("--rejects and --output name the same file; give one of them another name".into()));
    }
    let rejects = Arc::new(Rejects::create(&path)?);
    if let Some(unfinished) = rejects.temporary_path() {
        remove_on_interrupt(&unfinished);
    }
    let ran = work(ReadingArgs { opened_rejects: Some(Arc::clone(&rejects)), ..args.clone() });
    let finished = rejects.finish();
    if rejects.count() > 0 && finished.is_ok() && talk > Talk::Quiet {
        let (count, rows) = (rejects.count(), if rejects.count() == 1 { "row is" } else { "rows are" });
        say(format_args!("{count} unusable {rows} in {}", path.display()));
    }
    let ran = ran?;
    finished?;
    Ok(ran)
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
