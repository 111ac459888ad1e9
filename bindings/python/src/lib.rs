//! `nearsort._native`: the library as an extension module. The public Python package, `nearsort/`,
//! is built on it.
//!
//! Texts are copied out of Python's objects while the interpreter is held. The work then runs on
//! its own thread without the interpreter; [`call`] waits for it, so that Ctrl-C ends it. Results
//! are numbers, texts and numpy arrays.

mod arrow;
mod call;
mod collections;
mod command;
mod compare;
mod errors;
mod index;
mod model;
mod options;
mod ranker;
mod reports;
mod server;
mod texts;

use pyo3::pymodule;

/// The extension module. Use `nearsort` instead.
#[pymodule]
mod _native {
    use pyo3::prelude::*;
    use pyo3::types::PyModule;

    #[pymodule_export]
    use crate::command::{environment, main};
    #[pymodule_export]
    use crate::compare::compare;
    #[pymodule_export]
    use crate::index::OpenIndex;
    #[pymodule_export]
    use crate::model::Model;
    #[pymodule_export]
    use crate::ranker::Ranker;
    #[pymodule_export]
    use crate::reports::{diagnose, evaluate};
    #[pymodule_export]
    use crate::server::RunningServer;
    #[pymodule_export]
    use crate::texts::read_texts;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("DEFAULT_MODEL", nearsort::DEFAULT_MODEL)
    }
}
