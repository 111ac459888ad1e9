//! A static model: a table with one vector per token. A token's vector does not depend on its
//! neighbours, so a forward pass is a lookup. It reads a row and writes it, 1 KB each for 256 numbers
//! of f32: tokenizing costs more.

use std::path::Path;
use std::sync::Arc;

use ndarray::ArrayView2;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

use super::finite::first_not_finite;
use super::weights::{Float, WeightsFile};
use super::{Backend, HiddenSink, ModelMemory, RaggedBatch};
use crate::call::Call;
use crate::{Error, Result};

/// The names of the table: sentence-transformers', then model2vec's.
const TABLES: [&str; 2] = ["embedding.weight", "embeddings"];
/// A factor for every token (model2vec).
const WEIGHTS: &str = "weights";
/// The row of every token (model2vec, with fewer rows than tokens).
const MAPPING: &str = "mapping";
/// Maximum number of components of a vector.
const MOST_COLUMNS: usize = 1 << 16;
const CONTEXT: &str = "looking token vectors up failed";

/// The type of the numbers in a table.
#[derive(Debug, Clone, Copy)]
enum Element {
    Float(Float),
    /// Whole numbers, used as they are: model2vec keeps no scale.
    I8,
}

/// A table of token vectors, in its file.
pub struct TokenTable {
    file: Arc<dyn WeightsFile>,
    element: Element,
    /// The first byte of the table in the file, and its length in bytes.
    start: usize,
    len: usize,
    width: usize,
    rows: usize,
    /// A factor per token; empty without.
    weights: Vec<f32>,
    /// The row of each token; empty if a token's id is its row.
    mapping: Vec<u32>,
}

impl TokenTable {
    /// Returns the width of the vectors in a weights file of a static model.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when the file has no table of two dimensions.
    pub fn width(file: &dyn WeightsFile, path: &Path) -> Result<usize> {
        let unusable = |message: String| Error::ModelFile { path: path.to_owned(), message };
        let tensors = parse(file.bytes()).map_err(unusable)?;
        table(&tensors).and_then(|(name, view)| shape(name, &view)).map(|[_, width]| width).map_err(unusable)
    }

    /// Opens the table of a static model. `tokens` is one more than the highest token id of its
    /// tokenizer. `path` is the path of the file, for messages.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when tensors are missing, unknown, of a wrong shape or type, hold a
    /// number that is not finite, or have no row for a token.
    pub fn load(file: Arc<dyn WeightsFile>, path: &Path, tokens: usize) -> Result<Self> {
        let unusable = |message: String| Error::ModelFile { path: path.to_owned(), message };
        Self::read(&file, tokens).map_err(unusable)
    }

    fn read(file: &Arc<dyn WeightsFile>, tokens: usize) -> Result<Self, String> {
        let bytes = file.bytes();
        let tensors = parse(bytes)?;
        let (name, view) = table(&tensors)?;
        let known = |other: &&str| ![name, WEIGHTS, MAPPING].contains(other);
        if let Some(other) = tensors.names().into_iter().find(known) {
            return Err(format!(
                "has a tensor '{other}', which nearsort does not compute; a static model has {name}, {WEIGHTS} and {MAPPING}"
            ));
        }
        let [rows, width] = shape(name, &view)?;
        let element = match view.dtype() {
            Dtype::I8 => Element::I8,
            other => {
                Element::Float(Float::of(other).map_err(|wrong| format!("'{name}' is of {}", wrong + ", and I8 here"))?)
            }
        };
        if let Some(at) = first_not_finite(view.dtype(), view.data()) {
            return Err(format!("'{name}' holds a number that is not finite (at {at}); fetch the model again"));
        }
        let mapping =
            optional(&tensors, MAPPING).map(|view| read_mapping(&view, rows)).transpose()?.unwrap_or_default();
        let weights = optional(&tensors, WEIGHTS).map(|view| read_weights(&view)).transpose()?.unwrap_or_default();
        let covers = |what: &str, len: usize| match len < tokens {
            true => Err(format!(
                "{what} has {len} entries, and tokenizer.json has token ids up to {}: the two are of different models",
                tokens.saturating_sub(1)
            )),
            false => Ok(()),
        };
        match mapping.is_empty() {
            true => covers(name, rows)?,
            false => covers(MAPPING, mapping.len())?,
        }
        if !weights.is_empty() {
            covers(WEIGHTS, weights.len())?;
        }
        // The view borrows from `bytes`, so that its distance from the beginning is its offset.
        let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        let len = view.data().len();
        Ok(Self { file: Arc::clone(file), element, start, len, width, rows, weights, mapping })
    }

