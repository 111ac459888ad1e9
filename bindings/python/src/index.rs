//! Embeddings on disk.

use std::path::PathBuf;
use std::sync::Arc;

use nearsort::index::{BuildOptions, Damage, Index, IndexBuilder, IndexModel, IndexScorer, delete};
use nearsort::io::{ReadOptions, Rows, expand_paths};
use nearsort::job::fill_index;
use nearsort::{Call, Encoder, Reranker, Result, Scoring};
use pyo3::prelude::*;

use crate::call::{Limits, run};
use crate::errors::raised;
use crate::model::Model;
use crate::texts::texts;

/// An index that is open for reading.
#[pyclass(frozen, module = "nearsort._native", name = "Index")]
pub struct OpenIndex {
    inner: Arc<Index>,
}

/// The rows of an index.
enum Corpus {
    Files(Vec<PathBuf>),
    Memory { ids: Vec<String>, texts: Vec<String> },
}

/// The hits of a query, best first: row ids and cosines.
type Found = Vec<(String, f32)>;

#[pymethods]
impl OpenIndex {
    /// Opens the index in a folder.
    #[new]
    fn new(py: Python<'_>, folder: PathBuf) -> PyResult<Self> {
        run(py, Limits::default(), move |_| Ok(Self { inner: Arc::new(Index::open(folder)?) }))
    }

    /// Builds an index in a folder, from `ids` and `texts`, or from `files`.
    #[staticmethod]
    #[pyo3(signature = (folder, model, ids, texts, files, dtype, tokens, replace, restart, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn build<'py>(
        py: Python<'py>,
        folder: PathBuf,
        model: &Model,
        ids: Option<Vec<String>>,
        texts: Option<Bound<'py, PyAny>>,
        files: Vec<PathBuf>,
        dtype: &str,
        tokens: bool,
        replace: bool,
        restart: bool,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let corpus = Corpus::of(ids, texts, files)?;
        let dtype = dtype.parse().map_err(|error| raised(py, &error))?;
        let model = model.clone();
        run(py, Limits { deadline: None, progress }, move |call| {
            let (encoder, made) = encoder(&model)?;
            let options = BuildOptions { dtype, tokens, replace, restart };
            corpus.fill(IndexBuilder::build(&folder, &made, options)?, encoder.as_ref(), call)
        })
    }

    /// Adds rows, and returns the new state of the index.
    #[staticmethod]
    #[pyo3(signature = (folder, model, ids, texts, files, replace, restart, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments of Python")]
    fn add<'py>(
        py: Python<'py>,
        folder: PathBuf,
        model: &Model,
        ids: Option<Vec<String>>,
        texts: Option<Bound<'py, PyAny>>,
        files: Vec<PathBuf>,
        replace: bool,
        restart: bool,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Self> {
        let corpus = Corpus::of(ids, texts, files)?;
        let model = model.clone();
        run(py, Limits { deadline: None, progress }, move |call| {
            let (encoder, made) = encoder(&model)?;
            corpus.fill(IndexBuilder::add(&folder, &made, replace, restart)?, encoder.as_ref(), call)
        })
    }

    /// Deletes rows by their ids, and returns their number.
    #[staticmethod]
    fn delete(py: Python<'_>, folder: PathBuf, ids: Vec<String>) -> PyResult<u64> {
        run(py, Limits::default(), move |_| delete(folder, &ids))
    }

    /// The number of rows that are not deleted.
    fn __len__(&self) -> usize {
        self.inner.len() as usize
    }

    /// The folder.
    #[getter]
    fn folder(&self) -> PathBuf {
        self.inner.folder().to_owned()
    }

    /// `(model, dim, precision, dtype, has_tokens, bytes)`.
    #[getter]
    fn info(&self) -> (String, usize, String, String, bool, u64) {
        let (model, index) = (self.inner.model(), &self.inner);
        let dtype = index.dtype().to_string();
        (model.name.clone(), model.dim, model.precision.clone(), dtype, index.has_tokens(), index.bytes())
    }

    /// Returns the damages in words; empty for an intact index.
    fn damages(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let index = Arc::clone(&self.inner);
        let said = |damage: &Damage| format!("{}: {}", damage.path.display(), damage.message);
        run(py, Limits::default(), move |_| Ok(index.damages().iter().map(said).collect()))
    }

    /// Returns true if there is a row with this id.
    fn __contains__(&self, py: Python<'_>, id: &str) -> PyResult<bool> {
        self.inner.find(id).map(|row| row.is_some()).map_err(|error| raised(py, &error))
    }

    /// Returns the best rows for each query.
    #[pyo3(signature = (model, queries, top_k, deadline=None))]
    fn search(
        &self,
        py: Python<'_>,
        model: &Model,
        queries: Vec<String>,
        top_k: usize,
        deadline: Option<f64>,
    ) -> PyResult<Vec<Found>> {
        let (index, encoder) = (Arc::clone(&self.inner), model.encoder().map_err(|error| raised(py, &error))?);
        run(py, Limits { deadline, progress: None }, move |call| {
            let scorer = IndexScorer::new(index, encoder, Some(Scoring::Cosine))?;
            let queries: Vec<&str> = queries.iter().map(String::as_str).collect();
            let lists = scorer.search(&scorer.encode(&queries, call)?, top_k, call)?;
            let named = |hit: &nearsort::Hit| Ok((scorer.index().id(hit.index as u64)?.to_owned(), hit.score));
            lists.iter().map(|hits| hits.iter().map(named).collect()).collect()
        })
    }
}

impl Corpus {
    fn of(ids: Option<Vec<String>>, given: Option<Bound<'_, PyAny>>, files: Vec<PathBuf>) -> PyResult<Self> {
        match (ids, given) {
            (Some(ids), Some(given)) => Ok(Self::Memory { ids, texts: texts(&given, "documents")? }),
            _ => Ok(Self::Files(files)),
        }
    }

    fn fill(self, mut builder: IndexBuilder, encoder: &dyn Encoder, call: &Call<'_>) -> Result<OpenIndex> {
        match self {
            Self::Files(files) => {
                let mut rows = Rows::open_all(&expand_paths(&files)?, &ReadOptions::default())?;
                fill_index(&mut builder, &mut rows, encoder, &(), call)?;
            }
            Self::Memory { ids, texts } => {
                let rows: Vec<(&str, &str)> =
                    ids.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
                rows.chunks(builder.chunk_rows())
                    .try_for_each(|chunk| builder.push_chunk(encoder, chunk, call).map(drop))?;
            }
        }
        Ok(OpenIndex { inner: Arc::new(builder.finish()?) })
    }
}

/// Returns the encoder of an embedding model, and its description for an index.
fn encoder(model: &Model) -> Result<(Arc<dyn Encoder>, IndexModel)> {
    let encoder = model.encoder()?;
    let made = match Reranker::new(&model.inner).encoder() {
        Some(local) => IndexModel::of(local)?,
        None => {
            let prompts = [&model.overrides.query_prompt, &model.overrides.document_prompt];
            IndexModel::of_encoder(encoder.as_ref(), prompts.map(|prompt| prompt.as_deref().unwrap_or_default()))?
        }
    };
    Ok((encoder, made))
}
