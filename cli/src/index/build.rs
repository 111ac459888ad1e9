//! `nearsort index build` and `add`: from rows to segments.

use std::sync::Arc;

use nearsort::cache::EmbeddingCache;
use nearsort::index::{BuildOptions, Index, IndexBuilder, IndexModel};
use nearsort::io::{Rows, expand_paths};
use nearsort::job::{EncodedRows, fill_index};
use nearsort::{Encoder, Model, ModelOptions};

use crate::args::{AddArgs, BuildArgs, ModelArgs, Talk};
use crate::hints::{Warning, say, warn, warn_of_skipped};
use crate::progress::Counter;
use crate::service::DryRun;
use crate::session::Session;
use crate::{Failure, Outcome, Run, cache, model};

/// Number of ids of rows without text that are kept for a warning.
const SHOWN_IDS: usize = 6;

pub fn build(args: &BuildArgs, session: &Session) -> Run {
    let talk = session.talk;
    if args.cache.cache && args.tokens {
        let message = "--cache holds embeddings, but --tokens needs token vectors; leave out one of the two";
        return Err(Failure::Error(message.into()));
    }
    let files = expand_paths(&args.corpus)?;
    let inputs: Vec<_> = files.iter().map(Some).collect();
    session.with_rejects(&args.reading, Some(&args.output), &inputs, || {
        let mut rows = model::open_rows(&files, &session.reading(&args.reading), talk)?;
        if let Some(mut dry) = DryRun::of(&args.model)? {
            dry.rows(&mut rows)?;
            return dry.print();
        }
        let counter = Counter::new(talk);
        let cache = cache::open(&args.cache, &args.model)?;
        let options = model::options(&args.model, session)?;
        let (encoder, made) = load(options, &args.model, cache.clone(), ["", ""])?;
        let options =
            BuildOptions { dtype: args.dtype, tokens: args.tokens, replace: args.replace, restart: args.restart };
        let builder = IndexBuilder::build(&args.output, &made, options)?;
        fill(builder, &mut rows, encoder, cache, &counter, talk)
    })
}

pub fn add(args: &AddArgs, session: &Session) -> Run {
    let talk = session.talk;
    let index = Index::open(&args.index)?;
    let files = expand_paths(&args.corpus)?;
    let inputs: Vec<_> = files.iter().map(Some).collect();
    session.with_rejects(&args.reading, Some(&args.index), &inputs, || {
        let mut rows = model::open_rows(&files, &session.reading(&args.reading), talk)?;
        let named = super::model::named(&args.model, &index);
        if let Some(mut dry) = DryRun::of(&named)? {
            dry.rows(&mut rows)?;
            return dry.print();
        }
        let counter = Counter::new(talk);
        let cache = cache::open(&args.cache, &named)?;
        let options = model::options_with(&super::model::config(&named, &index), &named, session)?;
        let prompts = [index.model().query_prompt.as_str(), &index.model().document_prompt];
        let (encoder, made) = load(options, &named, cache.clone(), prompts)?;
        let builder = IndexBuilder::add(&args.index, &made, args.replace, args.restart)?;
        fill(builder, &mut rows, encoder, cache, &counter, talk)
    })
}

/// Loads the encoder, and describes it for an index. `prompts` are the defaults for queries and
/// documents with a service.
fn load(
    options: ModelOptions,
    args: &ModelArgs,
    cache: Option<EmbeddingCache>,
    prompts: [&str; 2],
) -> Result<(Arc<dyn Encoder>, IndexModel), Failure> {
    if args.service_name().is_none() {
        let encoder = Model::load_local_encoder(args.name(), options)?;
        let made = IndexModel::of(&encoder)?;
        return Ok((Arc::new(encoder), made));
    }
    let options = match cache {
        Some(cache) => options.cache(cache),
        None => options,
    };
    let encoder = Model::load_encoder(args.name(), options)?;
    let given = [&args.query_prompt, &args.document_prompt];
    let prompts = [0, 1].map(|at| given[at].as_deref().unwrap_or(prompts[at]));
    let made = IndexModel::of_encoder(encoder.as_ref(), prompts)?;
    Ok((encoder, made))
}

fn fill(
    mut builder: IndexBuilder,
    rows: &mut Rows,
    encoder: Arc<dyn Encoder>,
    cache: Option<EmbeddingCache>,
    counter: &Counter,
    talk: Talk,
) -> Run {
    let cached = cache::before(cache, &encoder)?;
    if builder.resumed_rows() > 0 && talk > Talk::Quiet {
        say(format_args!("resuming an unfinished build with {} rows", builder.resumed_rows()));
    }
    let encode: &dyn Encoder = cached.as_ref().map_or(encoder.as_ref(), |cached| cached);
    let embedded = fill_index(&mut builder, rows, encode, counter, &counter.call());
    counter.finish();
    let EncodedRows { rows: texts, encoded, tokens, truncated, encoding, .. } = embedded?;
    let index = builder.finish()?;
    let max_tokens = encoder.max_tokens();
    warn(talk, &Warning::Truncated { truncated, candidates: encoded, max_tokens });
    warn_of_empty(&index, texts as u64, talk)?;
    warn_of_skipped(talk, rows.skipped(), rows.name(), rows.skip_reasons());
    if texts == 0 {
        warn(talk, &Warning::NoCandidates { file: rows.name().to_owned() });
    }
    if talk == Talk::Verbose {
        let (seconds, rows) = (encoding.as_secs_f64(), index.len());
        say(format_args!(
            "{encoded} texts, {tokens} tokens encoded and written in {seconds:.3} s; the index has {rows} rows"
        ));
    }
    Ok(Outcome::Done)
}

/// Warns of rows among the last `added` ones of an index that no search finds.
fn warn_of_empty(index: &Index, added: u64, talk: Talk) -> Result<(), Failure> {
    let rows: Vec<u64> = index.blank_rows().filter(|row| *row >= index.rows().saturating_sub(added)).collect();
    let ids = rows.iter().take(SHOWN_IDS).map(|&row| Ok(index.id(row)?.to_owned())).collect::<Result<_, Failure>>()?;
    warn(talk, &Warning::EmptyRows { number: rows.len(), ids });
    Ok(())
}
