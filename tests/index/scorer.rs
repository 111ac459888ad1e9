//! Rows of an index as candidates.

use std::sync::Arc;

use nearsort::index::{BuildOptions, Dtype, IndexScorer};
use nearsort::scorer::Parts;
use nearsort::similarity::{DocumentTokens, QueryTokens, cosine_similarity};
use nearsort::{Call, Scoring};

use super::{PLAIN, build, corpus, message, token_vectors, vector, words};

#[test]
fn rows_score_as_their_texts_would() {
    let folder = tempfile::tempdir().unwrap();
    let rows = corpus(0..200);
    for (dtype, tolerance) in [(Dtype::F32, 1e-6), (Dtype::F16, 1e-3), (Dtype::I8, 1e-2)] {
        let path = folder.path().join(dtype.to_string());
        let index = Arc::new(build(&path, &rows, BuildOptions { dtype, tokens: true, ..PLAIN }).unwrap());
        let text = "number 17 of them";
        let cosine = IndexScorer::new(Arc::clone(&index), Arc::new(words()), Some(Scoring::Cosine)).unwrap();
        let maxsim = IndexScorer::new(Arc::clone(&index), Arc::new(words()), Some(Scoring::MaxSim)).unwrap();
        let hybrid = IndexScorer::new(Arc::clone(&index), Arc::new(words()), None).unwrap();
        assert_eq!(hybrid.scoring(), Scoring::Hybrid);
        let asked = [199, 17, 3, 17];
        let score =
            |scorer: &IndexScorer| scorer.score(&scorer.encode(&[text], &Call::new()).unwrap()[0], &asked).unwrap();
        let list = score(&hybrid);
        let (c, m, h) = (score(&cosine).scores(), score(&maxsim).scores(), list.scores());
        let query = QueryTokens::new(token_vectors(text).view());
        for (at, row) in asked.iter().enumerate() {
            let document = &rows[*row as usize].1;
            let expected = cosine_similarity(&vector(text), &vector(document)).unwrap();
            assert!((c[at] - expected).abs() < tolerance, "{dtype}");
            let expected = query.maxsim(&DocumentTokens::new(token_vectors(document).view()));
            assert!((m[at] - expected).abs() < 0.05, "{} {expected}", m[at]);
            assert_eq!(h[at], Scoring::Hybrid.combine(c[at], m[at]));
        }
        let parts: Vec<_> = c.iter().zip(&m).map(|(&cosine, &maxsim)| Some(Parts { cosine, maxsim })).collect();
        assert_eq!(list.pairs.iter().map(|pair| pair.parts).collect::<Vec<_>>(), parts);
        assert_eq!(c[1], c[3]);
        // What a search finds has the score that it has as a candidate.
        let query = cosine.encode(&[text], &Call::new()).unwrap();
        let hits = cosine.search(&query, 5, &Call::new()).unwrap().remove(0);
        let found: Vec<u64> = hits.iter().map(|hit| hit.index as u64).collect();
        let scores: Vec<f32> = hits.iter().map(|hit| hit.score).collect();
        assert_eq!(cosine.score(&query[0], &found).unwrap().scores(), scores);
        assert!(message(cosine.score(&query[0], &[200])).contains("no row 200"));
        assert!(message(cosine.encode(&[" "], &Call::new())).contains("the query is empty"));
    }
}

#[test]
fn scores_that_need_token_vectors_are_refused_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let index = Arc::new(build(folder.path(), &corpus(0..5), PLAIN).unwrap());
    let message = message(IndexScorer::new(Arc::clone(&index), Arc::new(words()), Some(Scoring::Hybrid)).map(drop));
    assert!(message.contains("`tokens=`"), "{message}");
    assert_eq!(IndexScorer::new(index, Arc::new(words()), None).unwrap().scoring(), Scoring::Cosine);
}
