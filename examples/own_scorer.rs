//! Ranks by a scorer of one's own, here the share of the query's words that a candidate has, alone
//! and mixed with cosine similarity: `cargo run --release --example own_scorer`

use std::collections::HashSet;
use std::sync::Arc;

use nearsort::{BiEncoderScorer, DEFAULT_MODEL, Model, ModelOptions, Reranker, Result, ScoreKind, ScoredList, Scorer};

/// Share of the query's words that occur in a candidate, in [0, 1].
struct WordOverlap;

impl Scorer for WordOverlap {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Custom
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList> {
        let wanted = words(query);
        let share = |text: &&str| words(text).intersection(&wanted).count() as f32 / wanted.len().max(1) as f32;
        Ok(candidates.iter().map(share).collect::<Vec<f32>>().into())
    }
}

/// The mean of two scorers.
struct Mean(Arc<dyn Scorer>, Arc<dyn Scorer>);

impl Scorer for Mean {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Custom
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList> {
        let (a, b) = (self.0.score(query, candidates)?, self.1.score(query, candidates)?);
        Ok(a.pairs.iter().zip(&b.pairs).map(|(a, b)| (a.score + b.score) / 2.0).collect::<Vec<f32>>().into())
    }
}

fn words(text: &str) -> HashSet<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
}

fn main() -> Result<()> {
    let query = "error E0499 mutable borrow";
    let candidates =
        ["Fixing E0499 step by step", "Ownership explained", "A borrow that is mutable happens once at a time"];
    let encoder = Model::load_local_encoder(DEFAULT_MODEL, ModelOptions::default())?;
    let cosine = Arc::new(BiEncoderScorer::cosine(Arc::new(encoder)));
    for (name, scorer) in [
        ("words", Arc::new(WordOverlap) as Arc<dyn Scorer>),
        ("words and cosine", Arc::new(Mean(Arc::new(WordOverlap), cosine))),
    ] {
        println!("{name}");
        for hit in Reranker::new(Model::from_scorer(scorer)).rank(query, &candidates).run()?.hits {
            println!("  {:.4}  {}", hit.score, candidates[hit.index]);
        }
    }
    Ok(())
}
