//! `nearsort compare`: compares systems. The library compares; `nearsort-report` shows its
//! report.

mod names;
mod rerank;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use nearsort::compare::{
    Collection, CompareFiles, CompareOptions, ComparisonReport, RankedModel, System, SystemKind, Texts, check_measures,
    compare,
};
use nearsort::eval::{Measure, Resampling};
use nearsort::io::{write_run_line, write_whole};
use nearsort::service::Provider;
use nearsort_report::{ComparisonView, width};

use crate::args::{CompareArgs, CompareFormat};
use crate::eval::{check_read_once, say_what_is_odd};
use crate::hints::{Warning, warn};
use crate::notices::Speaker;
use crate::session::Session;
use crate::{Failure, Outcome, Run, model};
use names::{Source, file_stem, names};
use rerank::rerank;

/// Width of a report if the output is not a terminal.
const PLAIN_WIDTH: usize = 160;

pub fn run(args: &CompareArgs, session: &Session) -> Run {
    let mut args = args.clone();
    args.models.splice(0..0, args.model.name.take());
    check(&args)?;
    let inputs = inputs(&args);
    session.with_rejects(&args.reading, args.html.as_deref(), &inputs, || {
        let report = report(&args, session)?;
        show(&ComparisonView { report: &report, command: session.command_line.clone() }, &args)
    })
}

/// The plan of a comparison, in the systems' order.
struct Plan {
    models: Vec<RankedModel>,
    names: Vec<String>,
    /// The file for each system's run, if it is kept.
    targets: Vec<Option<PathBuf>>,
}

fn report(args: &CompareArgs, session: &Session) -> Result<ComparisonReport, Failure> {
    let talk = session.talk;
    let base = model::rank_options(&args.scoring)?;
    let models = args.models.iter().map(|model| RankedModel::parse(model, base)).collect::<Result<Vec<_>, _>>()?;
    if !args.model.service.is_recorded() && models.iter().any(|model| Provider::of_name(&model.model).is_some()) {
        let message = "`compare` does not keep the answers of services; with --record DIR, another run sends only the missing requests";
        warn(talk, &Warning::Note { message: message.to_owned() });
    }
    let names = names(&sources(args))?;
    let plan = Plan { models, targets: targets(args, &names)?, names };
    let mut collection = files(args).read()?;
    if let Some(number) = args.sample {
        collection.sample(number as usize, args.seed)?;
    }
    let reading = session.reading(&args.reading);
    let texts = Texts::open(args.queries.as_deref(), &args.corpus, &reading, &Speaker(talk))?;
    let systems = systems(args, &mut collection, &texts, &plan, session)?;
    let mut report = compare(systems, collection.judgements, &texts, &options(args)?)?;
    report.notes.iter().for_each(|message| warn(talk, &Warning::Note { message: message.clone() }));
    for found in &report.systems {
        found.evaluation.iter().for_each(|evaluation| say_what_is_odd(talk, &found.system.name, evaluation));
    }
    report.notes.splice(0..0, collection.notes);
    Ok(report)
}

/// Makes all systems, and keeps each one as soon as it is complete.
fn systems(
    args: &CompareArgs,
    collection: &mut Collection,
    texts: &Texts,
    plan: &Plan,
    session: &Session,
) -> Result<Vec<System>, Failure> {
    let Plan { models, names, targets } = plan;
    let mut systems = Vec::new();
    let shown = |path: &PathBuf| path.display().to_string();
    if let (Some(path), Some(run)) = (&args.run, &collection.first_stage) {
        systems.push(System::of_run(&names[0], SystemKind::FirstStage, shown(path), run.clone()));
        rerank(args, run, texts, models, session, |system| {
            systems.push(system);
            keep(&systems, targets)
        })?;
    }
    for (path, run) in args.runs.iter().zip(std::mem::take(&mut collection.runs)) {
        systems.push(System::of_run(&names[systems.len()], SystemKind::Run, shown(path), run));
    }
    for (path, grades) in args.grades.iter().zip(&collection.grades) {
        let run = collection.first_stage.as_ref();
        systems.extend(run.map(|run| System::by_grades(&names[systems.len()], shown(path), run, grades)));
        keep(&systems, targets)?;
    }
    Ok(systems)
}

