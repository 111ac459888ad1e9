//! Tensors by name, from the bytes of safetensors files.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use crate::{Error, Result};

/// The bytes of a weights file, mapped or read.
pub trait WeightsFile: Send + Sync {
    /// Returns all bytes.
    fn bytes(&self) -> &[u8];

    /// Receives the notice that most of the bytes will not be read again. A mapped file then gives
    /// its pages back.
    fn release(&self) {}
}

impl WeightsFile for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }
}

/// Parts of names as `(BERT, DistilBERT)`, in the order they are tried.
const DISTILBERT_NAMES: [(&str, &str); 9] = [
    ("encoder.layer.", "transformer.layer."),
    (".attention.self.query.", ".attention.q_lin."),
    (".attention.self.key.", ".attention.k_lin."),
    (".attention.self.value.", ".attention.v_lin."),
    (".attention.output.dense.", ".attention.out_lin."),
    (".attention.output.LayerNorm.", ".sa_layer_norm."),
    (".intermediate.dense.", ".ffn.lin1."),
    (".output.dense.", ".ffn.lin2."),
    (".output.LayerNorm.", ".output_layer_norm."),
];

/// Returns DistilBERT's name of a BERT tensor.
pub(crate) fn distilbert_name(bert: &str) -> String {
    DISTILBERT_NAMES.iter().fold(bert.to_owned(), |name, (from, to)| name.replace(from, to))
}

/// Returns the prefix of `anchor`, a tensor that every checkpoint of the architecture has, in the
/// names of a file: `bert.`, `model.` or nothing. Returns the shortest prefix, if there are
/// several.
pub(crate) fn root_prefix<'a>(names: impl Iterator<Item = &'a str>, anchor: &str) -> Option<String> {
    names
        .filter_map(|name| name.strip_suffix(anchor))
        .filter(|root| root.is_empty() || root.ends_with('.'))
        .min_by_key(|root| root.len())
        .map(str::to_owned)
}

/// Returns the number of layers in a safetensors file: one more than the largest number behind
/// `layer.` or `layers.` in a tensor's name. `None` without such names, and for a header that
/// cannot be read.
pub(crate) fn layers_held(file: &[u8]) -> Option<u64> {
    let (_, header) = SafeTensors::read_metadata(file).ok()?;
    let layer = |name: &String| {
        let mut parts = name.split('.').skip_while(|part| !matches!(*part, "layer" | "layers"));
        parts.nth(1)?.parse::<u64>().ok()
    };
    header.tensors().keys().filter_map(layer).max()?.checked_add(1)
}

/// The position of a tensor in the files.
#[derive(Debug, Clone)]
struct TensorPlace {
    file: usize,
    dtype: Dtype,
    shape: Vec<usize>,
    start: usize,
    end: usize,
}

/// The tensors of one or several safetensors files.
pub(super) struct Tensors {
    files: Vec<Arc<dyn WeightsFile>>,
    places: HashMap<String, TensorPlace>,
    /// The prefix of every name.
    root: String,
    /// True if names are requested as BERT's, while the file has DistilBERT's.
    distilbert: bool,
    /// The path for messages.
    path: PathBuf,
}

impl Tensors {
    /// Reads the headers. `anchor` determines the root of the names; see [`root_prefix`].
    pub(super) fn open(
        files: Vec<Arc<dyn WeightsFile>>,
        path: PathBuf,
        anchor: &str,
        distilbert: bool,
    ) -> Result<Self> {
        let unusable = |message: String| Error::ModelFile { path: path.clone(), message };
        let mut places = HashMap::new();
        for (file, bytes) in files.iter().map(|file| file.bytes()).enumerate() {
            let tensors = SafeTensors::deserialize(bytes)
                .map_err(|e| unusable(format!("not a readable safetensors file: {e}")))?;
            for (name, view) in tensors.iter() {
                // The view borrows from `bytes`, so that its distance from the beginning is its
                // offset.
                let start = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
                let end = start + view.data().len();
                places.insert(
                    name.to_owned(),
                    TensorPlace { file, dtype: view.dtype(), shape: view.shape().to_vec(), start, end },
                );
            }
        }
        let root = root_prefix(places.keys().map(String::as_str), anchor).ok_or_else(|| {
            unusable(format!("no tensor '{anchor}': these are not weights of the architecture in config.json"))
        })?;
        Ok(Self { files, places, root, distilbert, path })
    }

