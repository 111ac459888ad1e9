//! Scoring modes with the real model: against the reference, in lists, over windows, mixed with a
//! first stage.

use std::collections::HashMap;

use nearsort::scorer::ScoreParts;
use nearsort::{
    Blend, Call, CandidateList, DEFAULT_MODEL, Encoder, LongText, Model, ModelOptions, Normalize, Precision,
    RankOptions, Reranker, Role, ScoreKind, ScoredList, Scoring, TokenEncoder,
};
use serde::Deserialize;

use crate::support::{default_model, root, tiny_path};

#[derive(Deserialize)]
struct Expected {
    pairs: Vec<Pair>,
}

#[derive(Deserialize)]
struct Pair {
    query: String,
    document: String,
    cosine: f32,
    maxsim: f32,
}

#[derive(Deserialize)]
struct Text {
    id: String,
    text: String,
}

/// Texts of models/parity by their id.
fn parity_texts() -> HashMap<String, String> {
    let lines = std::fs::read_to_string(root().join("models/parity/texts.jsonl")).unwrap();
    let texts = lines.lines().map(|line| serde_json::from_str::<Text>(line).unwrap());
    texts.map(|text| (text.id, text.text)).collect()
}

fn reranker(scoring: Scoring) -> Reranker {
    Reranker::load(
        DEFAULT_MODEL,
        ModelOptions::default().precision(Precision::F32),
        RankOptions::by(scoring).long_text(LongText::Truncate),
    )
    .unwrap()
}

/// Last hidden states differ from the reference's by some 1e-6; a maximum over tokens does not add
/// to that.
const TOLERANCE: f32 = 2e-5;

#[test]
fn cosine_and_maxsim_are_the_references_and_hybrid_is_their_mean() {
    let expected = std::fs::read_to_string(root().join("models/parity/late_interaction.json")).unwrap();
    let expected: Expected = serde_json::from_str(&expected).unwrap();
    let texts = parity_texts();
    let (cosine, maxsim, hybrid) = (reranker(Scoring::Cosine), reranker(Scoring::MaxSim), reranker(Scoring::Hybrid));
    assert!(expected.pairs.len() >= 50);
    for pair in &expected.pairs {
        let (query, document) = (texts[&pair.query].as_str(), [texts[&pair.document].as_str()]);
        let score = |reranker: &Reranker| reranker.score(query, &document).unwrap();
        let what = format!("{} and {}", pair.query, pair.document);
        let (c, m) = (score(&cosine).pairs[0].score, score(&maxsim).pairs[0].score);
        assert!((c - pair.cosine).abs() <= TOLERANCE, "{what}: cosine {c}, expected {}", pair.cosine);
        assert!((m - pair.maxsim).abs() <= TOLERANCE, "{what}: maxsim {m}, expected {}", pair.maxsim);
        let both = score(&hybrid);
        assert_eq!(both.pairs[0].score, Scoring::Hybrid.combine(c, m), "{what}");
        assert!((both.pairs[0].score - (0.4 * c + 0.6 * m)).abs() < 1e-6, "{what}");
        assert_eq!(both.pairs[0].parts, Some(ScoreParts { cosine: c, maxsim: m }), "{what}");
    }
}

#[test]
fn a_text_in_many_lists_has_the_score_that_it_has_alone() {
    let texts = ["a red door", "the harbour at night", "", "a red door", "bread and salt"];
    let queries = ["red", "ships", "what to eat"];
    let lists: [&[usize]; 3] = [&[0, 1, 2, 3], &[4, 1], &[]];
    for scoring in Scoring::ALL {
        let reranker = Reranker::load(DEFAULT_MODEL, ModelOptions::default(), RankOptions::by(scoring)).unwrap();
        let asked: Vec<CandidateList<'_>> =
            queries.iter().zip(lists).map(|(query, candidates)| CandidateList { query, candidates }).collect();
        let together = reranker.score_lists(&asked, &texts, &Call::new()).unwrap();
        for (list, scored) in asked.iter().zip(&together) {
            let candidates: Vec<&str> = list.candidates.iter().map(|&at| texts[at]).collect();
            assert_eq!(&reranker.score(list.query, &candidates).unwrap(), scored, "{scoring}");
        }
        assert_eq!(together[0].empty().collect::<Vec<_>>(), [2]);
        assert_eq!(together[0].pairs[0].score, together[0].pairs[3].score);
        assert_eq!(together[0].pairs[2].score, -1.0);
        let missing = reranker.score_lists(&[CandidateList { query: "x", candidates: &[9] }], &texts, &Call::new());
        assert!(missing.unwrap_err().to_string().contains("beyond the 5"));
    }
}

