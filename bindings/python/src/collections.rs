//! Queries, documents, runs and judgements: files, or mappings in memory.

use std::path::PathBuf;

use nearsort::io::{Qrels, Run, RunFile};
use pyo3::prelude::*;
use pyo3::types::PyMapping;

use crate::errors::invalid;

/// Results or grades, by query and document, in their order.
type ByQuery<T> = Vec<(String, Vec<(String, T)>)>;

/// A run: a file, or `{query_id: {document_id: score}}`.
pub enum GivenRun {
    File(PathBuf),
    Memory(ByQuery<f64>),
}

/// Judgements: a file, or `{query_id: {document_id: grade}}`.
pub enum GivenQrels {
    File(PathBuf),
    Memory(ByQuery<i32>),
}

/// Texts by id: files, or `{id: text}`.
pub enum GivenTexts {
    Files(Vec<PathBuf>),
    Memory(Vec<(String, String)>),
}

impl GivenRun {
    pub fn of(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        match value.cast::<PyMapping>() {
            Ok(mapping) => by_query(mapping, "run").map(Self::Memory),
            Err(_) => value.extract().map(Self::File),
        }
    }

    /// Returns the source of the run.
    pub fn source(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory(_) => "memory".to_owned(),
        }
    }

    /// Reads the whole run into memory.
    pub fn read(self, ignore_identical_ids: bool) -> nearsort::Result<Run> {
        match self {
            Self::File(path) => RunFile::open(path)?.ignore_identical_ids(ignore_identical_ids).read(),
            Self::Memory(queries) => {
                let mut run = Run::default();
                for (query, documents) in &queries {
                    let kept = documents.iter().filter(|(id, _)| is_kept(ignore_identical_ids, query, id));
                    kept.for_each(|(document, score)| run.push(query, document, *score));
                }
                Ok(run)
            }
        }
    }
}

/// Returns false for a document that is left out because its id is its query's.
pub fn is_kept(ignore_identical_ids: bool, query: &str, document: &str) -> bool {
    !ignore_identical_ids || document != query
}

impl GivenQrels {
    pub fn of(value: &Bound<'_, PyAny>) -> PyResult<Self> {
        match value.cast::<PyMapping>() {
            Ok(mapping) => by_query(mapping, "qrels").map(Self::Memory),
            Err(_) => value.extract().map(Self::File),
        }
    }

    /// Returns the source of the judgements.
    pub fn source(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory(_) => "memory".to_owned(),
        }
    }

    pub fn read(self) -> nearsort::Result<Qrels> {
        match self {
            Self::File(path) => Qrels::read(path),
            Self::Memory(queries) => {
                let grades = |(query, documents): &'_ (String, Vec<(String, i32)>)| {
                    documents
                        .iter()
                        .map(|(document, grade)| (query.clone(), document.clone(), *grade))
                        .collect::<Vec<_>>()
                };
                let all: Vec<_> = queries.iter().flat_map(grades).collect();
                Qrels::from_judgements(
                    all.iter().map(|(query, document, grade)| (query.as_str(), document.as_str(), *grade)),
                )
            }
        }
    }
}

impl GivenTexts {
    /// Takes a mapping, a path, or a list of paths.
    pub fn of(value: &Bound<'_, PyAny>, what: &str) -> PyResult<Self> {
        if let Ok(mapping) = value.cast::<PyMapping>() {
            return pairs(mapping, what).map(Self::Memory);
        }
        match value.extract() {
            Ok(path) => Ok(Self::Files(vec![path])),
            Err(_) => value.extract().map(Self::Files),
        }
    }
}

fn by_query<T>(mapping: &Bound<'_, PyMapping>, what: &str) -> PyResult<ByQuery<T>>
where
    T: for<'a, 'py> FromPyObject<'a, 'py>,
{
    let inner = |item: Bound<'_, PyAny>| {
        let (query, documents): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let query: String = query.str()?.to_cow()?.into_owned();
        let Ok(documents) = documents.cast::<PyMapping>() else {
            let message =
                format!("{what}: the results of the query '{query}' are not a mapping from document ids to numbers");
            return Err(invalid(mapping.py(), message));
        };
        Ok((query, pairs(documents, what)?))
    };
    mapping.items()?.iter().map(inner).collect()
}

fn pairs<T>(mapping: &Bound<'_, PyMapping>, what: &str) -> PyResult<Vec<(String, T)>>
where
    T: for<'a, 'py> FromPyObject<'a, 'py>,
{
    let pair = |item: Bound<'_, PyAny>| {
        let (id, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract()?;
        let id: String = id.str()?.to_cow()?.into_owned();
        match value.extract() {
            Ok(value) => Ok((id, value)),
            Err(_) => {
                let class = value.get_type().name()?;
                Err(invalid(mapping.py(), format!("{what}: the value of '{id}' is {class}, which cannot be used here")))
            }
        }
    };
    mapping.items()?.iter().map(pair).collect()
}
