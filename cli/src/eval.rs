//! `nearsort eval`: measures and compares runs. The library computes an [`EvalReport`]; `nearsort-report` has
//! its tables and its chart.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nearsort::eval::{
    EvalOptions, EvalReport, EvaluatedRun, Evaluation, Measure, Resampling, curve_cutoffs, evaluate_run,
};
use nearsort::io::{Qrels, RunFile, write_whole};
use nearsort_report::EvaluationView;

use crate::args::{EvalArgs, EvalFormat, Talk};
use crate::hints::{Warning, warn};
use crate::{Failure, Outcome, Run};

/// The deepest cutoff of the depth curve.
const MAX_CURVE_DEPTH: usize = 1000;

pub fn run(args: &EvalArgs, talk: Talk) -> Run {
    let measures = Measure::parse_list(&args.measures)?;
    check(args, &measures)?;
    let qrels = Qrels::read(&args.qrels)?;
    let report = report(args, &qrels, measures, talk)?;
    let view = EvaluationView { report: &report, per_query: args.per_query };
    if let Some(path) = &args.plot {
        write_whole(path, view.chart()?.as_bytes())?;
    }
    let text = match args.format {
        EvalFormat::Table => view.text(),
        EvalFormat::Markdown => view.markdown(),
        EvalFormat::Json => report.to_json(args.per_query),
        EvalFormat::Csv => report.to_csv(args.per_query),
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

/// Checks the arguments before the work starts.
fn check(args: &EvalArgs, measures: &[Measure]) -> Result<(), Failure> {
    check_read_once(args.runs.iter().chain([&args.qrels]))?;
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

/// Checks that at most one file is standard input.
pub fn check_read_once<'a>(mut inputs: impl Iterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    let is_stdin = |path: &PathBuf| path.as_os_str() == "-";
    match inputs.any(is_stdin) && inputs.any(is_stdin) {
        true => Err(Failure::Error("standard input can be read once; give the other files by name".into())),
        false => Ok(()),
    }
}

fn report(args: &EvalArgs, qrels: &Qrels, measures: Vec<Measure>, talk: Talk) -> Result<EvalReport, Failure> {
    let cutoffs = if args.plot.is_some() { curve_cutoffs(MAX_CURVE_DEPTH) } else { Vec::new() };
    let resampling = Resampling { resamples: args.resamples as usize, seed: args.seed };
    let options = EvalOptions { measures, cutoffs, test: args.test, resampling };
    let measures = options.all_measures();
    let evaluated = |(path, name): (&PathBuf, String)| {
        let run = RunFile::open(path)?.ignore_identical_ids(args.ignore_identical_ids);
        let evaluation = evaluate_run(qrels, &run, &measures)?;
        let source = path.display().to_string();
        say_what_is_odd(talk, &source, &evaluation);
        Ok(EvaluatedRun { name, source, evaluation })
    };
    let runs = args.runs.iter().zip(names(args)).map(evaluated).collect::<Result<_, Failure>>()?;
    Ok(EvalReport::new(args.qrels.display().to_string(), options, runs)?)
}

/// Returns a name for each run: the file's name, or the whole paths if two names are equal.
fn names(args: &EvalArgs) -> Vec<String> {
    let all: Vec<String> = args.runs.iter().map(|path| file_name(path)).collect();
    let distinct: HashSet<&String> = all.iter().collect();
    match distinct.len() == all.len() {
        true => all,
        false => args.runs.iter().map(|path| path.display().to_string()).collect(),
    }
}

/// Returns the last part of a path.
pub fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// Warns of queries and documents of a run that the judgements do not cover.
pub fn say_what_is_odd(talk: Talk, run: &str, evaluation: &Evaluation) {
    let run = run.to_owned();
    if evaluation.num_judged_retrieved() == 0 {
        let [ids, judged] = evaluation.example_documents().map(<[String]>::to_vec);
        warn(talk, &Warning::NoJudgedDocument { run: run.clone(), ids, judged });
    }
    let (ids, judged) = (evaluation.missing_query_ids(), evaluation.query_ids().len());
    warn(talk, &Warning::MissingQueries { run: run.clone(), ids, judged });
    let (number, ids) = (evaluation.num_unjudged_queries(), evaluation.unjudged_queries().to_vec());
    warn(talk, &Warning::UnjudgedQueries { run, number, ids });
}
