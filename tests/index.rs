//! Embeddings on disk: what is written is found again, crashes leave a whole state, and no damage goes unnoticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ndarray::{Array2, ArrayView2};
use nearsort::encoder::{EncodedLengths, EncodedText, Encoder, Role, TextSink, TokenEncoder};
use nearsort::index::{BuildOptions, Dtype, Index, IndexBuilder, IndexModel, IndexScorer, delete};
use nearsort::similarity::{DocumentTokens, QueryTokens, cosine_similarity};
use nearsort::{Embeddings, Error, Result, Scoring};
use proptest::prelude::*;

const DIM: usize = 40;
const TYPES: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::I8];

/// Vectors that depend on the text alone, one token vector per word.
struct Words {
    fingerprint: &'static str,
}

fn words() -> Words {
    Words { fingerprint: "words" }
}

fn vector(text: &str) -> Vec<f32> {
    let mut state = text.bytes().fold(7u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..DIM).map(next).collect()
}

fn token_vectors(text: &str) -> Array2<f32> {
    let rows: Vec<f32> = text.split_whitespace().flat_map(vector).collect();
    Array2::from_shape_vec((rows.len() / DIM, DIM), rows).unwrap()
}

impl Encoder for Words {
    fn dim(&self) -> usize {
        DIM
    }
    fn max_tokens(&self) -> usize {
        100
    }
    fn fingerprint(&self) -> Result<String> {
        Ok(self.fingerprint.to_owned())
    }
    fn encode(&self, _texts: &[&str], _role: Role) -> Result<Embeddings> {
        unreachable!("the builder asks for texts one by one")
    }
    fn token_encoder(&self) -> Option<&dyn TokenEncoder> {
        Some(self)
    }
}

impl TokenEncoder for Words {
    fn token_dim(&self) -> usize {
        DIM
    }
    fn encode_each(&self, texts: &[&str], _role: Role, sink: &TextSink<'_>) -> Result<EncodedLengths> {
        for (index, text) in texts.iter().enumerate() {
            sink(index, &EncodedText { vector: &vector(text), tokens: token_vectors(text).view() });
        }
        let count = texts.len();
        Ok(EncodedLengths { tokens: vec![1; count], unknown: vec![0; count], truncated: vec![false; count] })
    }
    fn windows(&self, text: &str, _role: Role) -> Result<Vec<std::ops::Range<usize>>> {
        Ok(std::iter::once(0..text.len()).collect())
    }
    fn token_ranges(&self, _text: &str, _role: Role) -> Result<Vec<std::ops::Range<usize>>> {
        Ok(Vec::new())
    }
}

fn model() -> IndexModel {
    IndexModel {
        name: "words".into(),
        revision: None,
        fingerprint: "words".into(),
        engine: "test".into(),
        precision: "f32".into(),
        dim: DIM,
        token_dim: DIM,
        max_tokens: 100,
        pooling: "mean".into(),
        query_prompt: String::new(),
        document_prompt: String::new(),
    }
}

const PLAIN: BuildOptions = BuildOptions { dtype: Dtype::F32, tokens: false, replace: false, restart: false };

type Corpus = Vec<(String, String)>;

fn corpus(rows: std::ops::Range<usize>) -> Corpus {
    rows.map(|row| (format!("d{row}"), format!("text number {row} of {}", row % 7))).collect()
}

fn borrowed(rows: &[(String, String)]) -> Vec<(&str, &str)> {
    rows.iter().map(|(id, text)| (id.as_str(), text.as_str())).collect()
}

/// Pushes chunks, at most `limit`; whether that was everything.
fn push(builder: &mut IndexBuilder, rows: &[(String, String)], limit: usize) -> Result<bool> {
    let chunks: Vec<_> = rows.chunks(builder.chunk_rows()).collect();
    for chunk in chunks.iter().take(limit) {
        builder.push_chunk(&words(), &borrowed(chunk))?;
    }
    Ok(limit >= chunks.len())
}

fn build(folder: &Path, rows: &[(String, String)], options: BuildOptions) -> Result<Index> {
    let mut builder = IndexBuilder::build(folder, &model(), options)?;
    push(&mut builder, rows, usize::MAX)?;
    builder.finish()
}

fn add(folder: &Path, rows: &[(String, String)], replace: bool) -> Result<Index> {
    let mut builder = IndexBuilder::add(folder, &model(), replace, false)?;
    push(&mut builder, rows, usize::MAX)?;
    builder.finish()
}

