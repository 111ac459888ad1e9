//! The `nearsort` command. `main` parses, runs one verb, and turns its outcome into an exit code:
//! 0 done, 1 nothing above the threshold, 2 error. A reader that goes away (broken pipe) is no error.

mod args;
mod batch;
mod cache;
mod compare;
mod diagnose;
mod embed;
mod eval;
mod hints;
mod index;
mod interrupt;
mod judge;
mod model;
mod models;
mod notices;
mod outcome;
mod output;
mod page;
mod profile;
mod progress;
mod ranker;
mod reading;
mod rehearsal;
mod rerank;
mod rerank_index;
mod search;
mod service;
mod session;
mod size;
mod targets;
mod verify;
mod version;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::CommandFactory;
use nearsort::encoder::MAX_THREADS;

use args::{Cli, Verb};
use outcome::{Failure, Outcome, Run};
use session::Session;

fn main() -> ExitCode {
    tell_candle_about_threads();
    show_panics();
    let cli = args::parse();
    interrupt::leave_quietly();
    let session = Session::new(cli.talk());
    let ran = run(&cli, &session);
    // Also after a failure: what was sent is to be paid.
    if let Some(model) = cli.verb.as_ref().and_then(args::Verb::model) {
        service::summarize(model, &session);
    }
    match ran {
        Ok(Outcome::Done) | Err(Failure::BrokenPipe) => ExitCode::SUCCESS,
        Ok(Outcome::Nothing) => ExitCode::from(1),
        Err(Failure::Usage) => ExitCode::from(2),
        Err(Failure::Error(message)) => {
            hints::say(format_args!("error: {message}"));
            ExitCode::from(2)
        }
    }
}

/// Panics say what they say in words that a terminal may get: a text of others may be in them.
fn show_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let trace = std::backtrace::Backtrace::capture();
        let trace = match trace.status() {
            std::backtrace::BacktraceStatus::Captured => format!("\n{trace}"),
            _ => String::new(),
        };
        hints::say(format_args!("internal error, which should be reported: {panic}{trace}"));
    }));
}

fn run(cli: &Cli, session: &Session) -> Run {
    if cli.version {
        return version::print(cli.verbose);
    }
    check_threads_of_environment()?;
    cli.verb.as_ref().map_or(Ok(()), service::check)?;
    match &cli.verb {
        Some(Verb::Rerank(args)) => rerank::run(args, session),
        Some(Verb::Embed(args)) => embed::run(args, session),
        Some(Verb::Diagnose(args)) => diagnose::run(args, session),
        Some(Verb::Merge(args)) => batch::merge(args),
        Some(Verb::Eval(args)) => eval::run(args, session.talk),
        Some(Verb::Compare(args)) => compare::run(args, session),
        Some(Verb::Index(args)) => index::run(args, session),
        Some(Verb::Search(args)) => search::run(args, session),
        Some(Verb::Models(args)) => models::run(args, session.talk),
        Some(Verb::Cache(args)) => cache::run(args, session.talk),
        Some(Verb::Completions { shell }) => {
            // Into memory first: clap_complete panics when it cannot write.
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "nearsort", &mut script);
            io::stdout().write_all(&script)?;
            Ok(Outcome::Done)
        }
        Some(Verb::Man { verb }) => man(verb.as_deref()),
        None => {
            hints::say_help(&Cli::command().render_help());
            Err(Failure::Usage)
        }
    }
}

/// The page of the whole command, or of one verb.
fn man(verb: Option<&str>) -> Run {
    let mut nearsort = Cli::command();
    nearsort.build();
    let page = match verb {
        None => Some(&nearsort),
        Some(verb) => nearsort.find_subcommand(verb),
    };
    let page = page.ok_or_else(|| Failure::Error("there is no such verb; see nearsort --help".into()))?;
    clap_mangen::Man::new(page.clone()).render(&mut io::stdout())?;
    Ok(Outcome::Done)
}

/// rayon starts as many threads as its variable says: so many that no machine starts them would hang the program, as with --threads.
fn check_threads_of_environment() -> Result<(), Failure> {
    let name = "RAYON_NUM_THREADS";
    let said = std::env::var(name).ok().and_then(|value| value.parse::<usize>().ok());
    match said.filter(|threads| *threads > MAX_THREADS) {
        Some(threads) => Err(Failure::Error(format!("{name} is {threads}: allowed are 1 to {MAX_THREADS}; unset it"))),
        None => Ok(()),
    }
}

/// Tells candle about threads, which it reads from the environment only.
///
/// One for candle itself: texts run side by side already, and its own pool inside each of them costs half the speed (100 passages
/// of 80 tokens on two cores: 4.1 s, without it 2.3 s) and ignores --threads. For rayon the number that rayon finds itself: candle, not told,
/// reads /proc/cpuinfo before every product of two matrices, a fifth of the time of short texts.
fn tell_candle_about_threads() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for (variable, value) in [("CANDLE_NUM_THREADS", 1), ("RAYON_NUM_THREADS", threads)] {
        if std::env::var_os(variable).is_none() {
            // SAFETY: this is the first thing that main does; no other thread is there to read the environment.
            unsafe { std::env::set_var(variable, value.to_string()) };
        }
    }
}
