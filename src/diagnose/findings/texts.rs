//! Findings on the texts.

use super::{Finding, FindingKind, Measurements, Severity};
use crate::LongText;
use crate::diagnose::decision::MIN_GAIN;
use crate::diagnose::effect::{is_gain, is_loss};
use crate::diagnose::figures::{EXAMPLES, interval, percent, plural};
use crate::diagnose::lengths::documents;
use crate::diagnose::lists::Scene;

/// Minimum share of truncated texts for a finding; `rerank` warns on stderr from the same share on.
const SOME_TRUNCATED: f64 = 0.01;
/// Share of truncated texts that can cost a visible part of the quality.
const MANY_TRUNCATED: f64 = 0.1;
/// Maximum share of equal texts: one candidate in twenty is one of the first ten places for every
/// other query.
const MAX_SAME_TEXT: f64 = 0.05;
const MAX_NEAR: f64 = 0.05;
/// Share of documents without text above which a field is broken.
const MANY_EMPTY: f64 = 0.01;
/// Maximum share of unknown tokens. A vocabulary of 30,000 pieces lacks less than one token in a
/// thousand of its own language.
const MAX_UNKNOWN: f64 = 0.02;
const MOSTLY_UNKNOWN: f64 = 0.2;
/// Minimum letters per token. In an English vocabulary, English has 3.5 to 5, German or Polish
/// about 2.3; Russian, Greek or Hindi are split into single letters.
const MIN_LETTERS_PER_TOKEN: f64 = 2.0;

pub(super) fn findings(scene: &Scene<'_>, measured: &Measurements) -> Vec<Finding> {
    let checks = [
        truncated_texts(scene, measured),
        duplicate_candidates(measured),
        near_duplicates(measured),
        empty_texts(scene, measured),
        unknown_language(scene, measured),
    ];
    checks.into_iter().flatten().collect()
}

fn truncated_texts(scene: &Scene<'_>, measured: &Measurements) -> Option<Finding> {
    let lengths = &measured.lengths;
    let share = lengths.truncated_share;
    let (severity, remedy) = match &lengths.windows {
        _ if share < SOME_TRUNCATED => return None,
        windows if scene.setting().long_text == LongText::Window => {
            let hurt = windows.is_some_and(|found| is_loss(&found) && -found.difference.mean >= MIN_GAIN);
            hurt.then_some((Severity::Warning, "use `long_text=truncate`"))?
        }
        Some(found) if is_gain(found) && found.difference.mean >= MIN_GAIN => {
            (Severity::Warning, "use `long_text=window`")
        }
        Some(_) => (Severity::Info, "nothing: windows were not shown to help here"),
        None => (
            if share >= MANY_TRUNCATED { Severity::Warning } else { Severity::Info },
            "try `long_text=window`, which reads all of a text and takes its best part, or split the documents",
        ),
    };
    let mut evidence = format!(
        "{} of the documents are longer than the model's limit; {} of the lists have one",
        percent(share),
        percent(lengths.lists_with_truncated_share)
    );
    if let Some(windows) = &lengths.windows {
        let change = interval(&windows.difference);
        evidence.push_str(&format!("; reading them in windows changes {} by {change}", scene.options.measure));
    }
    let long = documents(scene).into_iter().filter(|document| document.truncated);
    let finding = Finding::new(FindingKind::TruncatedTexts, severity, evidence, remedy);
    Some(finding.number("truncated_share", share).examples(long.map(|document| document.id.clone()).take(EXAMPLES)))
}