fn queries(texts: &[&str]) -> Array2<f32> {
    let rows: Vec<f32> = texts.iter().flat_map(|text| vector(text)).collect();
    Array2::from_shape_vec((texts.len(), DIM), rows).unwrap()
}

/// Every file of a folder with its content, but the lock.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(
                files(&path).into_iter().map(|(name, bytes)| (Path::new(path.file_name().unwrap()).join(name), bytes)),
            );
        } else if path.file_name().unwrap() != "lock" {
            found.insert(path.file_name().unwrap().into(), fs::read(&path).unwrap());
        }
    }
    found
}

fn message<T>(result: Result<T>) -> String {
    result.err().expect("an error").to_string()
}

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
    let query = scorer.encode(&["x"]).unwrap().remove(0);
    assert_eq!(scorer.score(&query, &[1, 2]).unwrap().values, [-1.0, -1.0]);
}

#[test]
fn rows_are_added_and_keep_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let before = build(folder.path(), &corpus(0..100), PLAIN).unwrap();
    let after = add(folder.path(), &corpus(100..150), false).unwrap();
    assert_eq!((before.len(), after.len(), after.num_segments()), (100, 150, 2));
    assert_eq!((after.find("d120").unwrap(), after.id(120).unwrap()), (Some(120), "d120"));
    assert_eq!(before.find("d120").unwrap(), None, "a reader keeps what it opened");
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
fn deleted_rows_are_not_found_and_the_others_keep_their_numbers() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &corpus(0..100), PLAIN).unwrap();
    let open = add(folder.path(), &corpus(100..120), false).unwrap();
    assert_eq!(delete(folder.path(), &["d3", "d110", "d3"]).unwrap(), 2);
    let index = Index::open(folder.path()).unwrap();
    assert_eq!((index.len(), index.rows(), index.find("d3").unwrap()), (118, 120, None));
    assert_eq!(index.find("d111").unwrap(), Some(111));
    for texts in [vec![vector(&corpus(3..4)[0].1)], vec![vector(&corpus(110..111)[0].1); 6]] {
        let flat: Vec<f32> = texts.concat();
        let queries = ArrayView2::from_shape((texts.len(), DIM), &flat).unwrap();
        let rows = |index: &Index| {
            index.search(queries, 200).unwrap().remove(0).iter().map(|hit| hit.index).collect::<Vec<_>>()
        };
        let (left, all) = (rows(&index), rows(&open));
        assert_eq!((left.len(), all.len()), (118, 120));
        assert!(!left.contains(&3) && !left.contains(&110));
    }
    assert!(message(delete(folder.path(), &["d5", "d3"])).contains("no id 'd3'; nothing was deleted"));
    assert!(Index::open(folder.path()).unwrap().find("d5").unwrap().is_some());
    assert_eq!(delete(folder.path(), &["d5"]).unwrap(), 1);
    let index = Index::open(folder.path()).unwrap();
    assert_eq!(index.len(), 117);
    assert!(index.damages().is_empty());
    let marks = files(folder.path()).into_keys().filter(|name| name.to_string_lossy().contains("deleted-")).count();
    assert_eq!(marks, 2, "old marks are removed");
}

#[test]
fn an_id_that_is_there_is_an_error_or_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &corpus(0..50), PLAIN).unwrap();
    let new: Corpus = vec![("d7".into(), "a new text".into()), ("d50".into(), "another".into())];
    assert!(message(add(folder.path(), &new, false)).contains("the id 'd7' is in the index"));
    assert_eq!(Index::open(folder.path()).unwrap().len(), 50);
    let mut builder = IndexBuilder::add(folder.path(), &model(), true, true).unwrap();
    push(&mut builder, &new, 9).unwrap();
    let index = builder.finish().unwrap();
    assert_eq!((index.len(), index.find("d7").unwrap(), index.find("d50").unwrap()), (51, Some(50), Some(51)));
    let hits = index.search(queries(&["a new text"]).view(), 1).unwrap();
    assert_eq!(index.id(hits[0][0].index as u64).unwrap(), "d7");
    assert_eq!(delete(folder.path(), &["d7"]).unwrap(), 1);
    assert_eq!(Index::open(folder.path()).unwrap().find("d7").unwrap(), None);
}

