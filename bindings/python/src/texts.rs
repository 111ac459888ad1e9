//! Reads texts from Python's objects.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

use crate::arrow;
use crate::errors::invalid;

/// Reads texts from a list or tuple of `str`, or an Arrow array of strings. `None` and null become
/// empty texts.
///
/// `what` is the name of the texts in a message.
pub fn texts(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<String>> {
    let given = optional_texts(value, what)?;
    Ok(given.into_iter().map(Option::unwrap_or_default).collect())
}

/// As [`texts`], but null stays `None`.
fn optional_texts(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<Option<String>>> {
    if let Ok(list) = value.cast::<PyList>() {
        return list.iter().enumerate().map(|(at, item)| text(&item, what, at)).collect();
    }
    if let Ok(tuple) = value.cast::<PyTuple>() {
        return tuple.iter().enumerate().map(|(at, item)| text(&item, what, at)).collect();
    }
    if let Some(strings) = arrow::strings(value, what)? {
        return Ok(strings);
    }
    let class = value.get_type().name()?;
    Err(invalid(value.py(), format!("{what} is {class}; give a list of str, or an Arrow array of strings")))
}

/// Reads a list or tuple of `str`, or an Arrow array of strings, as a list of `str` and `None`.
#[pyfunction]
pub fn read_texts(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<Option<String>>> {
    optional_texts(value, what)
}

fn text(item: &Bound<'_, PyAny>, what: &str, at: usize) -> PyResult<Option<String>> {
    let py = item.py();
    if item.is_none() {
        return Ok(None);
    }
    let Ok(text) = item.cast::<PyString>() else {
        let class = item.get_type().name()?;
        return Err(invalid(py, format!("{what}[{at}] is {class}; it must be str")));
    };
    match text.to_cow() {
        Ok(text) => Ok(Some(text.into_owned())),
        Err(_) => Err(invalid(py, format!("{what}[{at}] has half of a surrogate pair, which UTF-8 cannot encode"))),
    }
}
