//! The command `nearsort` as a function.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command and returns its exit code. From then on the process belongs to the command.
/// `args` is the command line, starting with the program's name.
#[pyfunction]
pub fn main(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| nearsort_cli::run(args))
}

/// Returns the variables that must be set before the first thread of the process starts, with their
/// values.
#[pyfunction]
pub fn environment() -> Vec<(&'static str, String)> {
    nearsort_cli::environment().map(|(name, value)| (name, value.to_string())).into()
}
