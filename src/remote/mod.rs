//! Clients of services: an [`crate::Encoder`], [`judge`]s and a rerank scorer over a [`Service`].
//!
//! [`RemoteEncoder`] splits texts into requests within the service's limits, sends several at once,
//! and orders the vectors by their index. A missing, extra or repeated vector, one of another
//! length, or one with a component that is not a number is an error that names the text. It never
//! becomes a zero vector.

mod asking;
mod encoder;
mod estimate;
pub mod judge;
mod kept;
mod options;
mod parallel;
mod requests;
mod rerank;

pub use crate::provider::{MAX_INPUT_TOKENS, MAX_REQUEST_INPUTS, MAX_REQUEST_TOKENS};
pub use encoder::RemoteEncoder;
pub use estimate::Estimate;
pub use kept::KeptAnswers;
pub use options::RemoteOptions;
pub use rerank::{RerankScorer, RerankServiceOptions};

use crate::call::Call;
use crate::service::{Prices, Provider, Service, ServiceError};
use asking::ask_and_read;

/// Returns the number of components of a model's vectors, if the list of prices has it.
pub fn known_dim(provider: Provider, model: &str) -> Option<usize> {
    Prices::built_in().find(provider, model)?.dimensions
}

/// Returns the number of components of a model's vectors, by embedding one word.
///
/// # Errors
/// [`ServiceError::Malformed`] if the answer has no vector; errors of the service.
pub fn ask_dim(service: &dyn Service) -> Result<usize, ServiceError> {
    let wire = service.provider().embeds()?;
    let request = requests::request(wire, service.model(), &["dimension"], 9, None, true);
    let call = Call::new();
    let vectors = ask_and_read(service, &request, &call, |body| wire.vectors(body, 1, None), Result::is_ok)?
        .map_err(|wrong| ServiceError::Malformed { host: service.host(), message: wrong.message })?;
    Ok(vectors[0].len())
}
