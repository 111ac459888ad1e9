//! Embeddings and judgements of services: an [`crate::Encoder`] over a [`Service`], and [`judge`]s.
//!
//! [`RemoteEncoder`] cuts texts into requests within the service's limits, has several under way at once, and puts the vectors back by their index. An answer
//! with a vector too few, too many, twice, of another length or with a component that is no number is an error that names the text: never a vector of zeros.

mod answer;
mod encoder;
pub mod judge;
mod kept;
mod parallel;
mod requests;

pub use encoder::{RemoteEncoder, RemoteOptions};
pub use kept::KeptAnswers;
pub use requests::{Estimate, MAX_INPUT_TOKENS, MAX_REQUEST_INPUTS, MAX_REQUEST_TOKENS};

use serde_json::Value;

use crate::service::{Origin, Prices, Provider, Request, Service, ServiceError};

/// Whether a model of a service embeds, by its name: those that embed have `embed` in it, at OpenAI and elsewhere; Anthropic has none.
pub fn is_embedding_model(provider: Provider, model: &str) -> bool {
    provider != Provider::Anthropic && model.to_ascii_lowercase().contains("embed")
}

/// Components of a model's vectors, where they are known: by name from the list of prices.
pub fn known_dim(provider: Provider, model: &str) -> Option<usize> {
    Prices::built_in().find(provider, model)?.dimensions
}

/// Components of a model's vectors, by embedding one word.
///
/// # Errors
/// [`ServiceError::Malformed`] when the answer is none; what the service fails with.
pub fn ask_dim(service: &dyn Service) -> Result<usize, ServiceError> {
    let request = requests::request(service.model(), &["dimension"], 9, None, true);
    let vectors = ask_and_read(service, &request, |body| answer::vectors(body, 1, None), Result::is_ok)?
        .map_err(|wrong| ServiceError::Malformed { host: service.host(), message: wrong.message })?;
    Ok(vectors[0].len())
}

/// Asks and reads the answer. One that is worth keeping is kept; one that is not and comes from a cache or a recording is asked for anew.
fn ask_and_read<T>(
    service: &dyn Service,
    request: &Request,
    read: impl Fn(&Value) -> T,
    is_worth_keeping: impl Fn(&T) -> bool,
) -> Result<T, ServiceError> {
    let mut reply = service.send(request)?;
    let mut result = read(&reply.body);
    if !is_worth_keeping(&result) && reply.origin != Origin::Service {
        let Some(anew) = service.ask_anew(request) else { return Ok(result) };
        reply = anew?;
        result = read(&reply.body);
    }
    if is_worth_keeping(&result) {
        service.keep(request, &reply)?;
    }
    Ok(result)
}
