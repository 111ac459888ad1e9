//! The `nearsort` command as a library: one function, [`run`], for the program and for the script
//! of the Python package.
//!
//! It parses the command line, runs one verb, and returns an exit code: 0 for success, 1 for no
//! result above the threshold, 2 for an error. A closed reader (broken pipe) is not an error.

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
mod tune;
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

/// Returns the environment variables that candle and rayon need, with their values on this machine.
/// They read these from the environment alone, so the caller sets those that are not set.
///
/// Candle itself gets one thread. Texts already run in parallel; candle's own pool inside each of
/// them halves the speed (100 passages of 80 tokens on two cores: 4.1 s, without it 2.3 s) and
/// ignores --threads. Rayon gets its own default. Without it, candle reads /proc/cpuinfo before
/// every product of two matrices, a fifth of the time of short texts.
pub fn environment() -> [(&'static str, usize); 2] {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    [("CANDLE_NUM_THREADS", 1), ("RAYON_NUM_THREADS", threads)]
}

/// Runs the command and returns its exit code. `args` is the command line, starting with the
/// program's name.
///
/// It takes over the process: its panics, its signals and its standard output. Wrong arguments,
/// `--help` and an interrupt end the process. The caller must set the variables of [`environment`]
/// before the first thread of the process starts.
pub fn run(args: Vec<OsString>) -> u8 {
    show_panics();
    let cli = args::parse(args.clone());
    if !cli.verb.as_ref().is_some_and(Verb::drains) {
        interrupt::leave_quietly();
    }
    let session = Session::new(cli.talk(), words::command_line(&args));
    let ran = run_verb(&cli, &session);
    // Also after a failure, because requests that were sent cost money.
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

/// Prints panics with control characters escaped, because they may contain other people's text.
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
        Some(Verb::Tune(args)) => tune::run(args, session),
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
            // The script goes into memory first, because clap_complete panics if it cannot write.
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

/// Writes the manual page of the whole command, or of one verb.
fn man(verb: Option<&str>) -> Run {
    let mut nearsort = Cli::command();
    nearsort.build();
    let page = match verb {
        None => Some(&nearsort),
        Some(verb) => nearsort.find_subcommand(verb),
    };
    let page = page.ok_or_else(|| Failure::Error("unknown verb; see `nearsort --help`".into()))?;
    clap_mangen::Man::new(page.clone()).render(&mut io::stdout())?;
    Ok(Outcome::Done)
}

/// Checks RAYON_NUM_THREADS. Rayon starts as many threads as it says; too many would hang the
/// program, as with --threads.
fn check_threads_of_environment() -> Result<(), Failure> {
    let name = "RAYON_NUM_THREADS";
    let said = std::env::var(name).ok().and_then(|value| value.parse::<usize>().ok());
    match said.filter(|threads| *threads > MAX_THREADS) {
        Some(threads) => Err(Failure::Error(format!("{name} is {threads}; expected 1 to {MAX_THREADS}; unset it"))),
        None => Ok(()),
    }
}
