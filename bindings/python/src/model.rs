//! A loaded model, and its encoder.

use std::sync::Arc;

use nearsort::encoder::Role;
use nearsort::model::Task;
use nearsort::{Encoder, Error, LocalEncoder, Overrides, Reranker, Result};
use numpy::{IntoPyArray, PyArray1, PyArray2};
use pyo3::prelude::*;

use crate::call::{Limits, run};
use crate::errors::{invalid, raised};
use crate::options::ModelConfig;
use crate::texts::texts;

/// A loaded model. Threads share it.
#[derive(Clone)]
#[pyclass(frozen, module = "nearsort._native")]
pub struct Model {
    pub inner: nearsort::Model,
    pub overrides: Overrides,
    /// The name that it was asked for by.
    pub asked: String,
}

/// Vectors `(n, d)`, tokens `(n,)` and, for each text, true if it was truncated `(n,)`.
type Encoded<'py> = (Bound<'py, PyArray2<f32>>, Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<bool>>);

#[pymethods]
impl Model {
    #[new]
    fn new(py: Python<'_>, config: ModelConfig) -> PyResult<Self> {
        run(py, Limits::default(), move |_| {
            let inner = nearsort::Model::load(&config.model, config.options()?)?;
            Ok(Self { inner, overrides: config.overrides()?, asked: config.model.clone() })
        })
    }

    /// The model's name in its files or at its service.
    #[getter]
    fn name(&self) -> &str {
        self.inner.name()
    }

    /// The model's task: "embed", "embed-tokens", "cross-encode", "judge", "rerank".
    #[getter]
    fn task(&self) -> &'static str {
        match self.inner.task() {
            Task::Embed => "embed",
            Task::EmbedTokens => "embed-tokens",
            Task::CrossEncode => "cross-encode",
            Task::Judge => "judge",
            Task::Rerank => "rerank",
            _ => "custom",
        }
    }

    /// `(revision, device, engine, precision, max_tokens)`, or `None` if the model does not report
    /// them.
    #[getter]
    fn info(&self) -> Option<(Option<String>, String, String, String, usize)> {
        let info = self.inner.info()?;
        Some((info.revision, info.device, info.engine, info.precision, info.max_tokens))
    }

    /// The number of components of a vector, or `None` for a model that does not embed texts.
    #[getter]
    fn dim(&self) -> Option<usize> {
        self.inner.encoder().filter(|encoder| encoder.has_text_vectors()).map(|encoder| encoder.dim())
    }

    /// True if the model embeds on this machine.
    #[getter]
    fn is_local(&self) -> bool {
        Reranker::new(&self.inner).encoder().is_some()
    }

    /// Returns a fingerprint of everything that decides a vector. Equal fingerprints mean equal
    /// vectors.
    fn fingerprint(&self, py: Python<'_>) -> PyResult<String> {
        self.encoder().and_then(|encoder| encoder.fingerprint()).map_err(|error| raised(py, &error))
    }

    /// Returns the same embedding model with another document prompt; the weights are shared.
    fn with_document_prompt(&self, py: Python<'_>, prompt: String) -> PyResult<Self> {
        let has_it = |encoder: &LocalEncoder| encoder.contract().document_prompt == prompt;
        if Reranker::new(&self.inner).encoder().is_some_and(has_it) {
            return Ok(self.clone());
        }
        let overrides = Overrides { document_prompt: Some(prompt), ..self.overrides.clone() };
        let inner = self.inner.with_overrides(overrides.clone()).map_err(|error| raised(py, &error))?;
        Ok(Self { inner, overrides, asked: self.asked.clone() })
    }

    /// Encodes texts as queries or documents.
    #[pyo3(signature = (texts, role, deadline=None, progress=None))]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        texts: &Bound<'py, PyAny>,
        role: &str,
        deadline: Option<f64>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Encoded<'py>> {
        let texts = self::texts(texts, "texts")?;
        let role: Role = role.parse().map_err(|error| raised(py, &error))?;
        let encoder = self.encoder().map_err(|error| raised(py, &error))?;
        let embeddings = run(py, Limits { deadline, progress }, move |call| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            encoder.encode_with(&texts, role, call)
        })?;
        if let Some(at) =
            embeddings.vectors.rows().into_iter().position(|row| row.iter().any(|value| !value.is_finite()))
        {
            return Err(invalid(py, format!("the model's numbers for texts[{at}] are not finite")));
        }
        let (tokens, truncated) = (embeddings.tokens.into_pyarray(py), embeddings.truncated.into_pyarray(py));
        Ok((embeddings.vectors.into_pyarray(py), tokens, truncated))
    }
}

impl Model {
    /// Returns the encoder of texts.
    pub fn encoder(&self) -> Result<Arc<dyn Encoder>> {
        let found = self.inner.encoder().filter(|encoder| encoder.has_text_vectors());
        found.ok_or_else(|| {
            Error::InvalidArgument(format!(
                "{} has no embeddings; use a Reranker, or give an embedding model",
                self.inner.name()
            ))
        })
    }
}
