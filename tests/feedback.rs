//! Feedback inside lists: against numpy, with real models, in lists, jobs, indexes and stages.

use std::fs;
use std::sync::Arc;

use nearsort::answer::Format;
use nearsort::io::{Query, ReadOptions, Rows};
use nearsort::job::{Job, JobInput, JobOptions, RankedRows, RowsOptions, rank_rows};
use nearsort::scorer::{ListOptions, MAX_FEEDBACK_CANDIDATES, UnitVector, WhyNot, list};
use nearsort::{
    Answer, BiEncoderScorer, Blend, Call, Encoder, Error, Feedback, Hit, LongText, Model, ModelOptions, RankOptions,
    Reranker, Result, Role, ScoreKind, Scored, ScoredList, Scorer, Scoring,
};
use serde::Deserialize;

use crate::support::{default_model, root, tiny_path};

#[derive(Deserialize)]
struct Expected {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    weight: f32,
    scores: Vec<f32>,
    vectors: Vec<Option<Vec<f32>>>,
    moved: Vec<f64>,
}

fn pair(score: f32, vector: Option<&[f32]>) -> Scored {
    let mut pair = Scored::new(score);
    pair.vector = vector.and_then(UnitVector::new);
    pair
}

#[test]
fn scores_after_feedback_are_numpys() {
    let expected = fs::read_to_string(root().join("tests/feedback/expected.json")).unwrap();
    let expected: Expected = serde_json::from_str(&expected).unwrap();
    assert!(expected.cases.len() >= 12);
    for case in expected.cases {
        let pairs = case.scores.iter().zip(&case.vectors).map(|(&score, vector)| pair(score, vector.as_deref()));
        let options = ListOptions::default().feedback(Feedback::Weight(case.weight));
        let ordered = list::order(&pairs.collect::<Vec<_>>(), &[], &options).unwrap();
        assert_eq!((ordered.feedback, ordered.hits.len()), (Some(case.weight), case.moved.len()));
        for Hit { index, score } in ordered.hits {
            assert!((f64::from(score) - case.moved[index]).abs() < 1e-6, "{score} {}", case.moved[index]);
        }
    }
}

/// Scores and a vector of four numbers by a hash of the text, which begins with a number of
/// candidates in the order of the first stage.
struct Hashed;

fn hashed(text: &str) -> impl FnMut() -> f32 {
    let mut state = text.bytes().fold(17u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    }
}

impl Scorer for Hashed {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Cosine
    }

    fn vector_dim(&self) -> Option<usize> {
        Some(4)
    }

    fn score(&self, _: &str, candidates: &[&str]) -> Result<ScoredList> {
        let of_text = |text: &&str| {
            let mut next = hashed(text);
            let score = next() / 4.0;
            pair(score, Some(&[next(), next(), next(), next()]))
        };
        Ok(candidates.iter().map(of_text).collect::<Vec<_>>().into())
    }
}

fn hashing(feedback: Feedback) -> Reranker {
    let options = RankOptions::default().feedback(feedback);
    Reranker::with(Model::from_scorer(Arc::new(Hashed)), options).unwrap()
}

fn places(hits: &[Hit]) -> Vec<usize> {
    hits.iter().map(|hit| hit.index).collect()
}

/// Texts with first-stage scores.
struct Row(String, f64);