#[test]
fn two_rows_with_one_id_are_refused_by_name_and_nothing_is_changed() {
    let folder = tempfile::tempdir().unwrap();
    let mut rows = corpus(0..20);
    rows[13].0 = "d4".into();
    let message = message(build(folder.path(), &rows, PLAIN));
    assert!(message.contains("rows 5 and 14") && message.contains("'d4'"), "{message}");
    assert!(matches!(Index::open(folder.path()), Err(Error::InvalidArgument(_))));
}

#[test]
fn an_interrupted_build_goes_on_to_the_same_bytes() {
    let rows = corpus(0..3000);
    for (dtype, tokens) in [(Dtype::F32, true), (Dtype::I8, true)] {
        let options = BuildOptions { dtype, tokens, ..PLAIN };
        let whole = tempfile::tempdir().unwrap();
        build(whole.path(), &rows, options).unwrap();
        let expected = files(whole.path());
        let broken = tempfile::tempdir().unwrap();
        for limit in 0..4 {
            let mut builder = IndexBuilder::build(broken.path(), &model(), options).unwrap();
            let resumed = builder.resumed_rows();
            assert_eq!(resumed, 1024 * (limit as u64).saturating_sub(1), "each time one chunk more");
            assert_eq!(push(&mut builder, &rows, limit).unwrap(), limit == 3);
            drop(builder);
            // A crash tears what was being written: more bytes than the journal knows, and half an entry in it.
            for (name, tail) in
                [("segment/vectors", &b"torn"[..]), ("segment/ids", b"xyz"), ("journal", b"1234abcd {\"mark\":{\"ro")]
            {
                let path = broken.path().join("building").join(name);
                let bytes = [fs::read(&path).unwrap(), tail.to_vec()].concat();
                fs::write(path, bytes).unwrap();
            }
            assert!(Index::open(broken.path()).is_err(), "there is no index before it is whole");
        }
        build(broken.path(), &rows, options).unwrap();
        assert_eq!(files(broken.path()), expected);
    }
}

/// The steps after the last row: the segment sealed, moved, named by the manifest.
#[test]
fn a_build_that_stopped_while_it_was_moved_into_place_is_completed() {
    let rows = corpus(0..1500);
    let options = BuildOptions { tokens: true, ..PLAIN };
    let whole = tempfile::tempdir().unwrap();
    build(whole.path(), &rows, options).unwrap();
    let expected = files(whole.path());
    let begun = tempfile::tempdir().unwrap();
    let mut builder = IndexBuilder::build(begun.path(), &model(), options).unwrap();
    push(&mut builder, &rows, 9).unwrap();
    drop(builder);
    let building = begun.path().join("building");
    let journal = fs::read(building.join("journal")).unwrap();
    let sealed = whole.path().join("segment-000001");
    let copy = |to: &Path| {
        fs::create_dir_all(to).unwrap();
        for (name, bytes) in files(&sealed) {
            fs::write(to.join(name), bytes).unwrap();
        }
    };
    // Sealed, with a table of ids that was being written; then moved; then named.
    copy(&building.join("segment"));
    fs::write(building.join("segment/.nearsort-x.tmp"), "half").unwrap();
    build(begun.path(), &rows, options).unwrap();
    assert_eq!(files(begun.path()), expected);
    for with_manifest in [false, true] {
        fs::create_dir_all(&building).unwrap();
        fs::write(building.join("journal"), &journal).unwrap();
        if !with_manifest {
            fs::remove_file(begun.path().join("manifest.json")).unwrap();
        }
        build(begun.path(), &rows, options).unwrap();
        assert_eq!(files(begun.path()), expected, "named: {with_manifest}");
    }
}

#[test]
fn an_unfinished_build_refuses_another_corpus_and_other_options() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let rows = corpus(0..5000);
    let mut builder = IndexBuilder::build(path, &model(), PLAIN).unwrap();
    push(&mut builder, &rows, 1).unwrap();
    drop(builder);
    let mut changed = rows.clone();
    changed[17].1.push('!');
    assert!(message(build(path, &changed, PLAIN)).contains("rows 1 to 4096 of the corpus are not those"));
    assert!(message(build(path, &[], PLAIN)).contains("rows after 0 of the corpus"));
    let halves = BuildOptions { dtype: Dtype::F16, ..PLAIN };
    assert!(message(build(path, &rows, halves)).contains("begun with another --dtype"));
    let other = IndexModel { fingerprint: "other".into(), max_tokens: 9, ..model() };
    assert!(message(IndexBuilder::build(path, &other, PLAIN).map(drop)).contains("--max-tokens"));
    let vectors = path.join("building/segment/vectors");
    let mut bytes = fs::read(&vectors).unwrap();
    bytes[1000] ^= 1;
    fs::write(&vectors, bytes).unwrap();
    assert!(message(build(path, &rows, PLAIN)).contains("--restart"));
    let index = build(path, &changed, BuildOptions { restart: true, ..halves }).unwrap();
    assert_eq!((index.len(), index.dtype()), (5000, Dtype::F16));
    assert!(!path.join("building").exists());
}