fn show(view: &ComparisonView<'_>, args: &CompareArgs) -> Run {
    if let Some(path) = &args.html {
        write_whole(path, view.html()?.as_bytes())?;
    }
    let text = match args.format {
        CompareFormat::Json => view.report.to_json(Some(&view.command)),
        CompareFormat::Markdown => view.markdown(),
        CompareFormat::Table => view.text(width(PLAIN_WIDTH)),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

fn files(args: &CompareArgs) -> CompareFiles {
    CompareFiles {
        first_stage: args.run.clone(),
        runs: args.runs.clone(),
        grades: args.grades.clone(),
        qrels: args.qrels.clone(),
        judge_as_qrels: args.judge_as_qrels.clone(),
        ignore_identical_ids: args.ignore_identical_ids,
    }
}

fn options(args: &CompareArgs) -> Result<CompareOptions, Failure> {
    let resampling = Resampling { resamples: args.resamples as usize, seed: args.seed };
    let (measures, test) = (Measure::parse_list(&args.measures)?, args.test);
    Ok(CompareOptions { measures, test, resampling, disputed: args.disputed })
}

/// Returns the systems in their order.
fn sources(args: &CompareArgs) -> Vec<Source<'_>> {
    let models = args.models.iter().map(|model| Source::Model(model));
    let files = args.runs.iter().chain(&args.grades).map(|path| Source::File(path));
    args.run.iter().map(|path| Source::File(path)).chain(models).chain(files).collect()
}

fn inputs(args: &CompareArgs) -> Vec<Option<&PathBuf>> {
    let named = [&args.run, &args.qrels, &args.judge_as_qrels, &args.queries].map(Option::as_ref);
    named.into_iter().chain([&args.runs, &args.grades, &args.corpus].into_iter().flatten().map(Some)).collect()
}

/// Checks the arguments before the work starts.
fn check(args: &CompareArgs) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::Error(message));
    let inputs = inputs(args);
    check_read_once(inputs.iter().copied().flatten())?;
    let number = sources(args).len();
    if number < 2 {
        return wrong(format!(
            "a comparison needs at least two systems, and there {}: name runs with --runs, models with --models, grades with --grades",
            if number == 1 { "is one" } else { "are none" }
        ));
    }
    if !args.models.is_empty() && (args.run.is_none() || args.queries.is_none() || args.corpus.is_empty()) {
        return wrong("--models rerank the lists of --run and need --queries and --corpus for the texts".into());
    }
    check_measures(&Measure::parse_list(&args.measures)?)?;
    if let Some(path) = &args.html {
        model::check_target(path, &inputs)?;
    }
    Ok(())
}

/// Returns the file for each system's run, if the system is made here and its run is kept.
fn targets(args: &CompareArgs, names: &[String]) -> Result<Vec<Option<PathBuf>>, Failure> {
    let Some(folder) = &args.output_runs else { return Ok(vec![None; names.len()]) };
    fs::create_dir_all(folder)
        .map_err(|error| Failure::Error(format!("cannot create the folder {}: {error}", folder.display())))?;
    let first_model = usize::from(args.run.is_some());
    let first_grades = names.len() - args.grades.len();
    let is_made = |at: usize| (first_model..first_model + args.models.len()).contains(&at) || at >= first_grades;
    let target = |(at, name): (usize, &String)| {
        let path = is_made(at).then(|| folder.join(format!("{:02}-{}.trec", at + 1, file_stem(name))));
        path.iter().try_for_each(|path| model::check_target(path, &inputs(args)))?;
        Ok(path)
    };
    names.iter().enumerate().map(target).collect()
}

/// Writes the last system's run, if it is kept.
fn keep(systems: &[System], targets: &[Option<PathBuf>]) -> Result<(), Failure> {
    let Some((system, Some(path))) = systems.iter().zip(targets).next_back() else { return Ok(()) };
    let (tag, mut text) = (file_stem(&system.name), String::new());
    for (query_id, documents) in system.run.iter() {
        for (rank, document) in (1..).zip(documents) {
            write_run_line(&mut text, query_id, document.id, rank, document.score as f32, &tag)?;
        }
    }
    Ok(write_whole(path, text.as_bytes())?)
}
