//! Scores by a cross-encoder, which reads query and candidate together.

use std::sync::Arc;

use super::{CandidateList, QueryReading, ScoreKind, Scored, ScoredList, Scorer, WhyNot, score_one_list};
use crate::Result;
use crate::call::Call;
use crate::encoder::{CrossEncoder, ModelInfo, PairLogits};

/// A scorer of candidates by a [`CrossEncoder`]: every pair is one forward pass.
///
/// Scores are the model's logits, or their sigmoids. Both rank alike, because candidates are always
/// ranked by the logit ([`Scored::ranked_by`]): in f32, logits of 17 and of 20 have the same
/// probability.
pub struct CrossEncoderScorer {
    model: Arc<CrossEncoder>,
    raw_scores: bool,
}

impl CrossEncoderScorer {
    /// Creates a scorer with this model. Its own files decide between logits and probabilities.
    pub fn new(model: Arc<CrossEncoder>) -> Self {
        let raw_scores = model.contract().gives_logits;
        Self { model, raw_scores }
    }

    /// Sets logits (`true`) or probabilities as scores, whatever the model's files say.
    pub fn raw_scores(mut self, raw_scores: bool) -> Self {
        self.raw_scores = raw_scores;
        self
    }

    fn answer(&self, scored: &PairLogits, list: usize, pairs: std::ops::Range<usize>) -> ScoredList {
        let query = QueryReading {
            tokens: scored.query_tokens[list],
            truncated: scored.query_truncated[list],
            unknown: scored.query_unknown[list],
        };
        ScoredList { query, ..pairs.map(|pair| self.pair(scored, pair)).collect::<Vec<_>>().into() }
    }

    fn pair(&self, scored: &PairLogits, pair: usize) -> Scored {
        let (logit, lengths) = (scored.logits[pair], &scored.lengths);
        Scored {
            ranked_by: logit,
            // The query is read again with every candidate, so the tokens are the pair's.
            tokens: lengths.tokens[pair],
            unknown: lengths.unknown[pair],
            truncated: lengths.truncated[pair],
            why_not: lengths.is_nothing(pair).then_some(WhyNot::NoText),
            ..Scored::new(if self.raw_scores { logit } else { sigmoid(logit) })
        }
    }
}

/// Computes `1 / (1 + exp(-x))`, rounded to f32.
pub(crate) fn sigmoid(logit: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(logit)).exp())) as f32
}

impl Scorer for CrossEncoderScorer {
    fn kind(&self) -> ScoreKind {
        if self.raw_scores { ScoreKind::Logit } else { ScoreKind::Probability }
    }

    fn model(&self) -> Option<ModelInfo> {
        Some(self.model.model())
    }

    fn fingerprint(&self) -> Result<Option<String>> {
        self.model.fingerprint().map(Some)
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList> {
        score_one_list(self, query, candidates)
    }

    fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[&str], call: &Call<'_>) -> Result<Vec<ScoredList>> {
        let queries: Vec<&str> = lists.iter().map(|list| list.query).collect();
        let of_list = |(number, list)| {
            let list: &CandidateList<'_> = list;
            list.candidates.iter().map(move |&text| (number, text))
        };
        let pairs: Vec<(usize, usize)> = lists.iter().enumerate().flat_map(of_list).collect();
        let scored = self.model.logits(&queries, texts, &pairs, call)?;
        let mut first = 0;
        let answer = |(number, list): (usize, &CandidateList<'_>)| {
            let range = first..first + list.candidates.len();
            first = range.end;
            self.answer(&scored, number, range)
        };
        Ok(lists.iter().enumerate().map(answer).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sigmoid_is_what_its_formula_says_and_keeps_small_probabilities() {
        for (logit, expected) in [(0.0, 0.5), (2.0, 0.880_797), (-2.0, 0.119_203), (40.0, 1.0), (-40.0, 4.248_354e-18)]
        {
            let found = sigmoid(logit);
            assert!((found - expected).abs() <= expected * 1e-6, "{logit}: {found}");
        }
        assert!(sigmoid(f32::NAN).is_nan());
        assert_eq!((sigmoid(f32::INFINITY), sigmoid(f32::NEG_INFINITY)), (1.0, 0.0));
    }
}
