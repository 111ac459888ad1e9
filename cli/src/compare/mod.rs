//! `nearsort compare`: systems beside each other. Everything that is shown comes from one [`Report`]; terminal, Markdown, JSON and HTML are
//! functions of it.

mod charts;
mod html;
mod input;
mod json;
mod models;
mod report;
mod spec;
mod system;
mod tables;
mod text;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use console::Term;
use nearsort::eval::{GradedList, Measure, OVERLAP_DEPTH, RankedList, Ties};
use nearsort::io::{Qrels, Run as RankedRun, write_run_line, write_whole};
use nearsort::service::Provider;

use crate::args::{CompareArgs, CompareFormat, Talk};
use crate::hints::{Warning, warn};
use crate::{Failure, Outcome, Run, model};
use input::{Input, Texts};
use models::Lists;
use report::Report;
use spec::Spec;
use system::{Kind, Source, System, names};

/// Width of a report that does not go to a terminal.
const PLAIN_WIDTH: usize = 160;

pub fn run(args: &CompareArgs, talk: Talk) -> Run {
    let mut args = args.clone();
    args.models.splice(0..0, args.model.name.take());
    check(&args)?;
    let inputs = inputs(&args);
    model::with_rejects(&args.reading, args.html.as_deref(), &inputs, talk, |reading| {
        compare(&CompareArgs { reading, ..args.clone() }, talk)
    })
}

fn compare(args: &CompareArgs, talk: Talk) -> Run {
    let specs = args.models.iter().map(|model| Spec::parse(model, &args.scoring)).collect::<Result<Vec<_>, _>>()?;
    specs.iter().try_for_each(|spec| model::blend(&spec.scoring).map(drop))?;
    if !args.model.service.is_recorded() && specs.iter().any(|spec| Provider::of_name(&spec.model).is_some()) {
        let message = "answers of services are not kept here; with --record DIR another run asks only what is missing, and what they cost stays known";
        warn(talk, &Warning::Note { message: message.to_owned() });
    }
    let names = names(&sources(args))?;
    let targets = targets(args, &names)?;
    let input = Input::read(args)?;
    let texts = Texts::open(args, &args.reading, talk)?;
    let Input { first_stage, runs, grades, judgements, notes } = input;
    let mut systems = Vec::new();
    if let (Some(path), Some(run)) = (&args.run, &first_stage) {
        systems.push(System::of_run(names[0].clone(), Kind::FirstStage, path, run.clone()));
        let lists = (!specs.is_empty()).then(|| Lists::new(args, run, &texts, talk)).transpose()?;
        for (spec, lists) in specs.iter().zip(std::iter::repeat(lists.as_ref())) {
            let Some(lists) = lists else { break };
            systems.push(lists.rerank(spec, &names[systems.len()], talk)?);
            keep(&systems, &targets)?;
        }
    }
    for (path, run) in args.runs.iter().zip(runs) {
        systems.push(System::of_run(names[systems.len()].clone(), Kind::Run, path, run));
    }
    for (path, grades) in args.grades.iter().zip(&grades) {
        let run = first_stage.as_ref();
        systems.extend(run.map(|run| by_grades(names[systems.len()].clone(), path, run, grades)));
        keep(&systems, &targets)?;
    }
    let report = Report::new(systems, judgements, notes, &texts, args, talk)?;
    show(&report, args)
}

fn show(report: &Report, args: &CompareArgs) -> Run {
    if let Some(path) = &args.html {
        write_whole(path, html::page(report)?.as_bytes())?;
    }
    let text = match args.format {
        CompareFormat::Json => json::document(report),
        CompareFormat::Markdown => text::markdown(report),
        CompareFormat::Table => {
            let width = Term::stdout().size_checked().map_or(PLAIN_WIDTH, |(_, columns)| usize::from(columns));
            text::report(report, width)
        }
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

/// The systems in their order.
fn sources<'a>(args: &'a CompareArgs) -> Vec<Source<'a>> {
    let file = |path: &'a PathBuf| Source::File(path);
    let models = args.models.iter().map(|model| Source::Model(model));
    args.run.iter().map(file).chain(models).chain(args.runs.iter().chain(&args.grades).map(file)).collect()
}

fn inputs(args: &CompareArgs) -> Vec<Option<&PathBuf>> {
    let named = [&args.run, &args.qrels, &args.judge_as_qrels, &args.queries].map(Option::as_ref);
    named.into_iter().chain([&args.runs, &args.grades, &args.corpus].into_iter().flatten().map(Some)).collect()
}

/// Refuses before the work what cannot come to a result.
fn check(args: &CompareArgs) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::Error(message));
    let inputs = inputs(args);
    if inputs.iter().flatten().filter(|path| path.as_os_str() == "-").count() > 1 {
        return wrong("standard input can be read once; give the other files by name".into());
    }
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
    let measures = Measure::parse_list(&args.measures)?;
    if let Some(count) = measures.first().filter(|measure| measure.is_count()) {
        return wrong(format!("{count} is a count, not a quality; name another measure first, e.g. nDCG@10"));
    }
    if let Some(path) = &args.html {
        model::check_target(path, &inputs)?;
    }
    Ok(())
}

/// Where each system's run is kept, if it is one that is made here.
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

/// A system's name as a part of a path and as a run's tag.
fn file_stem(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.+@".contains(c);
    name.chars().map(|c| if is_plain(c) { c } else { '-' }).collect()
}

/// Writes the last system's run, if it is to be kept.
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

/// The first stage's candidates by their grades.
fn by_grades(name: String, path: &Path, first_stage: &RankedRun, grades: &Qrels) -> System {
    let (mut run, mut ties, mut ungraded) = (RankedRun::default(), Vec::new(), 0);
    for (query_id, documents) in first_stage.iter() {
        let list = GradedList::new(&RankedList::new(&documents), grades.grades(query_id));
        list.documents.iter().for_each(|document| run.push(query_id, document.id, document.score));
        ties.push(Ties::of(&list.scores(), OVERLAP_DEPTH));
        ungraded += list.num_ungraded();
    }
    let source = path.display().to_string();
    System { name, kind: Kind::Grades, source, run, ties, unscored: Some(ungraded), cost: None }
}
