//! Sets up the log.

use tracing_subscriber::EnvFilter;

use crate::options::Log;

/// Writes log lines to stderr. A subscriber that the program has already set stays.
pub(crate) fn log_to_stderr(log: &Log) {
    // The filter was checked with the options.
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    // A full disk or a reader that is gone loses lines; saying so on the same stderr would panic.
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    // An error means that a subscriber is already set.
    let _ = match log.is_json {
        true => lines.json().flatten_event(true).with_ansi(false).try_init(),
        false => lines.with_ansi(is_terminal).try_init(),
    };
}
