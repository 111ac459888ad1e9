//! One planted fault per finding.

use super::synthetic::{Generator, Signals, configuration};
use super::{Plan, healthy, kinds, report};
use crate::diagnose::{
    Change, Configuration, Finding, FindingKind, ModeScores, Observations, Severity, Trial, TrialList,
};
use crate::io::Qrels;
use crate::{Blend, LongText, Scoring};

/// Makes observations with the fault of a finding.
fn planted(kind: FindingKind) -> Observations {
    let mut found = healthy(Plan::default());
    match kind {
        FindingKind::QueriesNotInQrels => found.queries.iter_mut().for_each(|query| query.id.insert(0, 'x')),
        FindingKind::QueriesNotInRun => drop(found.queries.drain(..10)),
        FindingKind::IdsNotInQrels => {
            found.documents.iter_mut().for_each(|document| document.id = format!("doc-{}.txt", &document.id[1..]));
        }
        FindingKind::UnjudgedDocuments => found.qrels = Some(judged_by_the_first_stage(&found)),
        FindingKind::InvertedOrder => found.candidates_mut().for_each(|c| c.first_stage = 30.0 - c.first_stage),
        FindingKind::RerankingHurts => found = healthy(with_signals(1.5, 0.3, 0.3)),
        FindingKind::NoEvidence => {
            found = healthy(Plan { queries: 25, ..with_signals(1.0, 1.0, 1.0) });
        }
        FindingKind::CosineAloneLoses => {
            found = healthy(with_signals(1.5, 0.8, 2.0));
            found.setting.configuration =
                Configuration { scoring: Scoring::Cosine, blend: Blend::None, ..configuration() };
        }
        FindingKind::WeakScoringMode => {
            found = healthy(with_signals(1.0, 1.0, 2.4));
            found.setting.configuration.scoring = Scoring::Cosine;
        }
        FindingKind::BlendHelps => {
            found = healthy(with_signals(2.0, 1.6, 1.8));
            found.setting.configuration.blend = Blend::None;
        }
        FindingKind::RecallCeiling => relevant_lost(&mut found, 3),
        FindingKind::ShallowLists => found = healthy(Plan { candidates: 8, queries: 300, ..Plan::default() }),
        FindingKind::TooDeep => deep_noise(&mut found),
        FindingKind::TruncatedTexts => {
            found.documents.iter_mut().step_by(3).for_each(|document| document.truncated = true);
        }
        FindingKind::WrongPrompt => {
            let change = Change::Prompts { query: "query: ".into(), document: "passage: ".into() };
            found.trials = vec![better_trial(&mut found, change, "--query-prompt 'query: '")];
        }
        FindingKind::WrongPooling => {
            found.trials = vec![better_trial(&mut found, Change::Pooling("cls".into()), "--pooling cls")];
        }
        FindingKind::TiedScores => {
            let coarse = |score: f32| (score * 40.0).round() / 40.0;
            for candidate in found.candidates_mut() {
                let ModeScores { cosine, maxsim, .. } = candidate.scores;
                candidate.scores = ModeScores { cosine, maxsim, hybrid: coarse(candidate.scores.hybrid) };
            }
        }
        FindingKind::NarrowScores => found.candidates_mut().for_each(|c| {
            let near = |score: f32| 0.7 + score / 100.0;
            c.scores = ModeScores::from_parts(near(c.scores.cosine), near(c.scores.maxsim));
        }),
        FindingKind::FirstStageTies => found.candidates_mut().for_each(|c| c.first_stage = c.first_stage.round()),
        FindingKind::DuplicateCandidates => copied_texts(&mut found, 0.0, |text| text.to_owned()),
        FindingKind::NearDuplicates => copied_texts(&mut found, 0.001, |text| format!("{text} Appended.")),
        FindingKind::EmptyTexts => empty_texts(&mut found),
        FindingKind::UnknownLanguage => {
            for document in found.documents.iter_mut() {
                document.unknown = document.tokens / 10;
            }
        }
    }
    found
}

fn with_signals(first_stage: f64, cosine: f64, maxsim: f64) -> Plan {
    Plan { signals: Signals { first_stage, cosine, maxsim }, ..Plan::default() }
}