    /// Returns true if there is a tensor of this name.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.places.contains_key(&self.name_in_file(name))
    }

    /// Returns true if there is a tensor of this name without the root, such as a head beside the
    /// encoder.
    pub(super) fn contains_exactly(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// Returns the prefix of the names of the encoder's tensors.
    pub(super) fn root(&self) -> &str {
        &self.root
    }

    /// Returns the tensor of this name, which must have this shape.
    pub(super) fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.get_exactly(&self.name_in_file(name), shape)
    }

    /// Does [`Tensors::get`] for a name without the root, such as a head beside the encoder.
    pub(super) fn get_exactly(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let place = self.places.get(name).ok_or_else(|| self.unusable(format!("the tensor '{name}' is missing")))?;
        if place.shape != shape {
            let found = &place.shape;
            return Err(
                self.unusable(format!("the tensor '{name}' has the shape {found:?}, config.json says {shape:?}"))
            );
        }
        let element =
            Float::of(place.dtype).map_err(|wrong| self.unusable(format!("the tensor '{name}' is of {wrong}")))?;
        Ok(Tensor {
            file: Arc::clone(&self.files[place.file]),
            element,
            start: place.start,
            end: place.end,
            columns: shape.last().copied().unwrap_or(1),
        })
    }

    /// Reads a vector of `len` finite numbers.
    pub(super) fn vector(&self, name: &str, len: usize) -> Result<Vec<f32>> {
        self.values(name, &[len])
    }

    /// Reads the numbers of a tensor of this shape, row by row; all must be finite.
    pub(super) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        self.values_exactly(&self.name_in_file(name), shape)
    }

    /// Does [`Tensors::values`] for a name without the root.
    pub(super) fn values_exactly(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self.get_exactly(name, shape)?;
        let mut values = vec![0.0; shape.iter().product()];
        let rows = values.chunks_exact_mut(tensor.columns.max(1));
        rows.enumerate().for_each(|(row, to)| tensor.read_row(row, to));
        self.check_finite(name, &values)?;
        Ok(values)
    }

    /// Checks that all numbers of a tensor are finite.
    pub(super) fn check_finite(&self, name: &str, values: &[f32]) -> Result<()> {
        match values.iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(at) => Err(self.unusable(format!(
                "'{name}' holds a number that is not finite ({} at {at}); fetch the model again",
                values[at]
            ))),
        }
    }

    /// Releases the files: they are not needed again, except for single rows of tables.
    pub(super) fn release(&self) {
        self.files.iter().for_each(|file| file.release());
    }

    fn name_in_file(&self, asked: &str) -> String {
        let name = if self.distilbert { distilbert_name(asked) } else { asked.to_owned() };
        format!("{}{name}", self.root)
    }

    pub(super) fn unusable(&self, message: String) -> Error {
        Error::ModelFile { path: self.path.clone(), message }
    }
}

/// A float type in a weights file.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Float {
    F64,
    F32,
    F16,
    Bf16,
}

impl Float {
    /// Returns the type of a tensor for computation.
    ///
    /// # Errors
    /// A message with the type and the supported ones.
    pub(crate) fn of(dtype: Dtype) -> Result<Self, String> {
        match dtype {
            Dtype::F64 => Ok(Float::F64),
            Dtype::F32 => Ok(Float::F32),
            Dtype::F16 => Ok(Float::F16),
            Dtype::BF16 => Ok(Float::Bf16),
            other => Err(format!("type {other:?}; supported are F64, F32, F16 and BF16")),
        }
    }

    /// Reads little-endian numbers, as many as both sides hold.
    pub(crate) fn read(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Float::F64 => out.iter_mut().zip(bytes.as_chunks().0).for_each(|(x, b)| *x = f64::from_le_bytes(*b) as f32),
            Float::F32 => out.iter_mut().zip(bytes.as_chunks().0).for_each(|(x, b)| *x = f32::from_le_bytes(*b)),
            Float::F16 => {
                out.iter_mut().zip(bytes.as_chunks().0).for_each(|(x, b)| *x = f16::from_le_bytes(*b).to_f32())
            }
            Float::Bf16 => {
                out.iter_mut().zip(bytes.as_chunks().0).for_each(|(x, b)| *x = bf16::from_le_bytes(*b).to_f32())
            }
        }
    }

    fn bytes(self) -> usize {
        match self {
            Float::F64 => 8,
            Float::F32 => 4,
            Float::F16 | Float::Bf16 => 2,
        }
    }
}

