//! `nearsort tune`: reads, scores, lets the library choose, and shows what came of it.

use std::io::{self, Write};
use std::path::PathBuf;

use nearsort::compare::Judgements;
use nearsort::diagnose::{Options, Profile, Tuning, TuningRun, observe_scores, tune};
use nearsort::eval::Resampling;
use nearsort_report::{TuningView, width};

use crate::args::{Talk, TuneArgs, TuneFormat};
use crate::diagnose::{check_asked, command, inputs_with, observed, write_profile};
use crate::eval::check_read_once;
use crate::hints::say;
use crate::session::Session;
use crate::{Failure, Outcome, Run, model};

/// Width of a report if the output is not a terminal.
const PLAIN_WIDTH: usize = 110;

pub fn run(args: &TuneArgs, session: &Session) -> Run {
    let inputs = inputs(args);
    check(args, &inputs)?;
    session.with_rejects(&args.reading, None, &inputs, || show(args, session))
}

fn show(args: &TuneArgs, session: &Session) -> Run {
    let judgements = judgements(args)?;
    let asked = (&args.observed, &args.reading, &args.model);
    let observed = observed(asked, &args.scoring, Some(judgements.qrels.clone()), observe_scores, session)?;
    let resampling = Resampling { seed: args.observed.seed, ..Resampling::default() };
    let options = Options { measure: args.measure, resampling, ..Options::default() };
    let mut tuning = tune(&observed.observations, &options)?;
    tuning.profile = tuning.profile.map(|profile| command::completed(&profile, &args.model));
    let commands = commands(args, &tuning, session)?;
    let view = TuningView {
        tuning: &tuning,
        model: &observed.model,
        judgements: &judgements,
        notes: &observed.notes,
        commands,
    };
    let text = match args.format {
        TuneFormat::Json => json(&view, &session.command_line),
        TuneFormat::Text => view.text(width(PLAIN_WIDTH)),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

fn json(view: &TuningView<'_>, command: &str) -> String {
    view.tuning.to_json(&TuningRun {
        command: Some(command),
        model: view.model,
        judgements: &view.judgements.source,
        by_model: view.judgements.by_model,
        notes: view.notes,
    })
}

/// Reads the judgements, by people or by a model.
fn judgements(args: &TuneArgs) -> Result<Judgements, Failure> {
    match (&args.qrels, &args.judgements) {
        (Some(path), _) => Ok(Judgements::read(path)?),
        (None, Some(path)) => Ok(Judgements::read_model(path)?),
        (None, None) => Err(Failure::Error("nothing can be tuned without --qrels or --judgements".into())),
    }
}

/// Saves the profile, if there is one, and returns the commands that use the recommendation.
fn commands(args: &TuneArgs, tuning: &Tuning, session: &Session) -> Result<Vec<String>, Failure> {
    let Some(profile) = &tuning.profile else {
        if let Some(path) = args.save_profile.as_ref().filter(|_| session.talk > Talk::Quiet) {
            say(format_args!("no other setting is recommended, so {} was not written", path.display()));
        }
        return Ok(Vec::new());
    };
    let asked = (&args.observed, &args.reading, &args.model);
    let mut commands = vec![command::with_options(asked, profile, &options(tuning, profile))];
    if let Some(path) = &args.save_profile {
        write_profile(path, profile, &tuning.advice, &args.model, session)?;
        commands.push(command::with_profile(asked, &path.display().to_string()));
    }
    Ok(commands)
}

/// Returns the options of the recommendation, with the prompts and the pooling of this call.
fn options(tuning: &Tuning, profile: &Profile) -> String {
    let prompt = |name: &str, value: &Option<String>| {
        value.as_ref().map(|value| format!(" --{name} {}", crate::words::quoted(value)))
    };
    let mut options = tuning.recommended.arguments();
    options.extend(prompt("query-prompt", &profile.query_prompt));
    options.extend(prompt("document-prompt", &profile.document_prompt));
    options.extend(profile.pooling.map(|pooling| format!(" --pooling {pooling}")));
    options
}

fn inputs(args: &TuneArgs) -> Vec<Option<&PathBuf>> {
    inputs_with(&args.observed, args.qrels.as_ref().or(args.judgements.as_ref()))
}

/// Checks the arguments before minutes of work.
fn check(args: &TuneArgs, inputs: &[Option<&PathBuf>]) -> Result<(), Failure> {
    check_read_once(inputs.iter().copied().flatten())?;
    check_asked(&args.model, args.measure)?;
    if let Some(path) = &args.save_profile {
        model::check_target(path, inputs)?;
    }
    model::blend(&args.scoring).map(drop)
}
