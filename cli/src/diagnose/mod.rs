//! `nearsort diagnose`: reads, scores, lets the library analyse the results, and shows its report.
//! All output comes from one [`DiagnosisView`].

pub mod command;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nearsort::diagnose::{
    Action, DiagnoseFiles, Material, ObserveOptions, Observed, Options, Profile, Report, diagnose, observe,
};
use nearsort::eval::{Measure, Resampling};
use nearsort::io::{Qrels, write_whole};
use nearsort::job::Observer;
use nearsort::{Call, Error, Model, RankOptions, Scoring};
use nearsort_report::{DiagnosisView, width};

use crate::args::{DiagnoseArgs, DiagnoseFormat, ModelArgs, ObservedArgs, Talk};
use crate::eval::check_read_once;
use crate::hints::say;
use crate::notices::Speaker;
use crate::outcome::as_flags;
use crate::progress::Counter;
use crate::reading::warn_of_readings;
use crate::session::Session;
use crate::{Failure, Outcome, Run, model};

/// Width of a report if the output is not a terminal.
const PLAIN_WIDTH: usize = 110;

pub fn run(args: &DiagnoseArgs, session: &Session) -> Run {
    check(args)?;
    let inputs = inputs(args);
    session.with_rejects(&args.observed.reading, None, &inputs, || report(args, session))
}

