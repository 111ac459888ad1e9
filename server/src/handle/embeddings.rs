//! `/v1/embeddings`, `/embeddings`, `/embed`.

use std::sync::Arc;

use nearsort::Role;

use super::fields::Fields;
use crate::app::App;
use crate::context::Context;
use crate::wire::{EmbedRequest, Embeddings, Reply, Usage, WireError};
use crate::work::run;

/// From a request that was read to the reply.
pub(super) async fn answer(
    app: &Arc<App>,
    request: Result<EmbedRequest, WireError>,
    context: &Context,
) -> Result<Reply, WireError> {
    let request = request?;
    let served = app.models.served(request.model.as_deref()).await?;
    let Some(encoder) = served.encoder() else { return Err(served.refuse("embed")) };
    let role = role(&request)?;
    let fields = Fields {
        instruction: None,
        prompt_name: None,
        caps: [("", None); 3],
        truncation: request.truncation,
        side: request.truncation_side,
    };
    fields.check(&served)?;
    let kept = request.kept_dimensions(&served.name, encoder.dim())?;
    let tokens = served.tokens_to_embed(request.inputs.iter().map(String::as_str));
    let (name, count) = (served.name.clone(), request.inputs.len());
    let (reply, usage) = run(app, context, tokens, None, move |job| {
        let call = job.call();
        let texts: Vec<&str> = request.inputs.iter().map(String::as_str).collect();
        let found = encoder.encode_with(&texts, role, &call)?;
        let mut vectors: Vec<Vec<f32>> = found.vectors.rows().into_iter().map(|row| row.to_vec()).collect();
        finish(&mut vectors, kept, request.normalize);
        let usage = call.usage();
        let answer = Embeddings { model: name, vectors, usage: Usage { tokens: usage.tokens } };
        Ok((check_normalize(&request, &answer).and_then(|()| answer.reply(&request)), usage))
    })
    .await?;
    app.metrics.worked(&served.name, &usage);
    context.record.worked(&served.name, count, &usage);
    reply
}

/// Voyage's `input_type` and TEI's `prompt_name`: the two that every model has.
fn role(request: &EmbedRequest) -> Result<Role, WireError> {
    match request.prompt_name.as_deref() {
        None | Some("document" | "passage") => Ok(Role::Document),
        Some("query") => Ok(Role::Query),
        Some(other) => Err(WireError::Wrong {
            key: "prompt_name".into(),
            found: format!("the string \"{}\"", other.chars().take(40).collect::<String>()),
            wanted: "\"query\" or \"document\"".into(),
        }),
    }
}

/// Cuts vectors, which then have another length and are normalized again, and normalizes them where that is asked for.
fn finish(vectors: &mut [Vec<f32>], kept: usize, normalize: Option<bool>) {
    for vector in vectors {
        let is_cut = kept < vector.len();
        vector.truncate(kept);
        if is_cut || normalize == Some(true) {
            let length = vector.iter().map(|x| f64::from(*x) * f64::from(*x)).sum::<f64>().sqrt();
            if length > 0.0 {
                vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
            }
        }
    }
}

/// A model that normalizes has no other vectors to give.
fn check_normalize(request: &EmbedRequest, answer: &Embeddings) -> Result<(), WireError> {
    let is_unit = |vector: &Vec<f32>| (vector.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-3;
    match request.normalize {
        Some(false) if answer.vectors.iter().all(is_unit) => Err(WireError::NotSupported {
            key: "normalize".into(),
            reason: format!("the vectors of {} are always of length 1; leave it out", answer.model),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_that_is_cut_is_normalized_again_and_one_of_zeros_stays() {
        let mut vectors = vec![vec![3.0, 4.0, 12.0], vec![0.0, 0.0, 1.0]];
        finish(&mut vectors, 2, None);
        assert_eq!(vectors, [[0.6, 0.8], [0.0, 0.0]]);
        let mut whole = vec![vec![3.0, 4.0]];
        finish(&mut whole, 2, None);
        assert_eq!(whole, [[3.0, 4.0]]);
        finish(&mut whole, 2, Some(true));
        assert_eq!(whole, [[0.6, 0.8]]);
    }
}
