//! `/tokenize`.

use std::sync::Arc;

use crate::app::App;
use crate::context::Context;
use crate::wire::{Reply, TokenizeRequest, WireError};

/// Not there yet: the library gives no tokens away.
pub(super) async fn answer(
    app: &Arc<App>,
    request: Result<TokenizeRequest, WireError>,
    _: &Context,
) -> Result<Reply, WireError> {
    app.models.served(request?.model.as_deref()).await?;
    Err(WireError::NotOffered { path: "/tokenize".into(), reason: "tokens with their offsets are not there yet" })
}
