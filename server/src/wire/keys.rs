//! Keys of rerank bodies and their meaning.

/// The field of a [`super::RerankRequest`] that a key sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Model,
    Query,
    Documents,
    TopN,
    ReturnDocuments,
    RawScores,
    RankFields,
    MaxTokensPerDoc,
    MaxTokensPerQuery,
    TokensPerPair,
    Instruction,
    PromptName,
    Truncation,
    TruncationSide,
    RelevantSpans,
    Priority,
    DeadlineMs,
    OnDeadline,
    /// A key that clients always send and that has no effect here. It is read without a warning.
    NoEffect,
}

/// The keys of one dialect, the usual name of each field first.
pub(super) type Keys = &'static [(&'static str, Field)];

/// Keys of every dialect: nearsort's own, and those that conflict with none.
pub(super) const COMMON: Keys = &[
    ("model", Field::Model),
    ("query", Field::Query),
    ("instruction", Field::Instruction),
    ("prompt_name", Field::PromptName),
    ("max_tokens_per_doc", Field::MaxTokensPerDoc),
    ("max_tokens_per_query", Field::MaxTokensPerQuery),
    ("deadline_ms", Field::DeadlineMs),
    ("on_deadline", Field::OnDeadline),
    ("user", Field::NoEffect),
];

/// Returns the known key that `key` probably means: equal except for case and separators, or one or
/// two letters off.
pub(super) fn suggestion<'a>(key: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = simplified(key);
    if plain.len() < 3 || plain.len() > 40 {
        return None;
    }
    let allowed = if plain.len() < 6 { 1 } else { 2 };
    let near = known.map(|name| (distance(&plain, &simplified(name)), name)).min_by_key(|(far, _)| *far)?;
    (near.0 <= allowed).then_some(near.1)
}

fn simplified(key: &str) -> Vec<char> {
    key.chars().filter(|c| *c != '_' && *c != '-').map(|c| c.to_ascii_lowercase()).take(64).collect()
}

/// Returns the Levenshtein distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
