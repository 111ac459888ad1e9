//! Queries and documents by id.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::io::{Corpus, ReadOptions, expand_paths, read_delimited_queries};
use crate::job::{Notice, Observer};
use crate::{Error, Result};

/// The texts of queries and documents, by their ids.
#[derive(Default)]
pub struct Texts {
    queries: HashMap<String, String>,
    documents: TextStore,
    /// The names of queries and documents in messages.
    names: [String; 2],
}

#[derive(Default)]
enum TextStore {
    #[default]
    None,
    Memory(HashMap<String, String>),
    /// Documents in files, and the folder of their index.
    Files(Box<(Corpus, TempDir)>),
}

impl Texts {
    /// Makes a collection of texts in memory, each with its id.
    pub fn new<'a>(
        queries: impl IntoIterator<Item = (&'a str, &'a str)>,
        documents: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        let owned = |(id, text): (&str, &str)| (id.to_owned(), text.to_owned());
        let documents = TextStore::Memory(documents.into_iter().map(owned).collect());
        let names = ["the queries", "the documents"].map(str::to_owned);
        Self { queries: queries.into_iter().map(owned).collect(), documents, names }
    }

    /// Opens a file of queries and files of documents, or patterns such as `parts/*.parquet`.
    /// Queries are read into memory; for documents, only their positions in the files are kept.
    ///
    /// # Errors
    /// Those of [`read_delimited_queries`] and [`Corpus::open`].
    pub fn open(
        queries: Option<&Path>,
        corpus: &[PathBuf],
        reading: &ReadOptions,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let read = queries.map(|path| read_delimited_queries(path, reading.delimiter)).transpose()?;
        let by_id = read.unwrap_or_default().into_iter().map(|query| (query.id, query.text)).collect();
        let queries = queries.map_or(String::new(), |path| path.display().to_string());
        if corpus.is_empty() {
            return Ok(Self { queries: by_id, documents: TextStore::None, names: [queries, String::new()] });
        }
        let folder = tempfile::tempdir().map_err(Error::io("create a folder in", std::env::temp_dir()))?;
        let corpus = Corpus::open(&expand_paths(corpus)?, reading, folder.path())?;
        let (rows, file, reasons) = (corpus.skipped(), corpus.name(), corpus.skip_reasons());
        observer.notice(&Notice::Skipped { rows, file, reasons });
        let names = [queries, file.to_owned()];
        Ok(Self { queries: by_id, documents: TextStore::Files(Box::new((corpus, folder))), names })
    }

    /// Returns the text of a query, if there is one.
    pub fn query(&self, id: &str) -> Option<&str> {
        self.queries.get(id).map(String::as_str)
    }

    /// Returns the passage of a document, title and text, if there is one.
    ///
    /// # Errors
    /// If the file cannot be read, or has changed.
    pub fn document(&self, id: &str) -> Result<Option<Cow<'_, str>>> {
        match &self.documents {
            TextStore::None => Ok(None),
            TextStore::Memory(texts) => Ok(texts.get(id).map(|text| Cow::Borrowed(text.as_str()))),
            TextStore::Files(files) => Ok(files.0.find(id)?.map(|(_, row)| Cow::Owned(row.passage().into_owned()))),
        }
    }

    /// Returns the names of queries and documents in messages.
    pub(super) fn names(&self) -> [&str; 2] {
        [&self.names[0], &self.names[1]]
    }
}
