//! Rankings that are answered in part when their deadline passes. The deadline is a point: a
//! scorer's own, or one that has passed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use nearsort::{
    Call, CancelToken, CandidateList, Error, Model, ModelOptions, OnDeadline, RankOptions, Reranker, Result, ScoreKind,
    ScoredList, Scorer, Scoring, WhyNot,
};

use crate::support::tiny_path;

const QUERY: &str = "which tower is it";

/// Scores as another scorer does, and says that the deadline has passed after so many candidates.
struct Late {
    inner: Arc<dyn Scorer>,
    left: AtomicUsize,
    ends_with: fn() -> Error,
}

impl Scorer for Late {
    fn kind(&self) -> ScoreKind {
        self.inner.kind()
    }

    fn needs_whole_lists(&self) -> bool {
        self.inner.needs_whole_lists()
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList> {
        self.inner.score(query, candidates)
    }

    fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[&str], call: &Call<'_>) -> Result<Vec<ScoredList>> {
        let asked: usize = lists.iter().map(|list| list.candidates.len()).sum();
        match self.left.load(Ordering::SeqCst).checked_sub(asked) {
            None => Err((self.ends_with)()),
            Some(left) => {
                self.left.store(left, Ordering::SeqCst);
                self.inner.score_lists(lists, texts, call)
            }
        }
    }
}

struct ByLength;

impl Scorer for ByLength {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Custom
    }

    fn score(&self, _: &str, candidates: &[&str]) -> Result<ScoredList> {
        Ok(candidates.iter().map(|text| text.len() as f32).collect::<Vec<_>>().into())
    }
}

fn late(inner: Arc<dyn Scorer>, after: usize) -> Model {
    Model::from_scorer(Arc::new(Late { inner, left: AtomicUsize::new(after), ends_with: || Error::DeadlineExceeded }))
}

/// Texts of some kilobytes, of which two or three are scored together.
fn texts(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{at} {}", "tower of a bridge ".repeat(200 + at % 7))).collect()
}

#[test]
fn what_is_scored_has_the_bits_of_a_whole_run_and_the_rest_is_below_in_the_first_stages_order() {
    let docs = texts(40);
    let model = Model::load(&tiny_path("tiny-bert"), ModelOptions::default()).unwrap();
    let options = RankOptions::by(Scoring::Hybrid);
    let whole = Reranker::with(&model, options).unwrap().rank(QUERY, &docs).run().unwrap();
    struct Of(Reranker);
    impl Scorer for Of {
        fn kind(&self) -> ScoreKind {
            self.0.score_kind()
        }

        fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList> {
            self.0.score(query, candidates)
        }
    }
    let first = |at: usize| (at * 17 % 40) as f64;
    for after in [0, 7, 20, 39, 40] {
        let scorer = Arc::new(Of(Reranker::with(&model, options).unwrap()));
        let reranker = Reranker::new(late(scorer, after));
        let mut place = 0..docs.len();
        let ranking =
            reranker.rank(QUERY, &docs).first_stage(|_| place.next().map(first)).on_deadline(OnDeadline::Partial);
        let answer = ranking.run().unwrap();
        assert!(answer.scored <= after && answer.scored + 8 > after, "{} of {after}", answer.scored);
        assert_eq!(answer.is_partial, answer.scored < 40);
        assert_eq!(answer.hits.len(), 40);
        for (pair, expected) in answer.pairs.iter().zip(&whole.pairs) {
            match &pair.why_not {
                None => assert_eq!(pair, expected),
                other => assert_eq!(*other, Some(WhyNot::NotReached)),
            }
        }
        let (scored, rest) = answer.hits.split_at(answer.scored);
        assert!(scored.iter().all(|hit| answer.pairs[hit.index].is_scored()));
        assert!(rest.windows(2).all(|pair| first(pair[0].index) > first(pair[1].index)), "{after}");
        // Those that the first stage likes best are scored first.
        let least = scored.iter().map(|hit| first(hit.index)).fold(f64::INFINITY, f64::min);
        assert!(rest.iter().all(|hit| first(hit.index) < least), "{after}");
    }
}

