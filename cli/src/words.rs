//! Words of the command line.

use std::ffi::OsString;

pub use nearsort::diagnose::shell_word as quoted;

/// Returns the command line of a call. `args` starts with the program's name.
pub fn command_line(args: &[OsString]) -> String {
    let words = args.iter().skip(1).map(|word| quoted(&word.to_string_lossy()));
    std::iter::once("nearsort".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}