impl AsRef<str> for Row {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

fn rows(count: usize) -> Vec<Row> {
    (0..count)
        .map(|at| Row(format!("text {at} of a tower with {} floors", at % 13), ((at * 37) % 101) as f64))
        .collect()
}

fn ranked(reranker: &Reranker, rows: &[Row]) -> Answer {
    reranker.rank("which tower is it", rows).first_stage(|row| row.1).run().unwrap()
}

#[test]
fn it_is_on_by_default_with_first_stage_scores_changes_the_order_alone_and_off_is_as_without() {
    let model = Model::load(&tiny_path("tiny-bert"), ModelOptions::default()).unwrap();
    let by = |feedback: Feedback| Reranker::with(&model, RankOptions::default().feedback(feedback)).unwrap();
    let rows = rows(60);
    let (auto, off) = (ranked(&by(Feedback::Auto), &rows), ranked(&by(Feedback::Off), &rows));
    assert_eq!((auto.feedback, off.feedback), (Some(Feedback::WEIGHT), None));
    assert_ne!(auto.hits, off.hits);
    assert_eq!(auto.pairs, off.pairs, "the model's scores");
    assert!(auto.pairs.iter().all(|pair| pair.vector.is_none()), "an answer keeps no vectors");
    // Without it the order is the blend's, bit for bit, and a weight of 0 is off.
    let scores: Vec<f32> = off.pairs.iter().map(|pair| pair.score).collect();
    let first: Vec<Option<f64>> = rows.iter().map(|row| Some(row.1)).collect();
    let mixed = list::mix(Blend::default(), &scores, &[], &first).unwrap().unwrap();
    assert_eq!(off.hits, nearsort::ranking::rank(&mixed).unwrap());
    assert_eq!(ranked(&by(Feedback::Weight(0.0)), &rows).hits, off.hits);
    assert_eq!(ranked(&by(Feedback::Weight(0.5)), &rows).hits, auto.hits);
    // Without first-stage scores it has to be asked for.
    let plain = |feedback: Feedback| by(feedback).rank("which tower is it", &rows).run().unwrap();
    assert_eq!((plain(Feedback::Auto).feedback, plain(Feedback::Auto).hits), (None, plain(Feedback::Off).hits));
    assert_eq!(plain(Feedback::Weight(0.5)).feedback, Some(0.5));
    assert_ne!(plain(Feedback::Weight(0.5)).hits, plain(Feedback::Off).hits);
    // The least score speaks of the model's.
    let least = scores[off.hits[20].index];
    let min = by(Feedback::Auto).rank("which tower is it", &rows).first_stage(|row| row.1).min_score(least).run();
    let above: Vec<Hit> = auto.hits.iter().filter(|hit| scores[hit.index] >= least).copied().collect();
    assert_eq!(min.unwrap().hits, above);
    let top = by(Feedback::Auto).rank("which tower is it", &rows).first_stage(|row| row.1).top_k(7).run();
    assert_eq!(top.unwrap().hits, auto.hits[..7]);
}

#[test]
fn batches_threads_and_neighbours_do_not_change_a_bit() {
    let rows = rows(70);
    let answer = |threads: usize, batch_tokens: usize| {
        let options = ModelOptions::default().threads(threads).batch_tokens(batch_tokens);
        ranked(&Reranker::new(Model::load(&tiny_path("tiny-bert"), options).unwrap()), &rows)
    };
    let one = answer(1, 4096);
    for (threads, batch_tokens) in [(4, 4096), (3, 40), (2, 300)] {
        assert_eq!(answer(threads, batch_tokens).hits, one.hits, "{threads} threads, {batch_tokens} tokens");
    }
}

#[test]
fn copies_count_once_and_who_has_no_text_stays_last() {
    let reranker = hashing(Feedback::Weight(0.5));
    let texts: Vec<String> = (0..20).map(|at| format!("text {at}")).collect();
    let alone = reranker.rank("q", &texts).run().unwrap();
    let mut more = texts.clone();
    more.extend(["text 3", "", "text 3", " ", "text 7"].map(str::to_owned));
    let with = reranker.rank("q", &more).run().unwrap();
    let of_alone: Vec<Hit> = with.hits.iter().filter(|hit| hit.index < 20).copied().collect();
    assert_eq!(of_alone, alone.hits);
    let score = |index: usize| with.hits.iter().find(|hit| hit.index == index).unwrap().score;
    assert_eq!((score(20), score(22), score(24)), (score(3), score(3), score(7)));
    assert_eq!(places(&with.hits[23..]), [21, 23]);
    assert!(with.hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
}

#[test]
fn candidates_without_a_score_or_a_vector_are_not_moved_past_others() {
    let pairs = |more: Vec<Scored>| {
        let mut pairs: Vec<Scored> =
            [([1.0, 0.0], 0.5), ([0.9, 0.3], 0.3), ([0.0, 1.0], 0.31)].map(|(v, s)| pair(s, Some(&v))).into();
        pairs.extend(more);
        pairs
    };
    let order = |pairs: &[Scored]| {
        list::order(pairs, &[], &ListOptions::default().feedback(Feedback::Weight(0.5))).unwrap().hits
    };
    assert_eq!(places(&order(&pairs(vec![]))), [0, 1, 2]);
    let mut unread = pair(f32::NEG_INFINITY, Some(&[1.0, 0.0]));
    unread.why_not = Some(WhyNot::NoText);
    let hits = order(&pairs(vec![unread, Scored::unscored("refused")]));
    assert_eq!((places(&hits), hits[..3].to_vec()), (vec![0, 1, 2, 3, 4], order(&pairs(vec![]))));
    // One without a vector moves as the mean of the others does.
    let hits = order(&pairs(vec![Scored::new(0.305)]));
    let moved = |index: usize| {
        hits.iter().find(|hit| hit.index == index).unwrap().score - pairs(vec![Scored::new(0.305)])[index].score
    };
    assert!((moved(3) - (moved(0) + moved(1) + moved(2)) / 3.0).abs() < 1e-6);
    let nobody = list::order(
        &[Scored::new(0.1), Scored::new(0.2)],
        &[],
        &ListOptions::default().feedback(Feedback::Weight(0.5)),
    );
    assert!(matches!(nobody, Err(Error::InvalidOption { option: "feedback", .. })), "{nobody:?}");
    let nan = list::order(
        &pairs(vec![pair(0.2, Some(&[f32::NAN, 1.0]))]),
        &[],
        &ListOptions::default().feedback(Feedback::Weight(0.5)),
    );
    assert!(matches!(nan, Err(Error::NotANumber { index: 3 })), "{nan:?}");
}

#[test]
fn the_vector_of_a_long_text_is_its_best_windows() {
    let encoder = Arc::new(default_model());
    let filler = "The committee met again on Tuesday and spoke about the budget of the town library. ".repeat(60);
    let text = format!("{filler}The lighthouse keeper fed three grey cats every morning.");
    let scorer = |scoring, long| BiEncoderScorer::new(Arc::clone(&encoder) as Arc<dyn Encoder>, scoring, long).unwrap();
    for scoring in Scoring::ALL {
        let by = scorer(scoring, LongText::Window).with_vectors(true);
        assert_eq!(by.vector_dim(), Some(384));
        let scored = by.score("Who fed the cats?", &[&text, "short"]).unwrap();
        for (pair, text) in scored.pairs.iter().zip([text.as_str(), "short"]) {
            let window = &text[pair.window.clone().unwrap()];
            let alone = encoder.encode(&[window], Role::Document).unwrap().vectors.row(0).to_vec();
            assert_eq!(pair.vector, UnitVector::new(&alone), "{scoring}");
        }
        assert!(scored.pairs[0].window.clone().unwrap().start > 0);
    }
    let without = scorer(Scoring::Hybrid, LongText::Window).score("Who fed the cats?", &["short"]).unwrap();
    assert_eq!(without.pairs[0].vector, None);
}

#[test]
fn models_without_embeddings_of_texts_have_none() {
    let weight = RankOptions::default().feedback(Feedback::Weight(0.5));
    for name in ["cross-tiny-bert", "colbert-tiny-bert"] {
        let model = Model::load(&tiny_path(name), ModelOptions::default()).unwrap();
        let error = Reranker::with(&model, weight).err().unwrap();
        assert!(matches!(error, Error::InvalidOption { option: "feedback", .. }), "{name}: {error}");
        let reranker = Reranker::new(&model);
        assert_eq!((reranker.vector_dim(), ranked(&reranker, &rows(12)).feedback), (None, None), "{name}");
    }
    let model = Model::load(&tiny_path("tiny-bert"), ModelOptions::default()).unwrap();
    let error = Reranker::with(&model, RankOptions::default().feedback(Feedback::Weight(11.0))).err().unwrap();
    assert!(error.to_string().contains("feedback is 11"), "{error}");
}

#[test]
fn a_stage_that_embeds_has_it_and_one_that_does_not_keeps_its_order() {
    let model = Model::load(&tiny_path("tiny-bert"), ModelOptions::default()).unwrap();
    let cross = Model::load(&tiny_path("cross-tiny-bert"), ModelOptions::default()).unwrap();
    let rows = rows(40);
    let alone = |feedback: Feedback| {
        let hybrid = RankOptions::by(Scoring::Hybrid).feedback(feedback);
        Reranker::with(&model, hybrid).unwrap().rank("which tower is it", &rows).run().unwrap()
    };
    let staged = |feedback: Feedback| {
        let hybrid = model.with(RankOptions::by(Scoring::Hybrid).feedback(feedback));
        let stages = [(hybrid, 40), ((&cross).into(), 5)];
        let cascade = Reranker::cascade(stages).unwrap();
        let answer = cascade.rank("which tower is it", &rows).run().unwrap();
        (answer, cascade.fingerprint().unwrap())
    };
    let (off, with) = (alone(Feedback::Off), alone(Feedback::Weight(0.5)));
    let (staged_off, fingerprint_off) = staged(Feedback::Off);
    let (staged_with, fingerprint_with) = staged(Feedback::Auto);
    assert_ne!(fingerprint_off, fingerprint_with);
    // Below the five of the last stage the order is the first stage's, and those five are its best.
    for (staged, alone) in [(&staged_off, &off), (&staged_with, &with)] {
        assert_eq!(places(&staged.hits[5..]), places(&alone.hits[5..]));
        let (mut five, mut best) = (places(&staged.hits[..5]), places(&alone.hits[..5]));
        five.sort_unstable();
        best.sort_unstable();
        assert_eq!(five, best);
        assert_eq!(staged.feedback, None, "the last order is the cross-encoder's");
        // A stage's score is the model's.
        let last = staged.hits[39].index;
        assert_eq!(staged.pairs[last].stage.unwrap().value, alone.pairs[last].score);
    }
    assert_ne!(places(&off.hits), places(&with.hits));
}

/// More than take part, over several chunks of rows.
const MANY: usize = 9500;

/// JSON lines of candidates with scores, one without text.
fn lines(count: usize) -> Vec<Row> {
    let mut rows = rows(count);
    rows[7].0 = " ".into();
    rows
}

fn write_rows(rows: &[Row], path: &std::path::Path) {
    let line = |row: &Row| format!("{}\n", serde_json::json!({"text": row.0, "score": row.1}));
    fs::write(path, rows.iter().map(line).collect::<String>()).unwrap();
}

fn hits_of(ranked: &RankedRows<'_>, reranker: &Reranker) -> (Vec<Hit>, Option<f32>) {
    let model = reranker.model_run();
    let answers = ranked.answers(&model, None);
    (answers[0].results.iter().map(|result| result.hit).collect(), answers[0].feedback)
}

#[test]
fn streamed_rows_with_and_without_a_top_k_are_the_whole_list() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.jsonl");
    for (count, feedback) in
        [(MANY, Feedback::Auto), (MANY, Feedback::Weight(0.8)), (30, Feedback::Auto), (MANY, Feedback::Off)]
    {
        let rows = lines(count);
        write_rows(&rows, &path);
        let reranker = hashing(feedback);
        let whole = ranked(&reranker, &rows);
        assert_eq!(whole.feedback, feedback.weight(true));
        let queries = [Query::new("1", "which tower is it")];
        for top_k in [Some(5), Some(2000), None] {
            let mut read = Rows::open(&path, &ReadOptions::default()).unwrap();
            let options = RowsOptions { top_k, ..RowsOptions::default() };
            let streamed = rank_rows(&mut read, &reranker, &queries, &options, &(), &Call::new()).unwrap();
            let (hits, weight) = hits_of(&streamed, &reranker);
            assert_eq!(weight, whole.feedback);
            assert!(hits == whole.hits[..top_k.unwrap_or(count).min(count)], "{count} {feedback} {top_k:?}");
        }
    }
}

#[test]
fn streamed_rows_without_a_first_stage_have_it_if_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.txt");
    let texts: Vec<String> = (0..MANY).map(|at| format!("text {at}")).collect();
    fs::write(&path, texts.join("\n")).unwrap();
    for feedback in [Feedback::Weight(0.5), Feedback::Auto] {
        let reranker = hashing(feedback);
        let queries = ["one", "two"].map(|query| Query::new(query, query));
        let whole = reranker.rank("one", &texts).run().unwrap();
        for top_k in [Some(5), None] {
            let mut read = Rows::open(&path, &ReadOptions::default()).unwrap();
            let options = RowsOptions { top_k, ..RowsOptions::default() };
            let streamed = rank_rows(&mut read, &reranker, &queries, &options, &(), &Call::new()).unwrap();
            let (hits, weight) = hits_of(&streamed, &reranker);
            assert!(hits == whole.hits[..top_k.unwrap_or(MANY)], "{feedback} {top_k:?}");
            assert_eq!(weight, feedback.weight(false));
            let model = reranker.model_run();
            let kind = if weight.is_some() { ScoreKind::Feedback } else { ScoreKind::Cosine };
            assert_eq!(streamed.answers(&model, None)[1].score_kind(), kind);
        }
    }
}

