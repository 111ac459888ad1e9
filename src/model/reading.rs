//! A loaded model that reads texts with other options, for one request.

use std::sync::Arc;

use super::{Loaded, Model, Task};
use crate::Result;
use crate::cache::CachedEncoder;
use crate::encoder::{Encoder, Reading};

impl Model {
    /// Returns the model with the options of `reading`: another instruction, prompt, limit,
    /// truncation, dimension or norm. It shares weights, threads and vocabulary and reads no file.
    /// This takes microseconds, so that each request may have its own.
    ///
    /// A reading changes the model as it is: an option that is left out stays. A cache keeps the
    /// vectors of each reading apart.
    ///
    /// ```
    /// use nearsort::{Error, Model, ModelOptions, Reading, Reranker, Truncate};
    ///
    /// # fn main() -> nearsort::Result<()> {
    /// let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?; // once
    /// let short = model.reading(&Reading::new().max_document_tokens(5))?; // per request
    /// let docs = ["The Eiffel Tower stands in Paris.", "The Eiffel Tower"];
    /// let answer = Reranker::new(&short).rank("Where is the Eiffel Tower?", &docs).run()?;
    /// assert!(answer.pairs[0].truncated && !answer.pairs[1].truncated);
    ///
    /// let strict = short.reading(&Reading::new().truncate(Truncate::Never))?;
    /// let error = Reranker::new(&strict).rank("Where is the Eiffel Tower?", &docs).run().unwrap_err();
    /// assert!(matches!(error, Error::TooLong { tokens: 9, limit: 5, .. }), "{error}");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidOption`](crate::Error::InvalidOption) for an option that does not apply to
    /// the model, and for a value out of range.
    pub fn reading(&self, reading: &Reading) -> Result<Self> {
        let loaded = match &self.loaded {
            _ if *reading == Reading::default() => self.loaded.clone(),
            Loaded::Embedder { local: Some(local), cached, scoring, .. } => {
                let local = Arc::new(local.with_reading(reading)?);
                let encoder = Arc::clone(&local) as Arc<dyn Encoder>;
                let before = |cached: &Arc<CachedEncoder>| cached.before(Arc::clone(&encoder)).map(Arc::new);
                let cached = cached.as_ref().map(before).transpose()?;
                Loaded::Embedder { encoder, local: Some(local), cached, scoring: *scoring }
            }
            Loaded::CrossEncoder(model) => Loaded::CrossEncoder(Arc::new(model.with_reading(reading)?)),
            _ => return Err(self.reads_by_itself(reading)),
        };
        Ok(Self { name: self.name.clone(), loaded })
    }

    /// Returns the error for a reading of a model that does not run on this machine.
    fn reads_by_itself(&self, reading: &Reading) -> crate::Error {
        let kind = match self.task() {
            Task::Judge => "a judge",
            Task::Rerank => "a rerank service",
            Task::Embed => "not a local model",
            _ => "a scorer of your own",
        };
        let option = reading.given().first().copied().unwrap_or("reading");
        let why = format!("is for local models, and {} is {kind}: leave it out", self.name);
        crate::Error::InvalidOption { option, why }
    }
}
