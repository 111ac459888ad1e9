//! The self-test: a list with a known order, ranked through the path of all requests.

use crate::models::Served;
use crate::wire::{self, Dialect, RerankAnswer, RerankRequest};

/// The body of the request; its second document answers the query.
const BODY: &[u8] = br#"{"query": "Where is the Eiffel Tower?", "documents": ["The Louvre is a museum.", "The Eiffel Tower stands in Paris.", "Bananas are yellow."]}"#;

/// Scores of known models. They differ by precision and instruction set, but not by more than
/// [`TOLERANCE`].
const GOLDEN: [(&str, [f64; 3]); 1] = [("all-MiniLM-L6-v2", [0.3325, 0.8201, 0.0171])];

const TOLERANCE: f64 = 0.03;

/// Returns the request.
pub(crate) fn golden_request() -> RerankRequest {
    let reading = wire::Reading { dialect: Some(Dialect::Union), ..wire::Reading::default() };
    match wire::read_rerank(BODY, &reading) {
        Ok(request) => request,
        Err((error, _)) => unreachable!("the self-test's own body is refused: {error}"),
    }
}

/// Checks that the answer is that of a working model.
pub(crate) fn check(served: &Served, answer: &RerankAnswer) -> Result<(), String> {
    let mut scores = [f64::NAN; 3];
    for candidate in answer.ranked() {
        if let Some(score) = scores.get_mut(candidate.index) {
            *score = candidate.native;
        }
    }
    if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
        return Err(format!("the score of document {at} is not finite"));
    }
    let name = served.info().map(|info| info.name).unwrap_or_default();
    let Some((_, golden)) = GOLDEN.iter().find(|(known, _)| *known == name) else {
        if answer.ranked()[0].index != 1 {
            // A model for another language or task may be right to differ.
            tracing::warn!(model = served.name, "the model ranks the self-test's list in an unusual order");
        }
        return Ok(());
    };
    match scores.iter().zip(golden).all(|(score, golden)| (score - golden).abs() <= TOLERANCE) {
        true => Ok(()),
        false => Err(format!("the scores are {scores:?}, expected about {golden:?}")),
    }
}