fn report(args: &DiagnoseArgs, session: &Session) -> Run {
    let qrels = args.qrels.as_ref().map(Qrels::read).transpose()?;
    let asked = &args.observed;
    let observed = observed(asked, qrels, observe, session)?;
    let resampling = Resampling { seed: asked.seed, ..Resampling::default() };
    let options = Options { measure: args.measure, resampling, ..Options::default() };
    let mut report = diagnose(&observed.observations, &options)?;
    report.say_options(as_flags);
    // The command has this call's prompts among its options, a profile only if they are added.
    let recommended = command::recommended(asked, &report);
    if let Some(found) = &mut report.recommendation {
        found.profile = command::completed(&found.profile, &asked.model);
    }
    let view = DiagnosisView {
        recommended,
        by_profile: save_profile(args, &report, session)?,
        report: &report,
        model: &observed.model,
        max_tokens: observed.max_tokens,
        tried_queries: observed.tried_queries,
        notes: &observed.notes,
        command: session.command_line.clone(),
        seed: asked.seed,
        resamples: resampling.resamples,
    };
    write_files(args, &view)?;
    let text = match args.format {
        DiagnoseFormat::Json => view.json()?,
        DiagnoseFormat::Table => view.text(width(PLAIN_WIDTH)),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

/// The library's way to observe, with trials of other prompts and poolings or without.
type Observe = fn(Material, &Model, &ObserveOptions, &dyn Observer, &Call<'_>) -> nearsort::Result<Observed>;

/// Reads the files, loads the model, and scores.
pub fn observed(
    args: &ObservedArgs,
    qrels: Option<Qrels>,
    observe: Observe,
    session: &Session,
) -> Result<Observed, Failure> {
    let talk = session.talk;
    let counter = Counter::new(talk);
    let material = files(args, session).read_with(qrels, &Speaker(talk)).map_err(of_files)?;
    let options = model::options(&args.model, session)?;
    let model = Model::load_to_rank(args.model.name(), options, &RankOptions::by(Scoring::Hybrid))?;
    let options = ObserveOptions {
        model: Some(args.model.name().to_owned()),
        seed: args.seed,
        ..ObserveOptions::of(&model, &model::rank_options(&args.scoring)?)
    };
    let observed = observe(material, &model, &options, &counter, &counter.call());
    counter.finish();
    let observed = observed?;
    warn_of_readings(talk, &observed.readings, observed.max_tokens, observed.model.scoring);
    Ok(observed)
}

/// Returns the files that are looked at, without judgements.
fn files(args: &ObservedArgs, session: &Session) -> DiagnoseFiles {
    DiagnoseFiles {
        queries: args.queries.clone(),
        run: args.run.clone(),
        corpus: args.corpus.clone(),
        qrels: None,
        reading: session.reading(&args.reading),
        ignore_identical_ids: args.ignore_identical_ids,
        sample: args.sample.map(|number| number as usize),
        seed: args.seed,
    }
}

/// Adds advice for files that do not belong together.
fn of_files(error: Error) -> Failure {
    match error {
        Error::MissingTexts { message } => Failure::Error(format!(
            "{message}; check that the files belong together and which field is the id (--id-field)"
        )),
        error => error.into(),
    }
}

fn inputs(args: &DiagnoseArgs) -> Vec<Option<&PathBuf>> {
    inputs_with(&args.observed, args.qrels.as_ref())
}

/// Returns every file that is read, with the judgements.
pub fn inputs_with<'a>(args: &'a ObservedArgs, judgements: Option<&'a PathBuf>) -> Vec<Option<&'a PathBuf>> {
    let named = [Some(&args.queries), Some(&args.run), judgements];
    named.into_iter().chain(args.corpus.iter().map(Some)).collect()
}

/// Checks the arguments before minutes of work.
fn check(args: &DiagnoseArgs) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::Error(message));
    let inputs = inputs(args);
    check_read_once(inputs.iter().copied().flatten())?;
    check_asked(&args.observed, args.measure)?;
    let outputs = [args.html.as_ref(), args.json.as_ref(), args.save_profile.as_ref()];
    for (at, output) in outputs.iter().enumerate() {
        let Some(output) = output else { continue };
        model::check_target(output, &inputs)?;
        if outputs[..at].contains(&Some(output)) {
            return wrong(format!("two outputs have the name {}; give them different names", output.display()));
        }
    }
    Ok(())
}

/// Checks that the model can be looked at, that the measure is one of quality, and the options of
/// the blend.
pub fn check_asked(args: &ObservedArgs, measure: Measure) -> Result<(), Failure> {
    if args.model.service_name().is_some() {
        return Err(Failure::Error(format!(
            "'{}' is a service, and only local embedding models are diagnosed and tuned; see what a service gains with `nearsort compare`",
            args.model.name()
        )));
    }
    if measure.is_count() {
        return Err(Failure::Error(format!("{measure} is a count, not a quality; give a measure such as nDCG@10")));
    }
    model::blend(&args.scoring).map(drop)
}

/// Writes the profile, if there is a recommendation, and returns the command that uses it.
fn save_profile(args: &DiagnoseArgs, report: &Report, session: &Session) -> Result<Option<String>, Failure> {
    let Some(path) = &args.save_profile else { return Ok(None) };
    let Some(found) = report.recommendation.as_ref().filter(|found| found.action != Action::DoNotRerank) else {
        if session.talk > Talk::Quiet {
            let why = report.recommendation.as_ref().map_or("no query is judged", |found| &found.reason);
            say(format_args!("warning: nothing is recommended, so {} was not written: {why}", path.display()));
        }
        return Ok(None);
    };
    write_profile(path, &found.profile, &found.reason, &args.observed.model, session)?;
    Ok(Some(command::with_profile(&args.observed, &path.display().to_string())))
}

/// Writes a profile with a comment that says where it comes from.
pub fn write_profile(
    path: &Path,
    profile: &Profile,
    reason: &str,
    model: &ModelArgs,
    session: &Session,
) -> Result<(), Failure> {
    let beside = command::runtime(model);
    let beside = match beside.is_empty() {
        true => String::new(),
        false => {
            format!("\nMade with {}; a profile does not hold these, give them to rerank too.", beside.join(" "))
        }
    };
    let command = session.command_line.replace('\n', " ");
    let comment = format!("For nearsort rerank --profile. Written by {command}\n{reason}{beside}");
    Ok(write_whole(path, profile.to_toml(&comment).as_bytes())?)
}

fn write_files(args: &DiagnoseArgs, view: &DiagnosisView<'_>) -> Result<(), Failure> {
    if let Some(path) = &args.json {
        write_whole(path, view.json()?.as_bytes())?;
    }
    if let Some(path) = &args.html {
        write_whole(path, view.html()?.as_bytes())?;
    }
    Ok(())
}
