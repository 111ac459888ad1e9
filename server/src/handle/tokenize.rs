//! `/tokenize`.

use std::sync::Arc;

use crate::app::App;
use crate::context::Context;
use crate::demand::Demand;
use crate::wire::{Reply, Token, TokenizeRequest, WireError, tokenize_reply};
use crate::work::run;

/// Answers a parsed request.
pub(super) async fn answer(
    app: &Arc<App>,
    request: Result<TokenizeRequest, WireError>,
    context: &Context,
) -> Result<Reply, WireError> {
    let request = request?;
    let served = app.models.served(request.model.as_deref()).await?;
    let Some(model) = served.model.clone().filter(|_| !served.is_remote()) else {
        return Err(served.refuse("tokenize"));
    };
    if request.prompt_name.is_some() {
        let reason = "tokens are those of the texts alone; leave it out".to_owned();
        return Err(WireError::NotSupported { key: "prompt_name".to_owned(), reason });
    }
    // Tokenizing costs a small part of the work on the tokens. It is admitted in the same way, so
    // that it is bounded.
    let tokens = served.tokens_to_embed(request.inputs.iter().map(String::as_str));
    context.record.asked(&served.name, request.inputs.len());
    run(app, context, Demand::of(tokens), move |job| {
        let one = |text: &String| {
            job.call().check()?;
            let tokens = model.tokenize(text, request.add_special_tokens)?;
            Ok(tokens.into_iter().map(token).collect())
        };
        let tokens = request.inputs.iter().map(one).collect::<nearsort::Result<Vec<Vec<Token>>>>()?;
        Ok(tokenize_reply(&request, &tokens))
    })
    .await
}

fn token(token: nearsort::Token) -> Token {
    let bytes = (!token.is_special).then_some(token.bytes);
    Token { id: token.id, text: token.text, special: token.is_special, bytes }
}