/// A text of which the model reads a tenth, with the answer at the end, and its byte range.
fn long_text() -> (String, std::ops::Range<usize>) {
    let filler = "The committee met again on Tuesday and spoke about the budget of the town library. ".repeat(120);
    let answer = "The lighthouse keeper fed three grey cats every morning.";
    let start = filler.len();
    (format!("{filler}{answer}"), start..start + answer.len())
}

#[test]
fn windows_find_the_answer_at_the_end_and_say_where() {
    let (text, answer) = long_text();
    let query = "Who fed the cats?";
    for scoring in Scoring::ALL {
        let score = |long: LongText| {
            let reranker =
                Reranker::load(DEFAULT_MODEL, ModelOptions::default(), RankOptions::by(scoring).long_text(long))
                    .unwrap();
            reranker.score(query, &[text.as_str(), "short"]).unwrap()
        };
        let (cut, read) = (score(LongText::Truncate), score(LongText::Window));
        assert!(read.scores()[0] > cut.scores()[0] + 0.1, "{scoring}: {:?} {:?}", read.scores(), cut.scores());
        assert_eq!(read.pairs[1].score, cut.pairs[1].score, "a short text has one window");
        let truncated = |list: &ScoredList| [list.pairs[0].truncated, list.pairs[1].truncated];
        assert_eq!((truncated(&cut), truncated(&read)), ([true, false], [false, false]));
        assert!(cut.pairs.iter().all(|pair| pair.window.is_none()));
        assert_eq!(read.pairs[1].window, Some(0..5));
        let window = read.pairs[0].window.clone().unwrap();
        assert!(window.start <= answer.start && window.end == answer.end, "{scoring}: {window:?}, not {answer:?}");
        assert!(read.pairs[0].tokens > 5 * cut.pairs[0].tokens);
    }
}

#[test]
fn windows_cover_a_text_overlap_by_a_quarter_and_fit_the_model() {
    let encoder = default_model();
    let (text, _) = long_text();
    let windows = encoder.windows(&text, Role::Document).unwrap();
    assert_eq!((windows[0].start, windows[windows.len() - 1].end), (0, text.len()));
    for pair in windows.windows(2) {
        assert!(pair[1].start < pair[0].end && pair[1].start > pair[0].start, "{pair:?}");
        assert!(
            text[..pair[1].start].ends_with(' '),
            "a window begins inside a word: {:?}",
            &text[pair[1].clone()][..9]
        );
        let overlap = (pair[0].end - pair[1].start) as f64 / (pair[0].end - pair[0].start) as f64;
        assert!((0.2..0.3).contains(&overlap), "{overlap}");
    }
    let contents: Vec<&str> = windows.iter().map(|window| &text[window.clone()]).collect();
    let encoded = encoder.encode(&contents, Role::Document).unwrap();
    assert!(encoded.truncated.iter().all(|&cut| !cut));
    assert!(encoded.tokens[..windows.len() - 1].iter().all(|&tokens| tokens >= 250), "{:?}", encoded.tokens);
    for whole in ["", "x", "two words", &"word ".repeat(200)] {
        let windows = encoder.windows(whole, Role::Document).unwrap();
        assert_eq!((windows.len(), windows[0].clone()), (1, 0..whole.len()), "{whole:?}");
    }
    // No spaces, many bytes per character, and a row that no sane file has: still windows, and an
    // end.
    for odd in ["汉字".repeat(4000), "x".repeat(50_000), "a b ".repeat(400_000)] {
        let windows = encoder.windows(&odd, Role::Document).unwrap();
        assert!(windows.len() <= 256 && windows.windows(2).all(|pair| pair[0].start < pair[1].start));
        assert!(windows.iter().all(|window| odd.get(window.clone()).is_some()));
    }
}

#[test]
fn tokens_are_located_without_special_tokens_and_prompt() {
    let prompts = nearsort::Overrides { query_prompt: Some("query: ".into()), ..Default::default() };
    let encoder =
        Model::load_local_encoder(DEFAULT_MODEL, ModelOptions::default().precision(Precision::F32).overrides(prompts))
            .unwrap();
    let text = "Where is the Eiffel Tower?";
    let ranges = encoder.token_ranges(text, Role::Query).unwrap();
    let words: Vec<&str> = ranges.iter().map(|range| &text[range.clone()]).collect();
    assert_eq!(words, ["Where", "is", "the", "E", "iff", "el", "Tower", "?"]);
    let mut rows = std::sync::Mutex::new(0);
    let lengths =
        encoder.encode_each(&[text], Role::Query, &Call::new(), &|_, text| *rows.lock().unwrap() = text.tokens.nrows());
    assert_eq!(*rows.get_mut().unwrap(), words.len());
    // [CLS] query : ... [SEP]
    assert_eq!(lengths.unwrap().tokens, [words.len() as u32 + 4]);
    let plain = default_model();
    let unknown = plain.encode_each(&["ok 𠀀𠜎"], Role::Document, &Call::new(), &|_, _| ()).unwrap().unknown;
    assert!(unknown[0] >= 1, "{unknown:?}");
}