/// Makes judgements of the first stage's first ten alone, as a pool of one system gives them.
fn judged_by_the_first_stage(observations: &Observations) -> Qrels {
    let all = observations.qrels.as_ref().unwrap();
    let mut judgements = Vec::new();
    for query in &observations.queries {
        for candidate in &query.candidates[..10] {
            let id = &observations.documents[candidate.document].id;
            judgements.push((query.id.as_str(), id.as_str(), all.grades(&query.id).unwrap().get(id).unwrap_or(0)));
        }
    }
    Qrels::from_judgements(judgements).unwrap()
}

/// Removes the relevant candidates of every `step`th query.
fn relevant_lost(observations: &mut Observations, step: usize) {
    let qrels = observations.qrels.clone().unwrap();
    let documents = &observations.documents;
    for query in observations.queries.iter_mut().step_by(step) {
        let grades = qrels.grades(&query.id).unwrap();
        query.candidates.retain(|candidate| grades.get(&documents[candidate.document].id) == Some(0));
    }
}

/// Gives high scores to candidates that the first stage puts last.
fn deep_noise(observations: &mut Observations) {
    let documents = &observations.documents;
    let qrels = observations.qrels.as_ref().unwrap();
    for query in &mut observations.queries {
        let grades = qrels.grades(&query.id).unwrap();
        for candidate in query.candidates.iter_mut().skip(30) {
            if grades.get(&documents[candidate.document].id) == Some(0) {
                let ModeScores { cosine, maxsim, .. } = candidate.scores;
                candidate.scores = ModeScores::from_parts(cosine + 0.2, maxsim + 0.2);
            }
        }
    }
}

/// Makes a trial with better scores, on the first 20 candidates of 60 queries.
fn better_trial(observations: &mut Observations, change: Change, arguments: &str) -> Trial {
    trial(observations, change, arguments, 0.2)
}

fn trial(observations: &mut Observations, change: Change, arguments: &str, gain: f32) -> Trial {
    let mut generator = Generator::new(3);
    let mut scores: Vec<ModeScores> = Vec::new();
    for (candidate, is_relevant) in observations.with_relevance() {
        let noise = 0.05 * generator.normal() as f32;
        let better = |score: f32| score + noise + if is_relevant { gain } else { 0.0 };
        scores.push(ModeScores::from_parts(better(candidate.scores.cosine), better(candidate.scores.maxsim)));
    }
    let mut lists = Vec::new();
    let mut start = 0;
    for (query, candidates) in observations.queries.iter().map(|query| query.candidates.len()).enumerate() {
        lists.push(TrialList { query, scores: scores[start..start + candidates.min(20)].to_vec() });
        start += candidates;
    }
    lists.truncate(60);
    Trial { change, name: "a trial".into(), arguments: arguments.into(), lists }
}

/// Gives every tenth candidate nearly the text of the one before, and its scores except for a
/// shift.
fn copied_texts(observations: &mut Observations, shift: f32, copy: impl Fn(&str) -> String) {
    for query in &mut observations.queries {
        for at in (1..query.candidates.len()).step_by(10) {
            let (from, to) = (query.candidates[at - 1].clone(), query.candidates[at].document);
            observations.documents[to].text = copy(&observations.documents[from.document].text);
            let ModeScores { cosine, maxsim, .. } = from.scores;
            query.candidates[at].scores = ModeScores::from_parts(cosine + shift, maxsim + shift);
        }
    }
}

fn empty_texts(observations: &mut Observations) {
    for query in observations.queries.iter_mut().step_by(5) {
        let last = query.candidates.last_mut().unwrap();
        observations.documents[last.document].text = " \n".into();
        observations.documents[last.document].tokens = 0;
        last.scores = ModeScores { cosine: -1.0, maxsim: -1.0, hybrid: -1.0 };
    }
}

