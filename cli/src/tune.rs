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
    session.with_rejects(&args.observed.reading, None, &inputs, || show(args, session))
}

fn show(args: &TuneArgs, session: &Session) -> Run {
    let judgements = judgements(args)?;
    let asked = &args.observed;
    let observed = observed(asked, Some(judgements.qrels.clone()), observe_scores, session)?;
    let resampling = Resampling { seed: asked.seed, ..Resampling::default() };
    let options = Options { measure: args.measure, resampling, ..Options::default() };
    let mut tuning = tune(&observed.observations, &options)?;
    // The command has this call's prompts among its options, a profile only if they are added.
    let with_options = |profile: &Profile| command::with_options(asked, profile, &tuning.recommended.arguments());
    let typed = tuning.profile.as_ref().map(with_options);
    tuning.profile = tuning.profile.map(|profile| command::completed(&profile, &asked.model));
    let saved = save_profile(args, &tuning, session)?;
    let commands = typed.into_iter().chain(saved).collect();
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

/// Writes the profile, if there is a recommendation, and returns the command that uses it.
fn save_profile(args: &TuneArgs, tuning: &Tuning, session: &Session) -> Result<Option<String>, Failure> {
    let Some(path) = &args.save_profile else { return Ok(None) };
    let Some(profile) = &tuning.profile else {
        if session.talk > Talk::Quiet {
            say(format_args!("no other setting is recommended, so {} was not written", path.display()));
        }
        return Ok(None);
    };
    write_profile(path, profile, &tuning.advice, &args.observed.model, session)?;
    Ok(Some(command::with_profile(&args.observed, &path.display().to_string())))
}

fn inputs(args: &TuneArgs) -> Vec<Option<&PathBuf>> {
    inputs_with(&args.observed, args.qrels.as_ref().or(args.judgements.as_ref()))
}

/// Checks the arguments before minutes of work.
fn check(args: &TuneArgs, inputs: &[Option<&PathBuf>]) -> Result<(), Failure> {
    check_read_once(inputs.iter().copied().flatten())?;
    check_asked(&args.observed, args.measure)?;
    match &args.save_profile {
        Some(path) => model::check_target(path, inputs),
        None => Ok(()),
    }
}
