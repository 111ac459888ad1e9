//! An encoder over `/embeddings`.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::answer::{self, Wrong};
use super::ask_and_read;
use super::parallel;
use super::requests::{Input, Limits, MAX_INPUT_TOKENS, MAX_REQUEST_INPUTS, MAX_REQUEST_TOKENS, request};
use crate::encoder::{Embeddings, Encoder, ModelInfo, PartSink, ProgressFn, Role};
use crate::hex::hex;
use crate::service::{Provider, Service, ServiceError, TokenCounter};
use crate::{Error, Result};

/// Characters of a text that an error shows.
const SHOWN: usize = 48;

/// How texts are sent to a model that embeds.
#[derive(Clone)]
pub struct RemoteOptions {
    /// Components of a vector, which the service is asked for; `None`: the model's own.
    pub dimensions: Option<usize>,
    /// Tokens per text; what is beyond is cut and reported. `None`: [`MAX_INPUT_TOKENS`] for OpenAI's models, and for others no cut here, for their
    /// tokens are not known; the service may cut or refuse.
    pub max_tokens: Option<usize>,
    /// Put before every query.
    pub query_prompt: String,
    /// Put before every document.
    pub document_prompt: String,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Texts in one request.
    pub request_inputs: usize,
    /// Tokens in one request.
    pub request_tokens: usize,
    /// Called with the number of texts just embedded; from any thread.
    pub progress: Option<ProgressFn>,
}

impl Default for RemoteOptions {
    fn default() -> Self {
        Self {
            dimensions: None,
            max_tokens: None,
            query_prompt: String::new(),
            document_prompt: String::new(),
            concurrency: 8,
            request_inputs: MAX_REQUEST_INPUTS,
            request_tokens: MAX_REQUEST_TOKENS,
            progress: None,
        }
    }
}

impl RemoteOptions {
    pub(super) fn limits(&self, provider: Provider, model: &str) -> Limits {
        let counter = TokenCounter::for_model(provider, model);
        let max_tokens = self.max_tokens.or(counter.is_exact().then_some(MAX_INPUT_TOKENS));
        let (request_inputs, request_tokens) = (self.request_inputs.max(1), self.request_tokens.max(1));
        Limits { counter, max_tokens, request_inputs, request_tokens }
    }
}

/// An [`Encoder`] whose vectors come from a service, scaled to length 1. An empty text has the vector of zeros and is never sent.
///
/// Its fingerprint is of provider, host, model, dimension, longest text and prompts: a service may change the model behind a name, and nobody here can tell.
pub struct RemoteEncoder {
    service: Arc<dyn Service>,
    options: RemoteOptions,
    limits: Limits,
    dim: usize,
    /// Whether the service takes `encoding_format: base64`, a quarter of the bytes; learnt from a refusal.
    base64: AtomicBool,
}

impl RemoteEncoder {
    /// An encoder whose vectors have `dim` components; see [`super::known_dim`] and [`super::ask_dim`].
    ///
    /// # Errors
    /// [`ServiceError::Setup`] for Anthropic, which has no embeddings, and for a dimension of 0.
    pub fn new(service: Arc<dyn Service>, dim: usize, options: RemoteOptions) -> Result<Self> {
        let setup = |message: &str| Err(Error::Service(ServiceError::Setup(message.into())));
        if service.provider() == Provider::Anthropic {
            return setup("Anthropic has no embeddings; use openai:, azure: or a local model for them");
        }
        if dim == 0 || options.dimensions == Some(0) {
            return setup("an embedding needs at least 1 component");
        }
        let limits = options.limits(service.provider(), service.model());
        Ok(Self { service, options, limits, dim, base64: AtomicBool::new(true) })
    }

    fn prompt(&self, role: Role) -> &str {
        match role {
            Role::Query => &self.options.query_prompt,
            Role::Document => &self.options.document_prompt,
        }
    }

    /// The vectors of one request's texts.
    fn ask(&self, inputs: &[Input<'_>]) -> Result<Vec<Vec<f32>>> {
        let texts: Vec<&str> = inputs.iter().map(|input| input.text.as_ref()).collect();
        let tokens = inputs.iter().map(|input| input.tokens).sum();
        let read = |body: &Value| answer::vectors(body, texts.len(), Some(self.dim));
        let ask = |base64| {
            let request = request(self.service.model(), &texts, tokens, self.options.dimensions, base64);
            ask_and_read(&*self.service, &request, read, Result::is_ok)
        };
        let vectors = match ask(self.base64.load(Ordering::Relaxed)) {
            Err(ServiceError::Refused { status: 400 | 422, param: Some(param), .. }) if param == "encoding_format" => {
                self.base64.store(false, Ordering::Relaxed);
                ask(false)
            }
            answer => answer,
        };
        vectors.map_err(Error::Service)?.map_err(|wrong| self.malformed(wrong, inputs))
    }

    fn malformed(&self, wrong: Wrong, inputs: &[Input<'_>]) -> Error {
        let text = wrong.index.and_then(|index| inputs.get(index));
        let message = match text {
            Some(input) => {
                let shown: String = input.text.chars().take(SHOWN).collect();
                format!("{} (text {}, counted from 0: '{shown}')", wrong.message, input.position)
            }
            None => wrong.message,
        };
        Error::Service(ServiceError::Malformed { host: self.service.host(), message })
    }

    /// Sends batches side by side and hands each to `sink`. After an error no further one is begun; those under way are finished, for they are paid.
    fn send_all(&self, inputs: &[Input<'_>], batches: &[Range<usize>], sink: &PartSink<'_>) -> Result<()> {
        let send = |at: usize| self.send_one(&inputs[batches[at].clone()], sink);
        parallel::in_order(batches.len(), self.options.concurrency, send).map(drop)
    }

    fn send_one(&self, inputs: &[Input<'_>], sink: &PartSink<'_>) -> Result<()> {
        let vectors = self.ask(inputs)?;
        let mut part = Embeddings::zeros(inputs.len(), self.dim);
        for (mut row, vector) in part.vectors.rows_mut().into_iter().zip(&vectors) {
            row.iter_mut().zip(vector).for_each(|(component, &value)| *component = value);
        }
        let count = |input: &Input<'_>| u32::try_from(input.tokens).unwrap_or(u32::MAX);
        if self.limits.counter.is_exact() {
            part.tokens = inputs.iter().map(count).collect();
        }
        part.truncated = inputs.iter().map(|input| input.truncated).collect();
        let positions: Vec<usize> = inputs.iter().map(|input| input.position).collect();
        sink(&positions, &part)?;
        if let Some(progress) = &self.options.progress {
            progress(inputs.len());
        }
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
        let whole = Mutex::new(Embeddings::zeros(texts.len(), self.dim));
        self.encode_parts(texts, role, &|positions, part| {
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

    fn encode_parts(&self, texts: &[&str], role: Role, sink: &PartSink<'_>) -> Result<()> {
        let empty: Vec<usize> = (0..texts.len()).filter(|&at| texts[at].is_empty()).collect();
        if !empty.is_empty() {
            sink(&empty, &Embeddings::zeros(empty.len(), self.dim))?;
            if let Some(progress) = &self.options.progress {
                progress(empty.len());
            }
        }
        let inputs = self.limits.inputs(texts, self.prompt(role));
        let batches = self.limits.batches(&inputs);
        self.send_all(&inputs, &batches, sink)
    }
}