#[test]
fn an_index_gives_way_only_when_that_is_said_and_when_the_new_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let old = build(path, &corpus(0..100), PLAIN).unwrap();
    assert!(message(build(path, &corpus(0..10), PLAIN)).contains("--replace"));
    let mut builder =
        IndexBuilder::build(path, &model(), BuildOptions { replace: true, restart: true, ..PLAIN }).unwrap();
    push(&mut builder, &corpus(0..30), 1).unwrap();
    assert_eq!(Index::open(path).unwrap().len(), 100);
    assert_eq!(builder.finish().unwrap().len(), 30);
    assert_eq!((Index::open(path).unwrap().len(), old.len()), (30, 100));
    assert_eq!(old.search(queries(&["x"]).view(), 200).unwrap()[0].len(), 100, "a reader keeps what it has mapped");
    let names: Vec<String> = files(path).into_keys().map(|name| name.display().to_string()).collect();
    assert!(names.iter().all(|name| name == "manifest.json" || name.starts_with("segment-000002")), "{names:?}");
}

#[test]
fn a_second_writer_is_told_that_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &corpus(0..10), PLAIN).unwrap();
    let builder = IndexBuilder::add(folder.path(), &model(), false, false).unwrap();
    for refused in [
        message(IndexBuilder::add(folder.path(), &model(), false, false).map(drop)),
        message(delete(folder.path(), &["d1"])),
    ] {
        assert!(refused.contains("another process is changing the index"), "{refused}");
    }
    drop(builder);
    assert_eq!(delete(folder.path(), &["d1"]).unwrap(), 1);
}

#[test]
fn folders_with_other_things_in_them_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("thesis.txt"), "work").unwrap();
    assert!(message(build(folder.path(), &corpus(0..3), PLAIN)).contains("holds other files, such as"));
    assert!(message(build(&folder.path().join("thesis.txt"), &corpus(0..3), PLAIN)).contains("is a file"));
    assert_eq!(files(folder.path()).len(), 1);
    assert!(message(Index::open(folder.path())).contains("no index in"));
}

#[test]
fn another_model_is_refused_by_both_fingerprints() {
    let folder = tempfile::tempdir().unwrap();
    let index = Arc::new(build(folder.path(), &corpus(0..3), PLAIN).unwrap());
    let other = IndexModel { fingerprint: "other".into(), ..model() };
    let refused = [
        message(IndexBuilder::add(folder.path(), &other, false, false).map(drop)),
        message(index.check_model(&Words { fingerprint: "other" })),
        message(IndexScorer::new(index, Arc::new(Words { fingerprint: "other" }), None).map(drop)),
    ];
    for message in refused {
        assert!(message.contains("words") && message.contains("other"), "{message}");
    }
}

#[test]
fn every_flipped_byte_is_found_and_its_file_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let mut rows = corpus(0..40);
    rows[11].1.clear();
    build(path, &rows, BuildOptions { dtype: Dtype::I8, tokens: true, ..PLAIN }).unwrap();
    add(path, &corpus(40..45), false).unwrap();
    delete(path, &["d2"]).unwrap();
    let all = files(path);
    assert_eq!(all.len(), 1 + 8 + 8 + 1, "{:?}", all.keys());
    for (name, bytes) in &all {
        let file = path.join(name);
        // All bytes of small files, some of each part of large ones.
        let step = (bytes.len() / 150).max(1);
        for at in (0..bytes.len()).step_by(step).chain(bytes.len().saturating_sub(8)..bytes.len()) {
            for bit in [1, 0x80] {
                let mut flipped = bytes.clone();
                flipped[at] ^= bit;
                fs::write(&file, &flipped).unwrap();
                let found = match Index::open(path) {
                    Ok(index) => {
                        let damages = index.damages();
                        assert!(damages.iter().all(|damage| damage.path == file), "{damages:?}");
                        damages.first().map(|damage| damage.message.clone())
                    }
                    Err(error) => {
                        let message = error.to_string();
                        assert!(message.contains(&file.display().to_string()), "{message}");
                        Some(message)
                    }
                };
                assert!(found.is_some(), "byte {at} of {} flipped, and nobody noticed", name.display());
            }
        }
        fs::write(&file, &bytes[..bytes.len().saturating_sub(1)]).unwrap();
        assert!(bytes.is_empty() || Index::open(path).is_err(), "{} was cut", name.display());
        fs::write(&file, bytes).unwrap();
    }
    assert!(Index::open(path).unwrap().damages().is_empty());
    fs::remove_file(path.join("segment-000001/ids")).unwrap();
    assert!(message(Index::open(path)).contains("segment-000001"));
}

