//! An encoder over `/embeddings`.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::asking::{ask_and_read, malformed};
use super::options::RemoteOptions;
use super::parallel;
use super::requests::{ModelLimits, RequestText, request};
use crate::call::{Call, Usage};
use crate::encoder::{Embeddings, Encoder, ModelInfo, PartSink, Role};
use crate::hex::hex;
use crate::provider::Embeds;
use crate::service::{Service, ServiceError};
use crate::{Error, Result};

/// An [`Encoder`] whose vectors come from a service, scaled to length 1. An empty text has the zero
/// vector and is never sent.
///
/// The fingerprint covers provider, host, model, dimension, longest text and prompts. A service may
/// change the model behind a name; this cannot be detected.
pub struct RemoteEncoder {
    service: Arc<dyn Service>,
    wire: &'static dyn Embeds,
    options: RemoteOptions,
    limits: ModelLimits,
    dim: usize,
    /// True while vectors are requested as base64, a quarter of the bytes. Set to false when the
    /// service refuses it.
    base64: AtomicBool,
}

impl RemoteEncoder {
    /// Creates an encoder whose vectors have `dim` components; see [`super::known_dim`] and
    /// [`super::ask_dim`].
    ///
    /// # Errors
    /// [`ServiceError::Setup`] for a provider without embeddings, and for a dimension of 0.
    pub fn new(service: Arc<dyn Service>, dim: usize, options: RemoteOptions) -> Result<Self> {
        let setup = |message: &str| Err(Error::Service(ServiceError::Setup(message.into())));
        let wire = service.provider().embeds()?;
        if dim == 0 || options.dimensions == Some(0) {
            return setup("an embedding needs at least 1 component");
        }
        let limits = options.limits(service.provider(), service.model());
        Ok(Self { service, wire, options, limits, dim, base64: AtomicBool::new(true) })
    }

    fn prompt(&self, role: Role) -> &str {
        match role {
            Role::Query => &self.options.query_prompt,
            Role::Document => &self.options.document_prompt,
        }
    }

    /// Returns the vectors of the texts of one request.
    fn ask(&self, inputs: &[RequestText<'_>], call: &Call<'_>) -> Result<Vec<Vec<f32>>> {
        let texts: Vec<&str> = inputs.iter().map(|input| input.text.as_ref()).collect();
        let tokens = inputs.iter().map(|input| input.tokens).sum();
        let read = |body: &Value| self.wire.vectors(body, texts.len(), Some(self.dim));
        let ask = |base64| {
            let request = request(self.wire, self.service.model(), &texts, tokens, self.options.dimensions, base64);
            ask_and_read(&*self.service, &request, call, read, Result::is_ok)
        };
        let vectors = match ask(self.base64.load(Ordering::Relaxed)) {
            Err(ServiceError::Refused { status: 400 | 422, param: Some(param), .. })
                if param == self.wire.compact_parameter() =>
            {
                self.base64.store(false, Ordering::Relaxed);
                ask(false)
            }
            answer => answer,
        };
        vectors?.map_err(|wrong| malformed(&*self.service, wrong, inputs))
    }

    /// Sends batches in parallel and hands each one to `sink`. After an error, no new batch is
    /// sent. Those under way are finished, because they are paid for.
    fn send_all(
        &self,
        inputs: &[RequestText<'_>],
        batches: &[Range<usize>],
        call: &Call<'_>,
        sink: &PartSink<'_>,
    ) -> Result<()> {
        let send = |at: usize| self.send_one(&inputs[batches[at].clone()], call, sink);
        parallel::in_order(batches.len(), self.options.concurrency, send).map(drop)
    }

    fn send_one(&self, inputs: &[RequestText<'_>], call: &Call<'_>, sink: &PartSink<'_>) -> Result<()> {
        let vectors = self.ask(inputs, call)?;
        let mut part = Embeddings::zeros(inputs.len(), self.dim);
        for (mut row, vector) in part.vectors.rows_mut().into_iter().zip(&vectors) {
            row.iter_mut().zip(vector).for_each(|(component, &value)| *component = value);
        }
        let count = |input: &RequestText<'_>| u32::try_from(input.tokens).unwrap_or(u32::MAX);
        if self.limits.counter.is_exact() {
            part.tokens = inputs.iter().map(count).collect();
        }
        part.truncated = inputs.iter().map(|input| input.truncated).collect();
        let positions: Vec<usize> = inputs.iter().map(|input| input.position).collect();
        call.add(&Usage::of_texts(&part.tokens, &part.truncated));
        sink(&positions, &part)?;
        call.done(inputs.len());
        Ok(())
    }
}

impl fmt::Debug for RemoteEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let model = self.service.model();
        f.debug_struct("RemoteEncoder").field("model", &model).field("dim", &self.dim).finish_non_exhaustive()
    }
}

impl Encoder for RemoteEncoder {
    fn dim(&self) -> usize {
        self.dim
    }

    fn max_tokens(&self) -> usize {
        self.limits.max_tokens.unwrap_or(u32::MAX as usize)
    }

    fn fingerprint(&self) -> Result<String> {
        let (provider, host) = (self.service.provider().to_string(), self.service.host());
        let numbers = [self.dim, self.max_tokens()].map(|number| number.to_string());
        let fields = [
            provider.as_str(),
            &host,
            self.service.model(),
            &numbers[0],
            &numbers[1],
            &self.options.query_prompt,
            &self.options.document_prompt,
        ];
        let mut hash = Sha256::new();
        for field in fields {
            hash.update((field.len() as u64).to_le_bytes());
            hash.update(field);
        }
        Ok(hex(hash.finalize()))
    }

    fn model(&self) -> Option<ModelInfo> {
        Some(ModelInfo {
            name: format!("{}:{}", self.service.provider(), self.service.model()),
            revision: None,
            device: self.service.host(),
            engine: self.service.provider().to_string(),
            precision: String::new(),
            max_tokens: self.max_tokens(),
        })
    }

    fn encode(&self, texts: &[&str], role: Role) -> Result<Embeddings> {
        self.encode_with(texts, role, &Call::new())
    }

    fn encode_with(&self, texts: &[&str], role: Role, call: &Call<'_>) -> Result<Embeddings> {
        let whole = Mutex::new(Embeddings::zeros(texts.len(), self.dim));
        self.encode_parts(texts, role, call, &|positions, part| {
            let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
            for (row, &position) in positions.iter().enumerate() {
                whole.vectors.row_mut(position).assign(&part.vectors.row(row));
                whole.tokens[position] = part.tokens[row];
                whole.truncated[position] = part.truncated[row];
            }
            Ok(())
        })?;
        Ok(whole.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    fn encode_parts(&self, texts: &[&str], role: Role, call: &Call<'_>, sink: &PartSink<'_>) -> Result<()> {
        call.check()?;
        let empty: Vec<usize> = (0..texts.len()).filter(|&at| texts[at].is_empty()).collect();
        if !empty.is_empty() {
            sink(&empty, &Embeddings::zeros(empty.len(), self.dim))?;
            call.done(empty.len());
        }
        let inputs = self.limits.inputs(texts, self.prompt(role));
        let batches = self.limits.batches(&inputs);
        self.send_all(&inputs, &batches, call, sink)
    }
}
