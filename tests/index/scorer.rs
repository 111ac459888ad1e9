//! Rows of an index as candidates.

use std::sync::Arc;

use nearsort::answer::ModelRun;
use nearsort::index::{BuildOptions, Dtype, IndexScorer};
use nearsort::io::Query;
use nearsort::job::{IdList, rank_ids};
use nearsort::scorer::{ListOptions, ScoreParts, Scored, UnitVector, list};
use nearsort::similarity::{DocumentTokens, QueryTokens, cosine_similarity};
use nearsort::{Blend, Call, Feedback, Scoring};

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
        let parts: Vec<_> = c.iter().zip(&m).map(|(&cosine, &maxsim)| Some(ScoreParts { cosine, maxsim })).collect();
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

#[test]
fn rows_have_feedback_by_the_vectors_that_the_index_keeps() {
    let folder = tempfile::tempdir().unwrap();
    let rows = corpus(0..60);
    let first_stage: Vec<Option<f64>> = (0..60).map(|row| Some(f64::from(row * 37 % 101))).collect();
    for dtype in super::TYPES {
        let path = folder.path().join(dtype.to_string());
        let index = Arc::new(build(&path, &rows, BuildOptions { dtype, ..PLAIN }).unwrap());
        let scorer = IndexScorer::new(index, Arc::new(words()), None).unwrap();
        let query = Query::new("q", "text number 17 of 3");
        let ids = rows.iter().map(|(id, _)| id.clone()).collect();
        let lists = [IdList { query, ids, first_stage: first_stage.clone() }];
        let model = ModelRun::of_encoder(&words(), scorer.kind());
        let answer = |feedback: Feedback| {
            let options = ListOptions::new(Blend::default()).feedback(feedback);
            let ranked = rank_ids(&scorer, &lists, &options, &model, false, &Call::new()).unwrap();
            let answer = &ranked.answers[0];
            (answer.results.iter().map(|result| result.hit.index).collect::<Vec<_>>(), answer.feedback)
        };
        let (with, weight) = answer(Feedback::Auto);
        assert_eq!(weight, Some(Feedback::WEIGHT));
        let (without, none) = answer(Feedback::Off);
        assert_eq!(none, None);
        assert_ne!(with, without, "{dtype}");
        if dtype == Dtype::F32 {
            let scored = scorer.encode(&["text number 17 of 3"], &Call::new()).unwrap();
            let all: Vec<u64> = (0..60).collect();
            let mut pairs: Vec<Scored> = scorer.score(&scored[0], &all).unwrap().pairs;
            pairs.iter_mut().zip(&rows).for_each(|(pair, (_, text))| pair.vector = UnitVector::new(&vector(text)));
            let expected = list::order(&pairs, &first_stage, &ListOptions::new(Blend::default())).unwrap();
            assert_eq!(with, expected.hits.iter().map(|hit| hit.index).collect::<Vec<_>>());
        }
    }
}
