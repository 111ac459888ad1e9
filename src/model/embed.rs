//! Embedding texts with a builder.

use std::time::{Duration, Instant};

use super::{Loaded, Model, Task};
use crate::call::{Call, CancelToken, Usage};
use crate::encoder::{Embeddings, Encoder, ModelInfo, Reading, Role, no_text_vectors};
use crate::error::Remedy;
use crate::{Error, Result};

/// A request to embed texts. Nothing is done before [`Embedding::run`].
pub struct Embedding<'a, T> {
    model: &'a Model,
    texts: &'a [T],
    role: Role,
    reading: Reading,
    call: Call<'a>,
}

/// Texts as vectors: the result of an [`Embedding`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Embedded {
    /// One vector per text, with its number of tokens and a flag for truncation.
    pub embeddings: Embeddings,
    /// The model, and how it ran; `None` for an encoder of your own without that information.
    pub model: Option<ModelInfo>,
    /// The usage of the call.
    pub usage: Usage,
}

impl Model {
    /// Starts to embed texts. They are documents unless [`Embedding::role`] changes that. A text's
    /// vector does not depend on the others.
    ///
    /// ```
    /// use nearsort::{Model, ModelOptions, Reading, Role};
    ///
    /// # fn main() -> nearsort::Result<()> {
    /// let model = Model::load("all-MiniLM-L6-v2", ModelOptions::default())?; // once
    /// let embedded = model.embed(&["Where is the Eiffel Tower?"]).role(Role::Query).run()?;
    /// assert_eq!((embedded.embeddings.view().dim(), embedded.usage.texts), ((1, 384), 1));
    /// let short = model.embed(&["two red boats"]).reading(Reading::new().dim(64)).run()?;
    /// assert_eq!(short.embeddings.view().dim(), (1, 64));
    /// # Ok(())
    /// # }
    /// ```
    pub fn embed<'a, T: AsRef<str>>(&'a self, texts: &'a [T]) -> Embedding<'a, T> {
        let (role, reading) = (Role::Document, Reading::new());
        Embedding { model: self, texts, role, reading, call: Call::new() }
    }

    /// Returns the model's encoder, if it embeds texts.
    fn text_encoder(&self) -> Result<std::sync::Arc<dyn Encoder>> {
        if self.task() == Task::EmbedTokens {
            return Err(no_text_vectors(&self.name));
        }
        let none = |what: &str| Error::InvalidArgument(format!("{} {what} and has no embeddings", self.name));
        self.encoder().ok_or_else(|| match &self.loaded {
            Loaded::CrossEncoder(_) => {
                none("is a cross-encoder: it reads query and document together").advised(Remedy::RerankWithIt)
            }
            _ => none("scores lists").advised(Remedy::RerankWithIt),
        })
    }
}

impl<'a, T: AsRef<str>> Embedding<'a, T> {
    /// Sets the role of the texts. Default: documents.
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Sets the options for reading the texts: prompts, limits, dimension, norm. Default: as the
    /// model was loaded.
    pub fn reading(mut self, reading: Reading) -> Self {
        self.reading = reading;
        self
    }

    /// Sets a cancel token, see [`Call::cancel`].
    pub fn cancel(mut self, token: &CancelToken) -> Self {
        self.call = self.call.cancel(token);
        self
    }

    /// Sets a deadline, see [`Call::deadline`].
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.call = self.call.deadline(deadline);
        self
    }

    /// Sets a timeout, see [`Call::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call = self.call.timeout(timeout);
        self
    }

    /// Sets a progress callback, see [`Call::progress`].
    pub fn progress(mut self, progress: impl Fn(usize) + Send + Sync + 'a) -> Self {
        self.call = self.call.progress(progress);
        self
    }

    /// Embeds the texts.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a model that does not embed texts; those of
    /// [`Model::reading`]; [`Error::TooLong`]; [`Error::Cancelled`]; [`Error::DeadlineExceeded`];
    /// the model's errors. A vector may hold NaN where the model's numbers do.
    pub fn run(self) -> Result<Embedded> {
        let Self { model, texts, role, reading, call } = self;
        model.text_encoder()?;
        let encoder = model.reading(&reading)?.text_encoder()?;
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let embeddings = encoder.encode_with(&texts, role, &call)?;
        Ok(Embedded { embeddings, model: encoder.model(), usage: call.usage() })
    }
}