/// A tensor in its file. It is only read on request.
pub(super) struct Tensor {
    file: Arc<dyn WeightsFile>,
    element: Float,
    start: usize,
    end: usize,
    columns: usize,
}

impl Tensor {
    /// Writes row `row` (of the last dimension) as f32 to the beginning of `out`.
    ///
    /// # Panics
    /// If there is no row `row`, or `out` is shorter than a row.
    pub(super) fn read_row(&self, row: usize, out: &mut [f32]) {
        let width = self.columns * self.element.bytes();
        let bytes = &self.file.bytes()[self.start..self.end][row * width..][..width];
        self.element.read(bytes, &mut out[..self.columns]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distilbert_names_are_found_for_every_tensor_of_a_bert_layer() {
        let pairs = [
            ("embeddings.word_embeddings.weight", "embeddings.word_embeddings.weight"),
            ("encoder.layer.3.attention.self.query.weight", "transformer.layer.3.attention.q_lin.weight"),
            ("encoder.layer.3.attention.self.key.bias", "transformer.layer.3.attention.k_lin.bias"),
            ("encoder.layer.3.attention.self.value.bias", "transformer.layer.3.attention.v_lin.bias"),
            ("encoder.layer.3.attention.output.dense.weight", "transformer.layer.3.attention.out_lin.weight"),
            ("encoder.layer.3.attention.output.LayerNorm.bias", "transformer.layer.3.sa_layer_norm.bias"),
            ("encoder.layer.3.intermediate.dense.weight", "transformer.layer.3.ffn.lin1.weight"),
            ("encoder.layer.3.output.dense.weight", "transformer.layer.3.ffn.lin2.weight"),
            ("encoder.layer.3.output.LayerNorm.weight", "transformer.layer.3.output_layer_norm.weight"),
        ];
        for (bert, distilbert) in pairs {
            assert_eq!(distilbert_name(bert), distilbert);
        }
    }

    #[test]
    fn the_root_is_what_precedes_the_anchor() {
        let root = |names: &[&str]| root_prefix(names.iter().copied(), "e.weight");
        assert_eq!(root(&["bert.e.weight", "x"]).as_deref(), Some("bert."));
        assert_eq!(root(&["e.weight", "cls.e.weight"]).as_deref(), Some(""));
        assert_eq!(root(&["type.weight", "the.weight"]), None);
    }

    fn file(name: &str, dtype: Dtype, shape: Vec<usize>, data: &[u8]) -> Arc<dyn WeightsFile> {
        let view = safetensors::tensor::TensorView::new(dtype, shape, data).unwrap();
        Arc::new(safetensors::serialize([(name, view)], None).unwrap())
    }

    #[test]
    fn rows_are_read_from_every_type_of_float() {
        let halves: Vec<u8> = [1.5f32, -2.0, 0.25, 8.0].iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
        let brains: Vec<u8> = [1.5f32, -2.0, 0.25, 8.0].iter().flat_map(|x| bf16::from_f32(*x).to_le_bytes()).collect();
        let singles: Vec<u8> = [1.5f32, -2.0, 0.25, 8.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let doubles: Vec<u8> = [1.5f64, -2.0, 0.25, 8.0].iter().flat_map(|x| x.to_le_bytes()).collect();
        let all = [(Dtype::F16, &halves), (Dtype::BF16, &brains), (Dtype::F32, &singles), (Dtype::F64, &doubles)];
        for (dtype, data) in all {
            let tensors = Tensors::open(vec![file("bert.w", dtype, vec![2, 2], data)], "m".into(), "w", false).unwrap();
            let mut row = [0.0; 3];
            tensors.get("w", &[2, 2]).unwrap().read_row(1, &mut row);
            assert_eq!(row, [0.25, 8.0, 0.0], "{dtype:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let open = |file| Tensors::open(vec![file], "model.safetensors".into(), "w", false);
        let error = |result: Result<Tensor>| result.err().expect("must fail").to_string();
        let tensors = open(file("w", Dtype::F32, vec![1], &[0; 4])).unwrap();
        assert!(error(tensors.get("w", &[2])).contains("'w' has the shape [1], config.json says [2]"));
        assert!(error(tensors.get("x", &[2])).contains("'x' is missing"));
        let integers = open(file("w", Dtype::I32, vec![1], &[0; 4])).unwrap();
        assert!(error(integers.get("w", &[1])).contains("I32"));
        assert!(open(Arc::new(vec![1, 2, 3])).is_err());
        assert!(open(file("other", Dtype::F32, vec![1], &[0; 4])).is_err());
    }
}