#[test]
fn without_a_first_stage_the_rest_is_as_it_was_given_and_empty_texts_are_last() {
    let mut docs = texts(12);
    docs[1] = " ".into();
    let run = |top_k: usize| {
        let reranker = Reranker::new(late(Arc::new(ByLength), 5));
        reranker.rank(QUERY, &docs).top_k(top_k).on_deadline(OnDeadline::Partial).run().unwrap()
    };
    let answer = run(20);
    let order: Vec<usize> = answer.hits.iter().map(|hit| hit.index).collect();
    let scored = answer.scored;
    assert!(answer.is_partial && (2..=5).contains(&scored));
    let mut expected: Vec<usize> = (0..12).filter(|at| *at != 1).skip(scored).collect();
    expected.push(1);
    assert_eq!(order[scored..], expected);
    assert_eq!(
        run(scored + 1).hits.iter().map(|hit| hit.index).collect::<Vec<_>>(),
        order[..=scored],
        "top_k cuts last"
    );
}

#[test]
fn a_cascade_keeps_what_the_stages_before_the_deadline_made_of_the_list() {
    let docs: Vec<String> = (1..=9).map(|at| "x".repeat(at * 4_000)).collect();
    let cheap = Model::from_scorer(Arc::new(ByLength));
    for after in [0, 2, 4] {
        let shortest = Arc::new(Shortest);
        let cascade = Reranker::cascade([(cheap.clone(), 6), (late(shortest, after), 4)]).unwrap();
        let answer = cascade.rank(QUERY, &docs).on_deadline(OnDeadline::Partial).run().unwrap();
        let order: Vec<usize> = answer.hits.iter().map(|hit| hit.index).collect();
        // The first stage looks at the first six and puts the longest in front; the second turns
        // its best four round.
        let expected: &[usize] = match after {
            0 => &[5, 4, 3, 2, 1, 0, 6, 7, 8],
            2 => &[4, 5, 3, 2, 1, 0, 6, 7, 8],
            _ => &[2, 3, 4, 5, 1, 0, 6, 7, 8],
        };
        assert_eq!((order.as_slice(), answer.scored, answer.is_partial), (expected, 6, after < 4), "{after}");
    }
    let none = Reranker::cascade([(late(Arc::new(ByLength), 0), 6), (cheap, 4)]).unwrap();
    let answer = none.rank(QUERY, &docs).on_deadline(OnDeadline::Partial).run().unwrap();
    assert_eq!((answer.scored, answer.hits[0].index, answer.is_partial), (0, 0, true));
}

struct Shortest;

impl Scorer for Shortest {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Custom
    }

    fn score(&self, _: &str, candidates: &[&str]) -> Result<ScoredList> {
        Ok(candidates.iter().map(|text| -(text.len() as f32)).collect::<Vec<_>>().into())
    }
}

#[test]
fn only_a_deadline_is_answered_in_part() {
    let docs = texts(12);
    let partial = |ends_with: fn() -> Error| {
        let left = AtomicUsize::new(5);
        let model = Model::from_scorer(Arc::new(Late { inner: Arc::new(ByLength), left, ends_with }));
        Reranker::new(model).rank(QUERY, &docs).on_deadline(OnDeadline::Partial).run()
    };
    assert!(matches!(partial(|| Error::Cancelled), Err(Error::Cancelled)));
    assert!(matches!(partial(|| Error::NotANumber { index: 3 }), Err(Error::NotANumber { .. })));
    let token = CancelToken::new();
    token.cancel();
    let model = Model::load(&tiny_path("tiny-bert"), ModelOptions::default()).unwrap();
    let reranker = Reranker::new(&model);
    let ranking = || reranker.rank(QUERY, &docs).deadline(Instant::now());
    assert!(matches!(ranking().cancel(&token).on_deadline(OnDeadline::Partial).run(), Err(Error::Cancelled)));
    assert!(matches!(ranking().run(), Err(Error::DeadlineExceeded)), "an error unless it is asked for");
    let nothing = ranking().on_deadline(OnDeadline::Partial).run().unwrap();
    assert_eq!((nothing.scored, nothing.hits[0].index, nothing.usage.texts), (0, 0, 0));
}

#[test]
fn a_model_scores_in_parts_what_it_scores_at_once() {
    let docs = texts(40);
    for name in ["tiny-bert", "cross-tiny-bert", "colbert-tiny-bert"] {
        let model = Model::load(&tiny_path(name), ModelOptions::default()).unwrap();
        let reranker = Reranker::new(&model);
        let whole = reranker.rank(QUERY, &docs).run().unwrap();
        let parts = reranker.rank(QUERY, &docs).on_deadline(OnDeadline::Partial).run().unwrap();
        assert_eq!((&parts.hits, &parts.pairs, parts.query), (&whole.hits, &whole.pairs, whole.query), "{name}");
        assert_eq!((parts.scored, parts.is_partial), (40, false), "{name}");
    }
}
