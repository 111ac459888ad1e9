//! The `nearsort` command as a library: one function, [`run`], for the program and for the script of the Python package.
//!
//! It parses, runs one verb, and turns its outcome into an exit code: 0 done, 1 nothing above the threshold, 2 error. A reader that
//! goes away (broken pipe) is no error.

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
#[cfg(feature = "serve")]
mod mcp;
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
#[cfg(feature = "serve")]
mod serve;
mod service;
mod session;
mod size;
mod targets;
mod verify;
mod version;
mod words;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::CommandFactory;
use nearsort::encoder::MAX_THREADS;

use args::{Cli, Verb};
use outcome::{Failure, Outcome, Run};
use session::Session;

/// What candle and rayon read from the environment alone, and only where nobody set it: variables, and their values on this machine.
///
/// One thread for candle itself: texts run side by side already, and its own pool inside each of them costs half the speed (100 passages
/// of 80 tokens on two cores: 4.1 s, without it 2.3 s) and ignores --threads. For rayon the number that rayon finds itself: candle, not told,
/// reads /proc/cpuinfo before every product of two matrices, a fifth of the time of short texts.
pub fn environment() -> [(&'static str, usize); 2] {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    [("CANDLE_NUM_THREADS", 1), ("RAYON_NUM_THREADS", threads)]
}

/// Runs the command and gives its exit code. `args`: the command line, the program's name first.
///
/// The process is the command's: its panics, its signals and its standard output are taken over, and wrong arguments, `--help` and an
/// interrupt end it. What [`environment`] says is to be set before the first thread of the process starts.
pub fn run(args: Vec<OsString>) -> u8 {
    show_panics();
    let cli = args::parse(args.clone());
    if !cli.verb.as_ref().is_some_and(Verb::drains) {
        interrupt::leave_quietly();
    }
    let session = Session::new(cli.talk(), words::command_line(&args));
    let ran = run_verb(&cli, &session);
    // Also after a failure: what was sent is to be paid.
    if let Some(model) = cli.verb.as_ref().and_then(args::Verb::model) {
        service::summarize(model, &session);
    }
    let flushed = io::stdout().flush();
    exit_code(ran.and_then(|outcome| Ok(flushed.map(|()| outcome)?)))
}

fn exit_code(ran: Run) -> u8 {
    match ran {
        Ok(Outcome::Done) | Err(Failure::BrokenPipe) => 0,
        Ok(Outcome::Nothing) => 1,
        Err(Failure::Usage) => 2,
        Err(Failure::Error(message)) => {
            hints::say(format_args!("error: {message}"));
            2
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

fn run_verb(cli: &Cli, session: &Session) -> Run {
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
        #[cfg(feature = "serve")]
        Some(Verb::Serve(args)) => serve::run(args, session.talk),
        #[cfg(feature = "serve")]
        Some(Verb::Mcp(args)) => mcp::run(args),
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