    /// Writes the vector of a token. Returns `None` if there is none.
    fn write_row(&self, token: u32, out: &mut [f32]) -> Option<()> {
        let token = token as usize;
        let row = if self.mapping.is_empty() { token } else { *self.mapping.get(token)? as usize };
        if row >= self.rows {
            return None;
        }
        let table = self.file.bytes().get(self.start..self.start + self.len)?;
        let bytes = self.len / self.rows;
        let row = table.get(row * bytes..(row + 1) * bytes)?;
        match self.element {
            Element::Float(float) => float.read(row, out),
            Element::I8 => out.iter_mut().zip(row).for_each(|(x, &byte)| *x = f32::from(byte as i8)),
        }
        if !self.weights.is_empty() {
            let weight = *self.weights.get(token)?;
            out.iter_mut().for_each(|x| *x *= weight);
        }
        Some(())
    }
}

fn parse(bytes: &[u8]) -> Result<SafeTensors<'_>, String> {
    SafeTensors::deserialize(bytes).map_err(|e| format!("not a readable safetensors file: {e}"))
}

fn optional<'a>(tensors: &SafeTensors<'a>, name: &str) -> Option<TensorView<'a>> {
    tensors.tensor(name).ok()
}

fn table<'a>(tensors: &SafeTensors<'a>) -> Result<(&'static str, TensorView<'a>), String> {
    let found = TABLES.iter().find_map(|name| Some((*name, optional(tensors, name)?)));
    found.ok_or_else(|| format!("the tensor '{}' (or '{}') is missing", TABLES[0], TABLES[1]))
}

fn shape(name: &str, view: &TensorView<'_>) -> Result<[usize; 2], String> {
    match view.shape() {
        &[rows, width] if rows > 0 && (1..=MOST_COLUMNS).contains(&width) => Ok([rows, width]),
        other => Err(format!("'{name}' has the shape {other:?}, expected tokens and 1 to {MOST_COLUMNS} components")),
    }
}

/// Reads whole numbers that name rows.
fn read_mapping(view: &TensorView<'_>, rows: usize) -> Result<Vec<u32>, String> {
    let data = view.data();
    let numbers: Vec<i64> = match view.dtype() {
        Dtype::I64 => data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect(),
        Dtype::I32 => data.as_chunks().0.iter().map(|b| i64::from(i32::from_le_bytes(*b))).collect(),
        Dtype::U32 => data.as_chunks().0.iter().map(|b| i64::from(u32::from_le_bytes(*b))).collect(),
        other => return Err(format!("'{MAPPING}' is of type {other:?}; supported are I64, I32 and U32")),
    };
    if view.shape().len() != 1 || numbers.is_empty() {
        return Err(format!("'{MAPPING}' has the shape {:?}, expected one row per token", view.shape()));
    }
    let row = |(token, &row): (usize, &i64)| match u32::try_from(row) {
        Ok(row) if (row as usize) < rows => Ok(row),
        _ => Err(format!("'{MAPPING}' sends token {token} to row {row}; the table has {rows} rows")),
    };
    numbers.iter().enumerate().map(row).collect()
}

fn read_weights(view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let &[tokens] = view.shape() else {
        return Err(format!("'{WEIGHTS}' has the shape {:?}, expected one number per token", view.shape()));
    };
    let float = Float::of(view.dtype()).map_err(|wrong| format!("'{WEIGHTS}' is of {wrong}"))?;
    let mut values = vec![0.0; tokens];
    float.read(view.data(), &mut values);
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(format!("'{WEIGHTS}' holds a number that is not finite ({} at {at})", values[at])),
        None => Ok(values),
    }
}

impl Backend for TokenTable {
    fn hidden_size(&self) -> usize {
        self.width
    }

    fn memory(&self) -> ModelMemory {
        let own = 4 * (self.weights.len() + self.mapping.len());
        ModelMemory { own: own as u64, mapped: self.file.bytes().len() as u64 }
    }

    fn forward(&self, batch: &RaggedBatch, _threads: usize, call: &Call<'_>, sink: &HiddenSink<'_>) -> Result<()> {
        let failed = |message: String| Error::Compute { context: CONTEXT.into(), message };
        let mut rows = Vec::new();
        for (index, ids) in batch.sequences().enumerate() {
            call.check()?;
            rows.resize(ids.len().max(rows.len() / self.width) * self.width, 0.0);
            for (&token, out) in ids.iter().zip(rows.chunks_exact_mut(self.width)) {
                self.write_row(token, out).ok_or_else(|| failed(format!("token {token} has no row")))?;
            }
            let states = ArrayView2::from_shape((ids.len(), self.width), &rows[..ids.len() * self.width]);
            sink(index, states.map_err(|e| failed(e.to_string()))?);
        }
        Ok(())
    }
}
