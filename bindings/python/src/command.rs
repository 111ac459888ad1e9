//! The command `nearsort` as a function.

use std::ffi::OsString;

use pyo3::prelude::*;

/// Runs the command and gives its exit code. The process is the command's from then on. `args`: the command line, the program's name first.
#[pyfunction]
pub fn main(py: Python<'_>, args: Vec<OsString>) -> u8 {
    py.detach(|| nearsort_cli::run(args))
}

/// The variables that the command wants set before the first thread of the process starts, with their values.
#[pyfunction]
pub fn environment() -> Vec<(&'static str, String)> {
    nearsort_cli::environment().map(|(name, value)| (name, value.to_string())).into()
}