fn duplicate_candidates(measured: &Measurements) -> Option<Finding> {
    let found = &measured.duplicates.duplicates;
    if found.repeated_ids == 0 && found.same_text_share < MAX_SAME_TEXT {
        return None;
    }
    let mut evidence = Vec::new();
    if found.repeated_ids > 0 {
        let lines = plural(found.repeated_ids, "line of the run names", "lines of the run name");
        evidence.push(format!(
            "{} {lines} a document that its query has already; only the first line counts here",
            found.repeated_ids
        ));
    }
    if found.same_text_share > 0.0 {
        evidence.push(format!(
            "{} of the candidates have word for word the text of another one of their list",
            percent(found.same_text_share)
        ));
    }
    let severity = if found.repeated_ids > 0 { Severity::Problem } else { Severity::Warning };
    let remedy = "remove duplicates from the corpus or from the first stage's lists: they take places, and usually only one of them is judged";
    let finding = Finding::new(FindingKind::DuplicateCandidates, severity, evidence.join("; "), remedy);
    let finding =
        finding.number("repeated_ids", found.repeated_ids as f64).number("same_text_share", found.same_text_share);
    Some(finding.examples(measured.duplicates.same_pairs.iter().cloned()))
}

fn near_duplicates(measured: &Measurements) -> Option<Finding> {
    let share = measured.duplicates.duplicates.near_share;
    if share < MAX_NEAR {
        return None;
    }
    let evidence = format!(
        "{} of the candidates have nearly the text of another one of their list (four fifths of all runs of five words)",
        percent(share)
    );
    let remedy =
        "remove versions of the same text from the corpus, or show one of each: the reranker puts them side by side";
    let finding = Finding::new(FindingKind::NearDuplicates, Severity::Warning, evidence, remedy);
    Some(finding.number("near_share", share).examples(measured.duplicates.near_pairs.iter().cloned()))
}

fn empty_texts(scene: &Scene<'_>, measured: &Measurements) -> Option<Finding> {
    let empty = measured.lengths.empty;
    if empty == 0 {
        return None;
    }
    let all = measured.counts.documents;
    let share = empty as f64 / all as f64;
    let severity = if share >= MANY_EMPTY { Severity::Problem } else { Severity::Warning };
    let evidence = format!("{empty} of {all} documents have no text and are ranked last");
    let remedy = "check which field of the corpus has the text (`text_field=`, `title_field=`), and leave documents without text out of the index";
    let ids = documents(scene).into_iter().filter(|document| document.is_empty()).map(|document| document.id.clone());
    let finding = Finding::new(FindingKind::EmptyTexts, severity, evidence, remedy);
    Some(finding.number("empty", empty as f64).examples(ids.take(EXAMPLES)))
}

fn unknown_language(scene: &Scene<'_>, measured: &Measurements) -> Option<Finding> {
    let lengths = &measured.lengths;
    let in_pieces = lengths.letters_per_token.filter(|&letters| letters < MIN_LETTERS_PER_TOKEN);
    if lengths.unknown_share < MAX_UNKNOWN && in_pieces.is_none() {
        return None;
    }
    let mut evidence = Vec::new();
    if lengths.unknown_share >= MAX_UNKNOWN {
        evidence.push(format!(
            "{} of the tokens stand for words that the model's vocabulary lacks",
            percent(lengths.unknown_share)
        ));
    }
    if let Some(letters) = in_pieces {
        evidence.push(format!(
            "the tokenizer splits words into pieces of {letters:.1} letters, on which no model was trained"
        ));
    }
    let severity = if lengths.unknown_share >= MOSTLY_UNKNOWN || in_pieces.is_some() {
        Severity::Problem
    } else {
        Severity::Warning
    };
    let mut with_unknown = documents(scene);
    with_unknown.retain(|document| document.unknown > 0);
    with_unknown.sort_by_key(|document| std::cmp::Reverse(document.unknown));
    let finding = Finding::new(
        FindingKind::UnknownLanguage,
        severity,
        evidence.join("; "),
        "use a model for the texts' language, such as `model=multilingual-e5-small` or bge-m3",
    );
    let finding = finding.number("unknown_share", lengths.unknown_share);
    let finding = lengths
        .letters_per_token
        .into_iter()
        .fold(finding, |finding, letters| finding.number("letters_per_token", letters));
    Some(finding.examples(with_unknown.into_iter().map(|document| document.id.clone()).take(EXAMPLES)))
}
