//! Reads strings from Arrow arrays by the PyCapsule interface of pyarrow, polars, pandas and
//! others. Imports none of them.

use arrow_array::cast::AsArray;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow_array::ffi_stream::{ArrayStreamReader, FFI_ArrowArrayStream};
use arrow_array::{Array, ArrayRef, make_array};
use arrow_schema::{ArrowError, DataType};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};

use crate::errors::invalid;

/// Returns the strings of a (chunked) Arrow array; `None` if the object is not an Arrow array. Null
/// elements are `None`.
pub fn strings(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Option<Vec<Option<String>>>> {
    let Some(chunks) = chunks(value, what)? else { return Ok(None) };
    let mut strings = Vec::with_capacity(chunks.iter().map(|chunk| chunk.len()).sum());
    for chunk in &chunks {
        push_strings(chunk.as_ref(), &mut strings)
            .map_err(|message| invalid(value.py(), format!("{what}: {message}")))?;
    }
    Ok(Some(strings))
}

fn chunks(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Option<Vec<ArrayRef>>> {
    let py = value.py();
    let broken = |error: ArrowError| invalid(py, format!("{what}: the Arrow data cannot be read: {error}"));
    if value.hasattr("__arrow_c_stream__")? {
        let capsule = value.call_method0("__arrow_c_stream__")?;
        let stream: FFI_ArrowArrayStream = taken(&capsule, c"arrow_array_stream", FFI_ArrowArrayStream::empty())?;
        let reader = ArrayStreamReader::try_new(stream).map_err(broken)?;
        return reader.collect::<Result<_, _>>().map(Some).map_err(broken);
    }
    if value.hasattr("__arrow_c_array__")? {
        let capsules = value.call_method0("__arrow_c_array__")?;
        let capsules = capsules.cast::<PyTuple>()?;
        let schema = taken(&capsules.get_item(0)?, c"arrow_schema", FFI_ArrowSchema::empty())?;
        let array = taken(&capsules.get_item(1)?, c"arrow_array", FFI_ArrowArray::empty())?;
        // SAFETY: both come from the same producer. The capsules' names assert that they follow the
        // C data interface.
        let data = unsafe { from_ffi(array, &schema) }.map_err(broken)?;
        return Ok(Some(vec![make_array(data)]));
    }
    Ok(None)
}

/// Moves the content out of a capsule and leaves `empty` there, which the capsule's destructor
/// ignores.
fn taken<T>(capsule: &Bound<'_, PyAny>, name: &std::ffi::CStr, empty: T) -> PyResult<T> {
    let pointer = capsule.cast::<PyCapsule>()?.pointer_checked(Some(name))?;
    // SAFETY: by the PyCapsule interface, a capsule of this name points to a T. The consumer may
    // move it out if it marks the original as released; `empty` is marked so.
    Ok(unsafe { pointer.cast::<T>().replace(empty) })
}

fn push_strings(array: &dyn Array, strings: &mut Vec<Option<String>>) -> Result<(), String> {
    let mut push = |values: &mut dyn Iterator<Item = Option<&[u8]>>| {
        for value in values {
            strings.push(value.map(checked).transpose()?);
        }
        Ok(())
    };
    match array.data_type() {
        DataType::Utf8 => push(&mut array.as_string::<i32>().iter().map(|value| value.map(str::as_bytes))),
        DataType::LargeUtf8 => push(&mut array.as_string::<i64>().iter().map(|value| value.map(str::as_bytes))),
        DataType::Utf8View => push(&mut array.as_string_view().iter().map(|value| value.map(str::as_bytes))),
        DataType::Null => push(&mut (0..array.len()).map(|_| None)),
        DataType::Dictionary(_, _) => {
            let dictionary = array.as_any_dictionary();
            let mut values = Vec::with_capacity(dictionary.values().len());
            push_strings(dictionary.values().as_ref(), &mut values)?;
            let keys = dictionary.normalized_keys();
            // The key of a null element has no meaning.
            let element =
                |(at, key): (usize, usize)| if array.is_null(at) { None } else { values.get(key).cloned()? };
            strings.extend(keys.into_iter().enumerate().map(element));
            Ok(())
        }
        DataType::Struct(fields) => {
            let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
            Err(format!("a table is not an array of strings; give one of its columns: {}", names.join(", ")))
        }
        other => Err(format!("an Arrow array of {other} is not an array of strings")),
    }
}

/// Checks that bytes are UTF-8, because a producer's promise may be wrong.
fn checked(bytes: &[u8]) -> Result<String, String> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|error| format!("a string is not UTF-8: {error}"))
}
