//! `nearsort index build` and `add`: from rows to segments.

use std::sync::Arc;
use std::time::{Duration, Instant};

use nearsort::cache::EmbeddingCache;
use nearsort::index::{BuildOptions, Index, IndexBuilder, IndexModel};
use nearsort::io::{Row, Rows, expand_paths};
use nearsort::{Encoder, RerankerBuilder};

use crate::args::{AddArgs, BuildArgs, ModelArgs, Talk};
use crate::hints::{Warning, say, warn, warn_of_skipped};
use crate::progress::Counter;
use crate::service::DryRun;
use crate::{Failure, Outcome, Run, cache, model};

/// Ids of rows without text that are kept for a warning.
const SHOWN_IDS: usize = 6;

#[derive(Default)]
struct Totals {
    encoded: usize,
    texts: usize,
    tokens: u64,
    truncated: usize,
    encode: Duration,
}

pub fn build(args: &BuildArgs, talk: Talk) -> Run {
    if args.cache.cache && args.tokens {
        let message = "--cache holds embeddings, not the token vectors that --tokens wants; leave one of the two out";
        return Err(Failure::Error(message.into()));
    }
    let files = expand_paths(&args.corpus)?;
    let inputs: Vec<_> = files.iter().map(Some).collect();
    model::with_rejects(&args.reading, Some(&args.output), &inputs, talk, |reading| {
        let mut rows = model::open_rows(&files, &reading, false, talk)?;
        if let Some(mut dry) = DryRun::of(&args.model)? {
            dry.rows(&mut rows)?;
            return dry.print();
        }
        let counter = Counter::new(talk);
        let cache = cache::open(&args.cache, &args.model)?;
        let builder = model::builder(&args.model, talk)?;
        let (encoder, made) = load(builder, &args.model, cache.clone(), ["", ""])?;
        let options =
            BuildOptions { dtype: args.dtype, tokens: args.tokens, replace: args.replace, restart: args.restart };
        let builder = IndexBuilder::build(&args.output, &made, options)?;
        fill(builder, &mut rows, encoder, cache, &counter, talk)
    })
}

pub fn add(args: &AddArgs, talk: Talk) -> Run {
    let index = Index::open(&args.index)?;
    let files = expand_paths(&args.corpus)?;
    let inputs: Vec<_> = files.iter().map(Some).collect();
    model::with_rejects(&args.reading, Some(&args.index), &inputs, talk, |reading| {
        let mut rows = model::open_rows(&files, &reading, false, talk)?;
        let named = super::model::named(&args.model, &index);
        if let Some(mut dry) = DryRun::of(&named)? {
            dry.rows(&mut rows)?;
            return dry.print();
        }
        let counter = Counter::new(talk);
        let cache = cache::open(&args.cache, &named)?;
        let builder = super::model::builder(&args.model, &index, talk)?;
        let prompts = [index.model().query_prompt.as_str(), &index.model().document_prompt];
        let (encoder, made) = load(builder, &named, cache.clone(), prompts)?;
        let builder = IndexBuilder::add(&args.index, &made, args.replace, args.restart)?;
        fill(builder, &mut rows, encoder, cache, &counter, talk)
    })
}

/// The encoder, and what an index says of it. `prompts`: those of queries and documents unless the arguments have others, for a service.
fn load(
    builder: RerankerBuilder,
    args: &ModelArgs,
    cache: Option<EmbeddingCache>,
    prompts: [&str; 2],
) -> Result<(Arc<dyn Encoder>, IndexModel), Failure> {
    if args.service_name().is_none() {
        let encoder = builder.build_encoder()?;
        let made = IndexModel::of(&encoder)?;
        return Ok((Arc::new(encoder), made));
    }
    let builder = match cache {
        Some(cache) => builder.cache(cache),
        None => builder,
    };
    let encoder = builder.build_any_encoder()?;
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
        say(format_args!("going on with an unfinished build that has {} rows", builder.resumed_rows()));
    }
    let totals = match &cached {
        Some(cached) => push_rows(&mut builder, rows, cached, counter),
        None => push_rows(&mut builder, rows, encoder.as_ref(), counter),
    };
    counter.finish();
    let totals = totals?;
    let index = builder.finish()?;
    let max_tokens = encoder.max_tokens();
    warn(talk, &Warning::Truncated { truncated: totals.truncated, candidates: totals.encoded, max_tokens });
    warn_of_empty(&index, totals.texts as u64, talk)?;
    warn_of_skipped(talk, rows.skipped(), rows.name(), rows.skip_reasons());
    if totals.texts == 0 {
        warn(talk, &Warning::NoCandidates { file: rows.name().to_owned() });
    }
    if talk == Talk::Verbose {
        let seconds = totals.encode.as_secs_f64();
        let (texts, tokens, rows) = (totals.encoded, totals.tokens, index.len());
        say(format_args!(
            "{texts} texts, {tokens} tokens encoded and written in {seconds:.3} s; the index has {rows} rows"
        ));
    }
    Ok(Outcome::Done)
}

/// Says which of the last rows of an index, those that were added now, no search finds.
fn warn_of_empty(index: &Index, added: u64, talk: Talk) -> Result<(), Failure> {
    let rows: Vec<u64> = index.blank_rows().filter(|row| *row >= index.rows().saturating_sub(added)).collect();
    let ids = rows.iter().take(SHOWN_IDS).map(|&row| Ok(index.id(row)?.to_owned())).collect::<Result<_, Failure>>()?;
    warn(talk, &Warning::EmptyRows { number: rows.len(), ids });
    Ok(())
}

fn push_rows(
    builder: &mut IndexBuilder,
    rows: &mut Rows,
    encoder: &dyn Encoder,
    counter: &Counter,
) -> Result<Totals, Failure> {
    let mut totals = Totals::default();
    loop {
        let chunk = rows.next_chunk(builder.chunk_rows())?;
        if chunk.is_empty() {
            return Ok(totals);
        }
        counter.expect(chunk.len(), chunk.len() < builder.chunk_rows());
        let passages: Vec<_> = chunk.iter().map(Row::passage).collect();
        let texts: Vec<(&str, &str)> =
            chunk.iter().zip(&passages).map(|(row, text)| (row.id.as_str(), &**text)).collect();
        let started = Instant::now();
        let lengths = builder.push_chunk(encoder, &texts, &counter.call())?;
        totals.texts += chunk.len();
        match lengths {
            None => counter.done(chunk.len()),
            Some(lengths) => {
                totals.encode += started.elapsed();
                totals.encoded += chunk.len();
                totals.tokens += lengths.tokens.iter().copied().map(u64::from).sum::<u64>();
                totals.truncated += lengths.truncated.iter().filter(|&&cut| cut).count();
            }
        }
    }
}