#[test]
fn the_damaged_block_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let rows = corpus(0..9000);
    build(folder.path(), &rows, PLAIN).unwrap();
    let vectors = folder.path().join("segment-000001/vectors");
    let mut bytes = fs::read(&vectors).unwrap();
    bytes[(1 << 20) + 5] ^= 4;
    fs::write(&vectors, bytes).unwrap();
    let damages = Index::open(folder.path()).unwrap().damages();
    assert_eq!(damages.len(), 1);
    assert!(damages[0].message.contains("block 1 (bytes 1048576 to 1727999)"), "{damages:?}");
}

#[test]
fn a_vector_that_is_damaged_to_nan_is_an_error_of_the_search() {
    let folder = tempfile::tempdir().unwrap();
    build(folder.path(), &corpus(0..100), PLAIN).unwrap();
    let vectors = folder.path().join("segment-000001/vectors");
    let mut bytes = fs::read(&vectors).unwrap();
    // Row 70, whose stride is 192 bytes.
    bytes[70 * 192..70 * 192 + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&vectors, bytes).unwrap();
    let index = Index::open(folder.path()).unwrap();
    for texts in [&["x"][..], &["x"; 8]] {
        let message = message(index.search(queries(texts).view(), 3));
        assert!(message.contains("row 70") && message.contains("index verify"), "{message}");
    }
}

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
        let score = |scorer: &IndexScorer| scorer.score(&scorer.encode(&[text]).unwrap()[0], &asked).unwrap();
        let (c, m, h) = (score(&cosine), score(&maxsim), score(&hybrid));
        let query = QueryTokens::new(token_vectors(text).view());
        for (at, row) in asked.iter().enumerate() {
            let document = &rows[*row as usize].1;
            let expected = cosine_similarity(&vector(text), &vector(document)).unwrap();
            assert!((c.values[at] - expected).abs() < tolerance, "{dtype}");
            let expected = query.maxsim(&DocumentTokens::new(token_vectors(document).view()));
            assert!((m.values[at] - expected).abs() < 0.05, "{} {expected}", m.values[at]);
            assert_eq!(h.values[at], Scoring::Hybrid.combine(c.values[at], m.values[at]));
        }
        assert_eq!((&h.parts[0].values, &h.parts[1].values), (&c.values, &m.values));
        assert_eq!(c.values[1], c.values[3]);
        // What a search finds has the score that it has as a candidate.
        let query = cosine.encode(&[text]).unwrap();
        let hits = cosine.search(&query, 5).unwrap().remove(0);
        let found: Vec<u64> = hits.iter().map(|hit| hit.index as u64).collect();
        let scores: Vec<f32> = hits.iter().map(|hit| hit.score).collect();
        assert_eq!(cosine.score(&query[0], &found).unwrap().values, scores);
        assert!(message(cosine.score(&query[0], &[200])).contains("no row 200"));
        assert!(message(cosine.encode(&[" "])).contains("the query is empty"));
    }
}

#[test]
fn scores_that_need_token_vectors_are_refused_without_them() {
    let folder = tempfile::tempdir().unwrap();
    let index = Arc::new(build(folder.path(), &corpus(0..5), PLAIN).unwrap());
    let message = message(IndexScorer::new(Arc::clone(&index), Arc::new(words()), Some(Scoring::Hybrid)).map(drop));
    assert!(message.contains("--tokens"), "{message}");
    assert_eq!(IndexScorer::new(index, Arc::new(words()), None).unwrap().scoring(), Scoring::Cosine);
}
