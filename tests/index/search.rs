//! What a search finds: everything there is, in one order, whatever else is asked.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use nearsort::index::{BuildOptions, Dtype, IndexBuilder, IndexScorer};
use nearsort::similarity::cosine_similarity;
use nearsort::{Call, CancelToken, Error};
use proptest::prelude::*;

use super::{Corpus, DIM, PLAIN, TYPES, add, borrowed, build, corpus, message, model, queries, vector, words};

#[test]
fn what_is_built_is_found_by_id_and_by_vector() {
    let folder = tempfile::tempdir().unwrap();
    let rows = corpus(0..500);
    for dtype in TYPES {
        let path = folder.path().join(dtype.to_string());
        let index = build(&path, &rows, BuildOptions { dtype, ..PLAIN }).unwrap();
        assert_eq!((index.len(), index.rows(), index.dtype(), index.num_segments()), (500, 500, dtype, 1));
        for row in [0, 7, 499] {
            assert_eq!(index.id(row).unwrap(), rows[row as usize].0);
            assert_eq!(index.find(&rows[row as usize].0).unwrap(), Some(row));
            let hits = index.search(queries(&[&rows[row as usize].1]).view(), 3).unwrap();
            assert_eq!(hits[0][0].index as u64, row, "{dtype}");
            assert!((hits[0][0].score - 1.0).abs() < 1e-3 && hits[0][0].score <= 1.0, "{dtype}: {:?}", hits[0]);
            assert_eq!(hits[0].len(), 3);
        }
        assert_eq!(index.find("d500").unwrap(), None);
        assert!(index.damages().is_empty());
    }
}

#[test]
fn scores_are_cosines_and_the_order_is_score_then_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = corpus(0..300);
    // Equal texts have equal scores.
    let same = rows[5].1.clone();
    rows.extend((300..320).map(|row| (format!("d{row}"), same.clone())));
    for (dtype, tolerance) in [(Dtype::F32, 1e-6), (Dtype::F16, 1e-3), (Dtype::I8, 1e-2)] {
        let index = build(&folder.path().join(dtype.to_string()), &rows, BuildOptions { dtype, ..PLAIN }).unwrap();
        let query = vector("something else");
        let found = index.search(ArrayView2::from_shape((1, DIM), &query).unwrap(), 1000).unwrap().remove(0);
        assert_eq!(found.len(), rows.len(), "all there are");
        assert!(found.windows(2).all(|pair| pair[0].order(&pair[1]).is_lt()));
        for hit in &found {
            let expected = cosine_similarity(&query, &vector(&rows[hit.index].1)).unwrap();
            assert!((hit.score - expected).abs() < tolerance, "{dtype}: {} {expected}", hit.score);
        }
        let same: Vec<usize> = found.iter().map(|hit| hit.index).filter(|row| *row == 5 || *row >= 300).collect();
        assert_eq!(same, [&[5][..], &(300..320).collect::<Vec<_>>()].concat(), "{dtype}");
    }
}