/// Returns the findings that a fault causes in addition.
fn consequences(kind: FindingKind) -> &'static [FindingKind] {
    use FindingKind as Kind;
    match kind {
        // Unjudged documents push the judged ones down.
        Kind::UnjudgedDocuments => {
            &[Kind::NoEvidence, Kind::RerankingHurts, Kind::BlendHelps, Kind::RecallCeiling, Kind::TooDeep]
        }
        Kind::RerankingHurts => &[Kind::BlendHelps, Kind::TooDeep],
        Kind::NoEvidence => &[Kind::BlendHelps],
        Kind::CosineAloneLoses => {
            &[Kind::WeakScoringMode, Kind::BlendHelps, Kind::RerankingHurts, Kind::NoEvidence, Kind::TooDeep]
        }
        Kind::WeakScoringMode => &[Kind::NoEvidence, Kind::BlendHelps],
        Kind::BlendHelps => &[Kind::NoEvidence, Kind::TooDeep],
        // The first stage knows what the model does not; deep down they even contradict each other.
        Kind::TooDeep => &[Kind::BlendHelps, Kind::WeakScoringMode, Kind::InvertedOrder],
        Kind::TiedScores => &[Kind::WeakScoringMode],
        Kind::NarrowScores => &[Kind::BlendHelps],
        _ => &[],
    }
}

fn finding(observations: &Observations, kind: FindingKind) -> Option<Finding> {
    report(observations).findings.into_iter().find(|finding| finding.name == kind)
}

