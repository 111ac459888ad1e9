//! Parses bodies into requests or refusals.

use crate::wire::{Dialect, WireError};
use crate::work::offload;

/// The reason of a refusal, and the dialect to answer in.
pub(crate) type Refusal = (WireError, Dialect);

/// Parses a body, a large one on another thread.
pub(super) async fn read<T: Send + 'static>(
    body: Vec<u8>,
    reader: impl FnOnce(&[u8]) -> Result<T, WireError> + Send + 'static,
) -> Result<T, WireError> {
    let read = offload(body.len(), move || reader(&body)).await;
    read.unwrap_or_else(|| Err(WireError::internal()))
}
