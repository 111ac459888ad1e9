//! `nearsort serve`: a local endpoint for rerank and embedding clients.

use nearsort_server::{Listen, Options, serve};

use crate::args::{ServeArgs, Talk};
use crate::hints::say;
use crate::{Failure, Outcome, Run, outcome};

pub fn run(args: &ServeArgs, talk: Talk) -> Run {
    let mut settings = args.settings.clone().complete()?;
    // The verbosity of the command holds for the log too, unless the log has a setting of its own.
    settings.log = settings.log.or_else(|| filter(talk).map(str::to_owned));
    let began = |listen: &Listen| {
        if talk > Talk::Quiet {
            say(format_args!("listening on {}", address(listen)));
        }
    };
    serve(Options::new(settings)?, began)?;
    Ok(Outcome::Done)
}

fn filter(talk: Talk) -> Option<&'static str> {
    match talk {
        Talk::Quiet => Some("error"),
        Talk::Normal => None,
        Talk::Verbose => Some("debug"),
    }
}

fn address(listen: &Listen) -> String {
    match listen {
        Listen::Tcp(address) => format!("http://{address}"),
        Listen::Unix(_) => listen.to_string(),
    }
}

impl From<nearsort_server::Error> for Failure {
    fn from(error: nearsort_server::Error) -> Self {
        match error {
            nearsort_server::Error::Model(error) => error.into(),
            other => Failure::Error(outcome::as_flags(&other.to_string())),
        }
    }
}