#[test]
fn every_planted_fault_is_found_and_nothing_else() {
    let mut wrong = Vec::new();
    for kind in FindingKind::ALL {
        let found = report(&planted(kind));
        let kinds = kinds(&found);
        let others: Vec<_> =
            kinds.iter().filter(|&other| *other != kind && !consequences(kind).contains(other)).collect();
        if !kinds.contains(&kind) || !others.is_empty() {
            wrong.push(format!("{kind} gave {kinds:?}: {}\n{:#?}", found.verdict.text, found.findings));
        }
        for finding in &found.findings {
            assert!(!finding.evidence.is_empty() && !finding.remedy.is_empty(), "{finding:?}");
            assert_eq!(serde_json::to_value(finding.name).unwrap(), finding.name.to_string());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn healthy_data_have_no_findings_whatever_the_seed() {
    for seed in [7, 8, 9, 10] {
        let found = report(&healthy(Plan { seed, ..Plan::default() }));
        assert!(found.findings.is_empty(), "seed {seed}: {:#?}", found.findings);
    }
    // Judgements of relevant documents alone, as many collections have them, are no pool.
    let mut sparse = healthy(Plan::default());
    let all = sparse.qrels.take().unwrap();
    let relevant = all.iter().flat_map(|(query, grades)| grades.iter().map(move |(id, grade)| (query, id, grade)));
    sparse.qrels = Some(Qrels::from_judgements(relevant.filter(|&(.., grade)| grade > 0)).unwrap());
    assert_eq!(kinds(&report(&sparse)), []);
    // The same without judgements.
    sparse.qrels = None;
    assert_eq!(kinds(&report(&sparse)), []);
    // Trials that change nothing, or are worse.
    let mut tried = healthy(Plan::default());
    for (gain, pooling) in [(0.0, "cls"), (-0.1, "lasttoken")] {
        let trial = trial(&mut tried, Change::Pooling(pooling.into()), "--pooling x", gain);
        tried.trials.push(trial);
    }
    assert_eq!(kinds(&report(&tried)), []);
}

#[test]
fn inverted_orders_are_seen_without_judgements_too() {
    let mut inverted = planted(FindingKind::InvertedOrder);
    let by_everything = finding(&inverted, FindingKind::InvertedOrder).unwrap();
    assert_eq!(by_everything.severity, Severity::Problem);
    assert!(by_everything.evidence.contains("upside down"), "{}", by_everything.evidence);
    inverted.qrels = None;
    let by_ranks = finding(&inverted, FindingKind::InvertedOrder).unwrap();
    assert_eq!(by_ranks.severity, Severity::Problem);
    assert!(by_ranks.evidence.contains("contradict"), "{}", by_ranks.evidence);
    inverted.candidates_mut().for_each(|candidate| candidate.rank = None);
    let by_model = finding(&inverted, FindingKind::InvertedOrder).unwrap();
    assert_eq!(by_model.severity, Severity::Warning);
    assert!(by_model.evidence.contains("run against"), "{}", by_model.evidence);
}

#[test]
fn ids_that_differ_in_their_form_alone_are_shown_side_by_side() {
    let found = finding(&planted(FindingKind::IdsNotInQrels), FindingKind::IdsNotInQrels).unwrap();
    assert!(found.evidence.contains("by the digits of the ids alone 100 %"), "{}", found.evidence);
    assert!(
        found.examples[0].starts_with("run doc-") && found.examples[0].contains("judgements d"),
        "{:?}",
        found.examples
    );
}

#[test]
fn windows_are_recommended_where_they_help_and_only_there() {
    let mut cut = planted(FindingKind::TruncatedTexts);
    let untried = report(&cut);
    assert!(untried.findings[0].remedy.contains("try `long_text=window`"));
    assert!(untried.cannot_say.iter().any(|open| open.contains("windows")), "{:?}", untried.cannot_say);
    // Only the truncated part shows the relevance.
    let truncated: Vec<bool> = cut.documents.iter().map(|document| document.truncated).collect();
    for (candidate, is_relevant) in cut.with_relevance().filter(|(candidate, _)| truncated[candidate.document]) {
        let gain = if is_relevant { 0.3 } else { 0.0 };
        let ModeScores { cosine, maxsim, .. } = candidate.scores;
        candidate.windowed = Some(ModeScores::from_parts(cosine + gain, maxsim + gain));
    }
    let helped = report(&cut);
    let found = helped.findings.iter().find(|finding| finding.name == FindingKind::TruncatedTexts).unwrap();
    assert_eq!((found.severity, found.remedy.as_str()), (Severity::Warning, "use `long_text=window`"));
    assert!(helped.recommendation.unwrap().arguments.contains("--long window"));
    // Read in windows already: nothing to say, unless they hurt.
    cut.setting.configuration.long_text = LongText::Window;
    assert_eq!(finding(&cut, FindingKind::TruncatedTexts), None);
    let mut worse = cut.clone();
    for candidate in worse.candidates_mut() {
        if let Some(windowed) = &mut candidate.windowed {
            std::mem::swap(windowed, &mut candidate.scores);
        }
    }
    let hurt = finding(&worse, FindingKind::TruncatedTexts).unwrap();
    assert_eq!((hurt.severity, hurt.remedy.as_str()), (Severity::Warning, "use `long_text=truncate`"));
    cut.setting.configuration.long_text = LongText::Truncate;
    cut.candidates_mut().for_each(|candidate| candidate.windowed = candidate.windowed.and(Some(candidate.scores)));
    let same = finding(&cut, FindingKind::TruncatedTexts).unwrap();
    assert_eq!((same.severity, same.remedy.as_str()), (Severity::Info, "nothing: windows were not shown to help here"));
}

#[test]
fn a_script_in_single_letters_is_found_without_unknown_tokens() {
    let mut russian = healthy(Plan { queries: 30, ..Plan::default() });
    for document in &mut russian.documents {
        document.text = "система управления движением ".repeat(4);
        document.text.push_str(&document.id);
        document.tokens = 110;
    }
    let kinds = kinds(&report(&russian));
    assert!(kinds.contains(&FindingKind::UnknownLanguage), "{kinds:?}");
    // The same length in a vocabulary that has the words.
    russian.documents.iter_mut().for_each(|document| document.tokens = 24);
    assert_eq!(finding(&russian, FindingKind::UnknownLanguage), None);
}

#[test]
fn constant_scores_are_a_problem() {
    let mut constant = healthy(Plan::default());
    constant.candidates_mut().for_each(|candidate| candidate.scores = ModeScores::from_parts(0.5, 0.5));
    let found = report(&constant);
    for kind in [FindingKind::NarrowScores, FindingKind::TiedScores] {
        let finding = found.findings.iter().find(|finding| finding.name == kind).unwrap();
        assert_eq!(finding.severity, Severity::Problem, "{finding:?}");
    }
}

#[test]
fn a_document_that_stands_in_a_list_twice_counts_once() {
    let healthy = healthy(Plan::default());
    let mut doubled = healthy.clone();
    for query in doubled.queries.iter_mut().step_by(2) {
        query.candidates.insert(20, query.candidates[0].clone());
    }
    let (before, after) = (report(&healthy), report(&doubled));
    assert_eq!(after.quality.unwrap().effect, before.quality.unwrap().effect);
    assert_eq!(after.duplicates.repeated_ids, 75);
    assert_eq!(after.findings[0].name, FindingKind::DuplicateCandidates);
    assert_eq!(after.findings[0].severity, Severity::Problem);
}