#[test]
fn explanations_name_the_words_that_met() {
    let reranker = reranker(Scoring::Hybrid);
    let (query, candidate) = ("Eiffel Tower height", "How tall is the tower that Eiffel built?");
    let explanation = reranker.explain(query, candidate).unwrap().unwrap();
    let met: HashMap<&str, &str> =
        explanation.matches.iter().map(|m| (&query[m.query.clone()], &candidate[m.candidate.clone()])).collect();
    assert_eq!((met["Eiffel"], met["Tower"], met["height"]), ("Eiffel", "tower", "tall"));
    let scored = reranker.score(query, &[candidate]).unwrap();
    let ScoreParts { cosine, maxsim } = scored.pairs[0].parts.unwrap();
    assert_eq!(explanation.parts, [(ScoreKind::Cosine, cosine), (ScoreKind::MaxSim, maxsim)]);
    let alike = explanation.matches.iter().all(|m| (-1.0..=1.0).contains(&m.similarity));
    assert!(alike && explanation.matches.len() == 3);
    assert!(reranker.explain(query, " ").unwrap().is_none());
    let (text, answer) = long_text();
    let windowed = Reranker::load(DEFAULT_MODEL, ModelOptions::default(), RankOptions::default()).unwrap();
    let explanation = windowed.explain("cats", &text).unwrap().unwrap();
    let found = explanation.matches[0].candidate.clone();
    assert!(answer.contains(&found.start) && &text[found] == "cats");
}

#[test]
fn first_stage_scores_break_what_the_model_sees_as_equal() {
    let candidates = ["the same text", "something about bread", "the same text", ""];
    let rerank = |blend: Blend, first: &[f64]| {
        let reranker =
            Reranker::load(&tiny_path("tiny-bert"), ModelOptions::default(), RankOptions::default().blend(blend))
                .unwrap();
        let mut first = first.iter().copied();
        let answer = reranker.rank("the same text", &candidates).first_stage(|_| first.next()).run();
        answer.map(|answer| answer.hits)
    };
    for blend in [
        Blend::default(),
        Blend::Linear { weight: 0.15, normalize: Normalize::ZScore },
        Blend::Rrf { weight: Blend::RRF_WEIGHT },
    ] {
        let hits = rerank(blend, &[1.0, 2.0, 3.0, 99.0]).unwrap();
        let order: Vec<usize> = hits.iter().map(|hit| hit.index).collect();
        assert_eq!((order[0], order[3]), (2, 3), "{blend}: {order:?}");
        assert!(hits.iter().all(|hit| hit.score.is_finite()));
    }
    let plain = rerank(Blend::None, &[1.0, 2.0, 3.0, 4.0]).unwrap();
    assert_eq!(plain[0].index, 0);
    let nan = rerank(Blend::default(), &[1.0, f64::NAN, 1.0, 1.0]).unwrap_err().to_string();
    assert!(nan.contains("candidate 1"), "{nan}");
    let all = rerank(Blend::Linear { weight: 1.0, normalize: Normalize::MinMax }, &[1.0, 9.0, 3.0, 4.0]).unwrap();
    assert_eq!(all.iter().map(|hit| hit.index).collect::<Vec<_>>(), [1, 2, 0, 3], "the first stage alone");
}

#[test]
fn cosine_is_plain_cosine_by_default() {
    let cosine = Reranker::load(DEFAULT_MODEL, ModelOptions::default(), RankOptions::by(Scoring::Cosine)).unwrap();
    assert_eq!((cosine.long_text(), cosine.blend()), (LongText::Truncate, Blend::None));
    let hybrid = Reranker::load(DEFAULT_MODEL, ModelOptions::default(), RankOptions::default()).unwrap();
    assert_eq!((hybrid.long_text(), hybrid.blend()), (LongText::Window, Blend::default()));
    assert_eq!(hybrid.score_kind(), ScoreKind::Hybrid);
    for reranker in [cosine, hybrid] {
        let hits = reranker.rank("a", &["a", "b"]).run().unwrap().hits;
        assert!(hits.iter().all(|hit| (-1.0..=1.0).contains(&hit.score)));
    }
}
