//! Calls that end early, and calls side by side over one model. Everything stops at a point,
//! nothing by the clock.

use std::fs;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Instant;

use nearsort::answer::Format;
use nearsort::job::{Job, JobInput, JobOptions};
use nearsort::{
    Answer, Call, CancelToken, Engine, Error, Model, ModelOptions, RankOptions, Reranker, Role, Scoring, Usage,
};

use crate::support::tiny_path;

const QUERY: &str = "which tower is it";

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("text {at} of a tower with {} floors", at % 13)).collect()
}

/// A model with threads of its own: some of them wait in a callback while the others work.
fn model(name: &str) -> Model {
    Model::load(&tiny_path(name), ModelOptions::default().threads(4)).unwrap()
}

/// Blocks at a barrier when it is first called.
fn once(barrier: &Barrier) -> impl Fn(usize) + Send + Sync + '_ {
    let was_called = AtomicBool::new(false);
    move |_| {
        if !was_called.swap(true, Ordering::SeqCst) {
            barrier.wait();
        }
    }
}

#[test]
fn what_callers_share_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Model>();
    shared::<Reranker>();
    shared::<CancelToken>();
    shared::<Call<'_>>();
}

#[test]
fn two_threads_rank_by_one_model_at_once_in_different_ways() {
    let (model, docs) = (model("tiny-bert"), texts(60));
    let rerankers = [Scoring::Hybrid, Scoring::Cosine].map(|by| Reranker::with(&model, RankOptions::by(by)).unwrap());
    let alone: Vec<Answer> = rerankers.iter().map(|reranker| reranker.rank(QUERY, &docs).run().unwrap()).collect();
    assert_ne!(alone[0].pairs, alone[1].pairs);
    // Neither goes on before both are at work.
    let both = Barrier::new(2);
    let together = thread::scope(|scope| {
        let rank = |reranker: &'_ Reranker| reranker.rank(QUERY, &docs).progress(once(&both)).run().unwrap();
        let [a, b] = &rerankers;
        let threads = [scope.spawn(move || rank(a)), scope.spawn(move || rank(b))];
        threads.map(|thread| thread.join().unwrap())
    });
    assert_eq!(together.as_slice(), alone, "scores, order and usage");
    assert_eq!(together[0].usage.texts, 61, "each call has its own");
}

#[test]
fn a_cancelled_ranking_ends_while_another_by_the_same_model_goes_on() {
    let (model, docs) = (model("tiny-bert"), texts(200));
    let reranker = Reranker::new(&model);
    let expected = reranker.rank(QUERY, &docs).run().unwrap();
    let (is_begun, begun) = channel();
    let (go_on, may_go_on) = channel();
    // What a callback waits on is not `Sync`.
    let may_go_on = std::sync::Mutex::new(may_go_on);
    let token = CancelToken::new();
    let other = thread::scope(|scope| {
        let other = scope.spawn(|| {
            let was_called = AtomicBool::new(false);
            let stop_at_first = |_| {
                if !was_called.swap(true, Ordering::SeqCst) {
                    is_begun.send(()).unwrap();
                    may_go_on.lock().unwrap().recv().unwrap();
                }
            };
            reranker.rank(QUERY, &docs).progress(stop_at_first).run()
        });
        begun.recv().unwrap();
        let cancelled = reranker.rank(QUERY, &docs).cancel(&token).progress(|_| token.cancel()).run();
        assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
        go_on.send(()).unwrap();
        other.join().unwrap().unwrap()
    });
    assert_eq!(other, expected);
    assert_eq!(reranker.rank(QUERY, &docs).run().unwrap(), expected, "the model is as it was");
}

#[test]
fn a_call_ends_between_two_pieces_of_work_whatever_computes() {
    let docs = texts(200);
    let candle = ModelOptions::default().threads(2).engine(Engine::Candle);
    let candle = Model::load(&tiny_path("tiny-bert"), candle).unwrap();
    for model in [model("tiny-bert"), model("tiny-modernbert"), candle, model("cross-tiny-bert")] {
        let reranker = Reranker::new(&model);
        let (token, read) = (CancelToken::new(), AtomicUsize::new(0));
        let count = |texts| {
            token.cancel();
            read.fetch_add(texts, Ordering::SeqCst);
        };
        let ended = reranker.rank(QUERY, &docs).cancel(&token).progress(count).run();
        assert!(matches!(ended, Err(Error::Cancelled)), "{model:?}: {ended:?}");
        assert!(read.into_inner() < 200, "{model:?}");
        let late = reranker.rank(QUERY, &docs).deadline(Instant::now()).run();
        assert!(matches!(late, Err(Error::DeadlineExceeded)), "{model:?}: {late:?}");
        assert_eq!(reranker.rank(QUERY, &docs).run().unwrap().hits.len(), 200, "{model:?}");
    }
}

