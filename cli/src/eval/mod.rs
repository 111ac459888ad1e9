//! `nearsort eval`: measures runs and compares them. Everything is computed into a [`Report`]; printing and drawing
//! are functions of it.

mod chart;
mod csv_lines;
mod json_document;
mod measured;
mod report;
mod tables;

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::Path;

use nearsort::eval::{Evaluation, Measure, Resampling, curve_cutoffs, evaluate_run};
use nearsort::io::{Qrels, RunFile, write_whole};

use crate::args::{EvalArgs, EvalFormat, Talk};
use crate::hints::{Warning, warn};
use crate::{Failure, Outcome, Run};
pub use json_document::measured_json;
pub use measured::{Aggregate, Measured, correct};
use report::{Report, RunReport};

/// The deepest cutoff of the depth curve.
const MAX_CURVE_DEPTH: usize = 1000;

pub fn run(args: &EvalArgs, talk: Talk) -> Run {
    let measures = Measure::parse_list(&args.measures)?;
    check(args, &measures)?;
    let qrels = Qrels::read(&args.qrels)?;
    let report = report(args, &qrels, measures, talk)?;
    if let Some(path) = &args.plot {
        write_whole(path, chart::svg(&report)?.as_bytes())?;
    }
    let text = match args.format {
        EvalFormat::Table => tables::plain(&report, args.per_query),
        EvalFormat::Markdown => tables::markdown(&report, args.per_query),
        EvalFormat::Json => json_document::of(&report, args.per_query),
        EvalFormat::Csv => csv_lines::of(&report, args.per_query),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

/// Refuses before the work what cannot come to a result.
fn check(args: &EvalArgs, measures: &[Measure]) -> Result<(), Failure> {
    let inputs = args.runs.iter().chain([&args.qrels]);
    if inputs.filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Failure::Error("standard input can be read once; give the other files by name".into()));
    }
    let Some(plot) = &args.plot else { return Ok(()) };
    if plot.extension().is_none_or(|extension| !extension.eq_ignore_ascii_case("svg")) {
        let shown = plot.display();
        return Err(Failure::Error(format!("a chart is drawn as SVG; '{shown}' must end in .svg")));
    }
    match measures[0].at(1) {
        Some(_) => Ok(()),
        None => {
            let first = measures[0];
            Err(Failure::Error(format!(
                "{first} has no cutoff to draw it by; name another measure first, e.g. nDCG@10"
            )))
        }
    }
}

fn report(args: &EvalArgs, qrels: &Qrels, measures: Vec<Measure>, talk: Talk) -> Result<Report, Failure> {
    let cutoffs = if args.plot.is_some() { curve_cutoffs(MAX_CURVE_DEPTH) } else { Vec::new() };
    let curve = cutoffs.iter().filter_map(|&cutoff| measures[0].at(cutoff));
    let all: Vec<Measure> = measures.iter().copied().chain(curve).collect();
    let resampling = Resampling { resamples: args.resamples as usize, seed: args.seed };
    let mut runs: Vec<RunReport> = Vec::new();
    for (path, name) in args.runs.iter().zip(names(args)) {
        let run = RunFile::open(path)?.ignore_identical_ids(args.ignore_identical_ids);
        let evaluation = evaluate_run(qrels, &run, &all)?;
        say_what_is_odd(talk, &path.display().to_string(), &evaluation);
        let baseline = runs.first().map(|first| first.measured.as_slice());
        let measured = (0..measures.len()).map(|at| Measured::of(&evaluation, at, baseline, args.test, &resampling));
        let curve = cutoffs.iter().enumerate().map(|(at, &cutoff)| (cutoff, evaluation.aggregate(measures.len() + at)));
        runs.push(RunReport {
            name,
            file: path.display().to_string(),
            missing: evaluation.missing_queries().iter().map(|&at| evaluation.query_ids()[at].clone()).collect(),
            num_unjudged: evaluation.num_unjudged_queries(),
            measured: measured.collect::<Result<_, _>>()?,
            curve: curve.take_while(|&(cutoff, _)| cutoff <= evaluation.max_depth()).collect(),
        });
    }
    correct(&mut runs.iter_mut().map(|run| run.measured.as_mut_slice()).collect::<Vec<_>>());
    let query_ids = qrels.query_ids().map(str::to_owned).collect();
    let (qrels, test) = (args.qrels.display().to_string(), args.test);
    Ok(Report { qrels, query_ids, measures, test, resampling, runs })
}

/// A name for each run: the file's, or its whole path when another has the same.
fn names(args: &EvalArgs) -> Vec<String> {
    let all: Vec<String> = args.runs.iter().map(|path| file_name(path)).collect();
    let distinct: HashSet<&String> = all.iter().collect();
    match distinct.len() == all.len() {
        true => all,
        false => args.runs.iter().map(|path| path.display().to_string()).collect(),
    }
}

/// The last part of a path.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Says of a run what its judgements cannot tell.
pub fn say_what_is_odd(talk: Talk, run: &str, evaluation: &Evaluation) {
    let run = run.to_owned();
    if evaluation.num_judged_retrieved() == 0 {
        let [ids, judged] = evaluation.example_documents().map(<[String]>::to_vec);
        warn(talk, &Warning::NoJudgedDocument { run: run.clone(), ids, judged });
    }
    let ids = evaluation.missing_queries().iter().map(|&at| evaluation.query_ids()[at].clone()).collect();
    let judged = evaluation.query_ids().len();
    warn(talk, &Warning::MissingQueries { run: run.clone(), ids, judged });
    let (number, ids) = (evaluation.num_unjudged_queries(), evaluation.unjudged_queries().to_vec());
    warn(talk, &Warning::UnjudgedQueries { run, number, ids });
}