#[test]
fn of_a_list_beyond_the_bound_the_best_take_part_and_the_rest_stays_below() {
    let rows = lines(MAX_FEEDBACK_CANDIDATES + 500);
    let (off, with) = (ranked(&hashing(Feedback::Off), &rows), ranked(&hashing(Feedback::Auto), &rows));
    let (head, tail) = (&with.hits[..MAX_FEEDBACK_CANDIDATES], &with.hits[MAX_FEEDBACK_CANDIDATES..]);
    assert_eq!(places(tail), places(&off.hits[MAX_FEEDBACK_CANDIDATES..]));
    assert_ne!(places(head), places(&off.hits[..MAX_FEEDBACK_CANDIDATES]));
    assert!(with.hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
}

#[test]
fn a_job_ranks_lists_of_any_length_as_the_library_does() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lists.jsonl");
    let lists: Vec<Vec<Row>> = [3, 2000, 0, 40, 1, 700].map(rows).into();
    let line = |(at, rows): (usize, &Vec<Row>)| {
        let candidates: Vec<_> = rows
            .iter()
            .enumerate()
            .map(|(at, row)| serde_json::json!({"id": at.to_string(), "text": row.0, "score": row.1}))
            .collect();
        format!(
            "{}\n",
            serde_json::json!({"query_id": at.to_string(), "query": "which tower is it", "candidates": candidates})
        )
    };
    fs::write(&path, lists.iter().enumerate().map(line).collect::<String>()).unwrap();
    for feedback in [Feedback::Auto, Feedback::Off, Feedback::Weight(0.7)] {
        let mut options = JobOptions::new(JobInput::Lists(path.clone()));
        options.output = Some(folder.path().join(format!("{feedback}.jsonl")));
        options.format = Format::Jsonl;
        let output = options.output.clone().unwrap();
        let reranker = hashing(feedback);
        Job::open(options, &()).unwrap().run(&reranker, &(), &Call::new()).unwrap();
        let found: Vec<serde_json::Value> =
            fs::read_to_string(output).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (number, rows) in lists.iter().enumerate() {
            let id = number.to_string();
            let of_list: Vec<_> = found.iter().filter(|line| line["query_id"].as_str() == Some(&id)).collect();
            // A job's lists are in the first stage's order, which decides between equal scores.
            let mut sorted: Vec<&Row> = rows.iter().collect();
            sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
            let sorted: Vec<Row> = sorted.into_iter().map(|row| Row(row.0.clone(), row.1)).collect();
            let whole = ranked(&reranker, &sorted);
            assert_eq!(of_list.len(), whole.hits.len());
            for (line, hit) in of_list.iter().zip(&whole.hits) {
                assert_eq!(line["text"], sorted[hit.index].0, "{feedback}, list {number}");
                assert_eq!(line["score"].as_f64().map(|score| score as f32), Some(hit.score));
                assert_eq!(line["feedback"].as_f64().map(|weight| weight as f32), whole.feedback);
                assert_eq!(line["score_kind"], "blend");
            }
        }
    }
}
