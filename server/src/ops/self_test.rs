//! The self-test: a short list, ranked through the path of all requests.
//!
//! The scores of a model with known scores are compared with those. Any other model is compared
//! with itself: it ranks the list twice after it is loaded, and every later test must give the same
//! scores. This finds a device or a memory that sometimes computes wrong, and scores that are not
//! numbers. It does not find weights that were wrong from the start.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::wire::{RequestLimits, RerankAnswer, RerankRequest};

const QUERY: &str = "Where is the Eiffel Tower?";

/// The second one answers the query.
const DOCUMENTS: [&str; 3] = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris.", "Bananas are yellow."];

/// Scores of known models. They differ by precision and instruction set, but not by more than
/// [`TOLERANCE`].
const GOLDEN: [(&str, [f64; 3]); 1] = [("all-MiniLM-L6-v2", [0.3325, 0.8201, 0.0171])];

const TOLERANCE: f64 = 0.03;

/// Maximum relative difference of a device's scores between two tests. A CPU's do not differ.
const OWN_TOLERANCE: f64 = 1e-3;

/// The expected scores of a model.
pub(crate) struct Proof {
    golden: Option<[f64; 3]>,
    /// The scores of its first self-test.
    first: OnceLock<[f64; 3]>,
    is_tested: AtomicBool,
}

impl Proof {
    /// Returns the expected scores of a model by its name.
    pub fn of(name: &str) -> Self {
        let golden = GOLDEN.iter().find(|(known, _)| *known == name).map(|(_, scores)| *scores);
        Self { golden, first: OnceLock::new(), is_tested: AtomicBool::new(false) }
    }

    /// Returns true if the model was tested, with any result.
    pub fn is_tested(&self) -> bool {
        self.is_tested.load(Ordering::Acquire)
    }

    /// Begins a test. Returns how often it must rank the list.
    pub fn begin(&self) -> usize {
        let was_tested = self.is_tested.swap(true, Ordering::AcqRel);
        if self.golden.is_none() && !was_tested { 2 } else { 1 }
    }

    fn check(&self, scores: [f64; 3]) -> Result<(), String> {
        let first = self.first.get_or_init(|| scores);
        let (expected, tolerance) = match &self.golden {
            Some(golden) => (golden, TOLERANCE),
            None => (first, OWN_TOLERANCE * first.iter().fold(1.0, |most, score| score.abs().max(most))),
        };
        match scores.iter().zip(expected).all(|(score, wanted)| (score - wanted).abs() <= tolerance) {
            true => Ok(()),
            false => Err(format!("the scores are {scores:?}, expected about {expected:?}")),
        }
    }
}

/// The request.
pub(crate) fn golden_request() -> RerankRequest {
    let documents = DOCUMENTS.map(str::to_owned).into();
    match RerankRequest::new(QUERY.to_owned(), documents, &RequestLimits::default()) {
        Ok(request) => request,
        Err(error) => unreachable!("the self-test's own request is refused: {error}"),
    }
}

/// Checks that the answer is that of a working model.
pub(crate) fn check(model: &str, proof: &Proof, answer: &RerankAnswer) -> Result<(), String> {
    let mut scores = [f64::NAN; 3];
    for candidate in answer.ranked() {
        if let Some(score) = scores.get_mut(candidate.index) {
            *score = candidate.native;
        }
    }
    if let Some(at) = scores.iter().position(|score| !score.is_finite()) {
        return Err(format!("the score of document {at} is not finite"));
    }
    if proof.first.get().is_none() && answer.ranked()[0].index != 1 {
        // A model for another language or task may be right to differ.
        tracing::warn!(model, "the model ranks the self-test's list in an unusual order");
    }
    proof.check(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_model_is_held_to_its_scores_and_any_other_to_its_own() {
        let known = Proof::of("all-MiniLM-L6-v2");
        assert_eq!((known.is_tested(), known.begin(), known.is_tested()), (false, 1, true));
        assert!(known.check([0.33, 0.82, 0.02]).is_ok());
        assert!(known.check([0.33, 0.42, 0.02]).unwrap_err().contains("0.42"));

        let other = Proof::of("mine");
        assert_eq!(other.begin(), 2);
        assert!(other.check([-3.0, 7.0, 0.5]).is_ok());
        assert_eq!(other.begin(), 1);
        assert!(other.check([-3.0, 7.0, 0.5]).is_ok());
        assert!(other.check([-3.0, 7.0, 0.6]).unwrap_err().contains("0.6"));
    }
}
