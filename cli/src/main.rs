//! The program `nearsort`: sets up the process, then calls [`nearsort_cli::run`].

use std::process::ExitCode;

fn main() -> ExitCode {
    for (variable, value) in nearsort_cli::environment() {
        if std::env::var_os(variable).is_none() {
            // SAFETY: this is the first thing that main does; no other thread is there to read the
            // environment.
            unsafe { std::env::set_var(variable, value.to_string()) };
        }
    }
    ExitCode::from(nearsort_cli::run(std::env::args_os().collect()))
}
