//! Checks that all weights of a model are finite. `nearsort models verify` does this before it runs
//! the model.

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::check::Check;
use crate::engine::first_not_finite;
use crate::store::ModelFiles;
use crate::{Error, Result};

/// Searches all tensors of a model's weights files for NaN and infinity, those of its modules
/// included. Reads the mapped files once, one tensor after the other.
///
/// # Errors
/// The errors of [`ModelFiles::map_safetensors`]; [`Error::ModelFile`] for a file whose header
/// cannot be read.
pub fn check_weights(files: &ModelFiles) -> Result<Check> {
    let (mut tensors, mut bad, mut example) = (0, 0, None);
    for (name, mapped) in files.map_safetensors()? {
        let unreadable = |e: safetensors::SafeTensorError| Error::ModelFile {
            path: files.dir.join(&name),
            message: format!("not a readable safetensors file: {e}"),
        };
        let parsed = SafeTensors::deserialize(mapped.bytes()).map_err(unreadable)?;
        for (tensor, view) in parsed.iter() {
            tensors += 1;
            if let Some(at) = first_not_finite(view.dtype(), view.data()) {
                bad += 1;
                example.get_or_insert_with(|| format!("'{tensor}' in {name} has {}", number(&view, at)));
            }
            mapped.release();
        }
    }
    let detail = match example {
        None => format!("{tensors} tensors"),
        Some(example) => format!("{example}; {bad} of {tensors} tensors have such numbers"),
    };
    Ok(Check { name: "every weight is a finite number", passed: bad == 0, detail })
}

/// Returns the number at a position, with its place: `NaN at [3, 5]`.
fn number(view: &TensorView<'_>, at: usize) -> String {
    let mut rest = at;
    let mut place: Vec<String> = Vec::with_capacity(view.shape().len());
    for &size in view.shape().iter().rev() {
        place.push((rest % size.max(1)).to_string());
        rest /= size.max(1);
    }
    place.reverse();
    format!("{} at [{}]", value(view, at), place.join(", "))
}

/// Returns NaN or an infinity as text, for the usual types of weights.
fn value(view: &TensorView<'_>, at: usize) -> String {
    let bytes = |size: usize| view.data().get(at * size..(at + 1) * size).unwrap_or_default();
    let shown = match view.dtype() {
        Dtype::F64 => bytes(8).try_into().map(|b| f64::from_le_bytes(b).to_string()),
        Dtype::F32 => bytes(4).try_into().map(|b| f32::from_le_bytes(b).to_string()),
        Dtype::F16 => bytes(2).try_into().map(|b| half::f16::from_le_bytes(b).to_string()),
        Dtype::BF16 => bytes(2).try_into().map(|b| half::bf16::from_le_bytes(b).to_string()),
        _ => Ok("a number that is not finite".to_owned()),
    };
    shown.unwrap_or_default()
}