#[test]
fn a_hit_does_not_depend_on_the_other_queries_or_on_threads() {
    let folder = tempfile::tempdir().unwrap();
    let rows = corpus(0..9000);
    let texts: Vec<String> = (0..300).map(|query| format!("query {query}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for dtype in TYPES {
        let index = build(&folder.path().join(dtype.to_string()), &rows, BuildOptions { dtype, ..PLAIN }).unwrap();
        let all = pool(1).install(|| index.search(queries(&texts).view(), 20).unwrap());
        assert_eq!(all, pool(5).install(|| index.search(queries(&texts).view(), 20).unwrap()));
        for first in [0, 1, 150, 299] {
            let alone = index.search(queries(&texts[first..=first]).view(), 20).unwrap();
            assert_eq!(alone[0], all[first], "{dtype} {first}");
        }
        let few = index.search(queries(&texts[..7]).view(), 20).unwrap();
        assert_eq!(few[..], all[..7], "{dtype}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_best_k_are_the_first_k_of_all(count in 1usize..700, top_k in 0usize..40, seed in 0u32..1000, kind in 0usize..3) {
        let folder = tempfile::tempdir().unwrap();
        let options = BuildOptions { dtype: TYPES[kind], ..PLAIN };
        let index = build(&folder.path().join("index"), &corpus(0..count), options).unwrap();
        let query = queries(&[&format!("q{seed}")]);
        let all = index.search(query.view(), count + 1).unwrap().remove(0);
        let best = index.search(query.view(), top_k).unwrap().remove(0);
        prop_assert_eq!(&best[..], &all[..top_k.min(count)]);
    }
}

#[test]
fn queries_that_do_not_fit_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let index = build(folder.path(), &corpus(0..10), PLAIN).unwrap();
    let short = Array2::<f32>::zeros((1, DIM - 1));
    assert!(message(index.search(short.view(), 1)).contains("39 dimensions, the index 40"));
    for bad in [f32::NAN, f32::INFINITY] {
        let mut query = queries(&["fine", "not"]);
        query[[1, 3]] = bad;
        let message = message(index.search(query.view(), 1));
        assert!(message.contains("query 1") && message.contains("not a finite number"), "{message}");
    }
    assert!(index.search(Array2::<f32>::zeros((0, DIM)).view(), 5).unwrap().is_empty());
    let zero = index.search(Array2::<f32>::zeros((1, DIM)).view(), 3).unwrap();
    assert_eq!(zero[0].iter().map(|hit| (hit.index, hit.score)).collect::<Vec<_>>(), [(0, 0.0), (1, 0.0), (2, 0.0)]);
}

#[test]
fn an_index_of_nothing_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let index = build(folder.path(), &[], BuildOptions { dtype: Dtype::I8, tokens: true, ..PLAIN }).unwrap();
    assert!(index.is_empty() && index.damages().is_empty());
    assert!(index.search(queries(&["a", "b"]).view(), 5).unwrap().iter().all(Vec::is_empty));
    assert!(message(index.id(0)).contains("no row 0"));
}

#[test]
fn blank_texts_keep_their_rows_and_are_never_found() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Corpus = [("a", "one"), ("b", " \t"), ("c", "")].map(|(id, text)| (id.into(), text.into())).into();
    let index = Arc::new(build(folder.path(), &rows, PLAIN).unwrap());
    assert_eq!((index.len(), index.find("c").unwrap()), (3, Some(2)));
    for texts in [&["x"][..], &["x"; 9]] {
        let hits = index.search(queries(texts).view(), 3).unwrap();
        assert!(hits.iter().all(|hits| hits.len() == 1 && hits[0].index == 0), "{hits:?}");
    }
    assert_eq!([0, 1, 2].map(|row| index.is_blank(row).unwrap()), [false, true, true]);
    let scorer = IndexScorer::new(index, Arc::new(words()), None).unwrap();
    let query = scorer.encode(&["x"], &Call::new()).unwrap().remove(0);
    assert_eq!(scorer.score(&query, &[1, 2]).unwrap().scores(), [-1.0, -1.0]);
}

#[test]
fn an_added_index_searches_like_one_built_at_once() {
    let folder = tempfile::tempdir().unwrap();
    for dtype in TYPES {
        let (two, one) = (folder.path().join(format!("two-{dtype}")), folder.path().join(format!("one-{dtype}")));
        build(&two, &corpus(0..700), BuildOptions { dtype, ..PLAIN }).unwrap();
        let added = add(&two, &corpus(700..1000), false).unwrap();
        let whole = build(&one, &corpus(0..1000), BuildOptions { dtype, ..PLAIN }).unwrap();
        for texts in [&["x"][..], &["x", "y", "z", "u", "v", "w"]] {
            let queries = queries(texts);
            assert_eq!(added.search(queries.view(), 50).unwrap(), whole.search(queries.view(), 50).unwrap());
        }
    }
}

#[test]
fn a_cancelled_search_or_build_ends_and_can_be_done_again() {
    let (folder, token, rows) = (tempfile::tempdir().unwrap(), CancelToken::new(), corpus(0..20));
    let mut builder = IndexBuilder::build(folder.path().join("i"), &model(), PLAIN).unwrap();
    token.cancel();
    let call = Call::new().cancel(&token);
    let ended = builder.push_chunk(&words(), &borrowed(&rows), &call);
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    builder.push_chunk(&words(), &borrowed(&rows), &Call::new()).unwrap();
    let index = builder.finish().unwrap();
    assert_eq!(index.rows(), 20);
    let query = queries(&["text"]);
    assert!(matches!(index.search_with(query.view(), 3, &call), Err(Error::Cancelled)));
    assert_eq!(index.search(query.view(), 3).unwrap()[0].len(), 3);
}
