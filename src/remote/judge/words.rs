//! Helpers for reading answers.

/// Returns an answer without white space around it. Of an answer with a single Markdown fence,
/// returns the inside.
pub(super) fn unfenced(answer: &str) -> &str {
    let pieces: Vec<&str> = answer.split("```").collect();
    let inner = match pieces.as_slice() {
        // The fence may name a language.
        [_, inner, _] => inner.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
        _ => answer,
    };
    inner.trim()
}
