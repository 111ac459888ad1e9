//! Bodies into requests, and what can go wrong.

use crate::wire::{Dialect, WireError};
use crate::work::offload;

/// Why a request is refused, and the dialect to say it in.
pub(crate) type Refusal = (WireError, Dialect);

/// Reads a body, a large one on a thread of its own.
pub(super) async fn read<T: Send + 'static>(
    body: Vec<u8>,
    reader: impl FnOnce(&[u8]) -> Result<T, WireError> + Send + 'static,
) -> Result<T, WireError> {
    let read = offload(body.len(), move || reader(&body)).await;
    read.unwrap_or_else(|| Err(WireError::internal()))
}
