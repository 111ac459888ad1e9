//! The work common to all clients of a service.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::requests::RequestText;
use crate::Error;
use crate::call::Call;
use crate::encoder::ModelInfo;
use crate::hex::hex;
use crate::provider::Wrong;
use crate::service::{Origin, Request, Service, ServiceError};

/// Number of characters of a text that an error shows.
const SHOWN: usize = 48;

/// Sends a request and reads the answer. An answer worth keeping is kept. Any other that came from
/// a cache or a recording is requested again from the service.
pub(super) fn ask_and_read<T>(
    service: &dyn Service,
    request: &Request,
    call: &Call<'_>,
    read: impl Fn(&Value) -> T,
    is_worth_keeping: impl Fn(&T) -> bool,
) -> Result<T, ServiceError> {
    let mut reply = service.send(request, call)?;
    let mut result = read(&reply.body);
    if !is_worth_keeping(&result) && reply.origin != Origin::Service {
        let Some(anew) = service.ask_anew(request, call) else { return Ok(result) };
        reply = anew?;
        result = read(&reply.body);
    }
    if is_worth_keeping(&result) {
        service.keep(request, &reply)?;
    }
    Ok(result)
}

/// Makes the error of an answer that cannot be read, with the text that it is about.
pub(super) fn malformed(service: &dyn Service, wrong: Wrong, inputs: &[RequestText<'_>]) -> Error {
    let text = wrong.index.and_then(|index| inputs.get(index));
    let message = match text {
        Some(input) => {
            let shown: String = input.text.chars().take(SHOWN).collect();
            format!("{} (text {}, counted from 0: '{shown}')", wrong.message, input.position)
        }
        None => wrong.message,
    };
    Error::Service(ServiceError::Malformed { host: service.host(), message })
}

/// Returns the model of a service for reports.
pub(super) fn model_info(service: &dyn Service, max_tokens: usize) -> ModelInfo {
    ModelInfo {
        name: format!("{}:{}", service.provider(), service.model()),
        revision: None,
        device: service.host(),
        engine: service.provider().to_string(),
        precision: String::new(),
        max_tokens,
    }
}

/// Returns a hash of everything that decides a model's answers. (A service may change the model
/// behind a name; this cannot be detected.)
pub(super) fn fingerprint(service: &dyn Service, settings: &Value) -> String {
    let everything = serde_json::json!({
        "provider": service.provider().to_string(),
        "host": service.host(),
        "model": service.model(),
        "settings": settings,
    });
    hex(Sha256::digest(everything.to_string()))
}
