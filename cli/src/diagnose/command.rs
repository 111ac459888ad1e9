//! Command lines to paste into a shell.

use std::path::PathBuf;

use nearsort::Device;
use nearsort::diagnose::{Action, Profile, Report};

use crate::args::{ModelArgs, ObservedArgs, ReadingArgs, default_batch_tokens};
use crate::words::quoted;

/// Returns the `nearsort rerank` command over this call's files that the report recommends. Returns
/// `None` if it recommends none.
pub fn recommended(args: &ObservedArgs, report: &Report) -> Option<String> {
    let found = report.recommendation.as_ref().filter(|found| found.action != Action::DoNotRerank)?;
    Some(with_options(args, &found.profile, &found.arguments))
}

/// Returns the `nearsort rerank` command with these options, which `profile` holds too.
pub fn with_options(args: &ObservedArgs, profile: &Profile, options: &str) -> String {
    let mut words = files(args);
    words.extend(model(&args.model, profile));
    words.push(options.to_owned());
    words.push("--output reranked.trec".to_owned());
    words.join(" ")
}

/// Returns the same command with a profile.
pub fn with_profile(args: &ObservedArgs, profile: &str) -> String {
    let mut words = files(args);
    words.push(format!("--profile {}", quoted(profile)));
    words.extend(runtime(&args.model));
    words.push("--output reranked.trec".to_owned());
    words.join(" ")
}

/// Adds this call's model options to the profile, so that it recommends what was diagnosed.
pub fn completed(profile: &Profile, model: &ModelArgs) -> Profile {
    let mut profile = profile.clone();
    profile.query_prompt = profile.query_prompt.or_else(|| model.query_prompt.clone());
    profile.document_prompt = profile.document_prompt.or_else(|| model.document_prompt.clone());
    profile.pooling = profile.pooling.or(model.pooling);
    profile
}

/// Formats an option with its value, if there is one.
fn option(name: &str, value: Option<impl ToString>) -> Option<String> {
    value.map(|value| format!("--{name} {}", quoted(&value.to_string())))
}

/// Returns the command with its files and how they are read.
fn files(args: &ObservedArgs) -> Vec<String> {
    let name = |path: &PathBuf| quoted(&path.display().to_string());
    let corpus: Vec<String> = args.corpus.iter().map(name).collect();
    let options = [
        format!("--queries {}", name(&args.queries)),
        format!("--corpus {}", corpus.join(" ")),
        format!("--run {}", name(&args.run)),
    ];
    std::iter::once("nearsort rerank".to_owned()).chain(options).chain(reading(&args.reading)).collect()
}

fn reading(args: &ReadingArgs) -> Vec<String> {
    let options = [
        option("input-format", args.input_format),
        option("text-field", args.text_field.as_ref()),
        option("id-field", args.id_field.as_ref()),
        option("title-field", args.title_field.as_ref()),
        option("score-field", args.score_field.as_ref()),
        option("delimiter", args.table.delimiter.map(delimiter_name)),
        args.leaves_out().then(|| "--skip-bad-rows".to_owned()),
    ];
    options.into_iter().flatten().collect()
}

fn delimiter_name(delimiter: u8) -> String {
    if delimiter == b'\t' { "tab".to_owned() } else { char::from(delimiter).to_string() }
}

/// Returns the model's options that the recommendation does not change.
fn model(args: &ModelArgs, recommended: &Profile) -> Vec<String> {
    let unless = |changed: bool, option: Option<String>| option.filter(|_| !changed);
    let query = option("query-prompt", args.query_prompt.as_ref());
    let document = option("document-prompt", args.document_prompt.as_ref());
    let options = [
        option("model", args.name.as_ref()),
        unless(recommended.query_prompt.is_some(), query),
        unless(recommended.document_prompt.is_some(), document),
        unless(recommended.pooling.is_some(), option("pooling", args.pooling)),
    ];
    options.into_iter().flatten().chain(runtime(args)).collect()
}

/// Returns the options for running the model, which a profile does not hold.
pub fn runtime(args: &ModelArgs) -> Vec<String> {
    let options = [
        option("device", Some(args.device).filter(|&device| device != Device::Cpu)),
        option("engine", args.engine.0),
        option("precision", args.precision.0),
        option("threads", args.threads),
        option("batch-tokens", Some(args.batch_tokens).filter(|&tokens| tokens != default_batch_tokens())),
        option("max-tokens", args.max_tokens),
        option("dim", args.dim),
        args.store.offline.then(|| "--offline".to_owned()),
    ];
    options.into_iter().flatten().collect()
}