#[test]
fn a_cancelled_cascade_asks_no_further_stage() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let token = CancelToken::new();
    let switch = token.clone();
    let first = Model::from_fn(move |_, _| {
        switch.cancel();
        1.0
    });
    let second = Model::from_fn(|_, _| ASKED.fetch_add(1, Ordering::SeqCst) as f32);
    let cascade = Reranker::cascade([(first, 9), (second, 3)]).unwrap();
    let ended = cascade.rank(QUERY, &texts(9)).cancel(&token).run();
    assert!(matches!(ended, Err(Error::Cancelled)), "{ended:?}");
    assert_eq!(ASKED.load(Ordering::SeqCst), 0);
    assert_eq!(cascade.rank(QUERY, &texts(9)).run().unwrap().usage.texts, 12, "without a token it goes on");
}

#[test]
fn usage_is_that_of_the_call() {
    let (model, docs) = (model("tiny-bert"), texts(5));
    let reranker = Reranker::new(&model);
    let first = reranker.rank(QUERY, &docs).run().unwrap();
    assert_eq!(first.usage, reranker.rank(QUERY, &docs).run().unwrap().usage, "not a sum over calls");
    let Usage { texts, tokens, truncated, cached, .. } = first.usage;
    assert_eq!((texts, truncated, cached), (6, 0, 0), "the query and five documents");
    assert_eq!(tokens, first.document_tokens + u64::from(first.query.tokens));
    // One call over several pieces of work.
    let (encoder, call) = (model.encoder().unwrap(), Call::new());
    for text in &docs {
        encoder.encode_with(&[text], Role::Document, &call).unwrap();
    }
    assert_eq!((call.usage().texts, call.usage().tokens), (5, first.document_tokens));
    let cut = encoder.encode_with(&[&"tower ".repeat(2000)], Role::Document, &call).unwrap();
    assert_eq!((cut.truncated, call.usage().truncated), (vec![true], 1));
}

#[test]
fn a_cancelled_job_goes_on_to_the_same_bytes() {
    let list = |at: usize| {
        let texts: Vec<String> =
            texts(50).iter().map(|text| format!("{{\"id\":\"{text}\",\"text\":\"{text}\"}}")).collect();
        format!("{{\"query_id\":\"q{at}\",\"query\":\"tower\",\"candidates\":[{}]}}\n", texts.join(","))
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("lists.jsonl"), (0..200).map(list).collect::<String>()).unwrap();
    let reranker = Reranker::new(Model::from_fn(|query, text| (query.len() * text.len() % 17) as f32));
    let run = |output: &Path, call: &Call<'_>| {
        let mut options = JobOptions::new(JobInput::Lists(folder.path().join("lists.jsonl")));
        (options.output, options.format) = (Some(output.to_owned()), Format::Tsv);
        Job::open(options, &())?.run(&reranker, &(), call)
    };
    let [whole, resumed] = ["whole.tsv", "resumed.tsv"].map(|name| folder.path().join(name));
    run(&whole, &Call::new()).unwrap();
    for stops_after in [1, 3_000, 7_000] {
        let (token, done) = (CancelToken::new(), AtomicUsize::new(0));
        let call = Call::new().cancel(&token).progress(|texts| {
            if done.fetch_add(texts, Ordering::SeqCst) + texts >= stops_after {
                token.cancel();
            }
        });
        let ended = run(&resumed, &call);
        assert!(matches!(ended, Err(Error::Cancelled)), "{stops_after}: {ended:?}");
        assert!(!resumed.exists(), "nothing half-written");
    }
    assert_eq!(run(&resumed, &Call::new()).unwrap().totals.lists, 200);
    assert!(fs::read(&whole).unwrap() == fs::read(&resumed).unwrap());
}
