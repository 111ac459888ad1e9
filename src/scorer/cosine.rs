//! Cosine similarity of embeddings.

use std::sync::Arc;

use ndarray::ArrayView1;

use super::{ScoreKind, Scorer, Scores};
use crate::encoder::{Encoder, Role};
use crate::{Result, similarity};

/// Encodes query and candidates, and scores by the cosine of the angle between the vectors, in [-1, 1].
pub struct CosineScorer {
    encoder: Arc<dyn Encoder>,
}

impl CosineScorer {
    /// Scores by this encoder's vectors.
    pub fn new(encoder: Arc<dyn Encoder>) -> Self {
        Self { encoder }
    }
}

impl Scorer for CosineScorer {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Cosine
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<Scores> {
        self.score_queries(&[query], candidates).map(|mut scores| scores.swap_remove(0))
    }

    fn score_queries(&self, queries: &[&str], candidates: &[&str]) -> Result<Vec<Scores>> {
        let queries = self.encoder.encode(queries, Role::Query)?;
        let documents = self.encoder.encode(candidates, Role::Document)?;
        let scores = similarity::cosine_similarities_block(queries.view(), documents.view())?;
        let answer = |(values, &query_tokens): (ArrayView1<'_, f32>, &u32)| Scores {
            values: values.to_vec(),
            query_tokens,
            tokens: documents.tokens.clone(),
            truncated: documents.truncated.clone(),
        };
        Ok(scores.rows().into_iter().zip(&queries.tokens).map(answer).collect())
    }
}
