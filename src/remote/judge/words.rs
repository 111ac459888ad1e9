//! What is common to reading answers.

/// An answer without white space around it; of one with a single Markdown fence, what is inside.
pub(super) fn unfenced(answer: &str) -> &str {
    let pieces: Vec<&str> = answer.split("```").collect();
    let inner = match pieces.as_slice() {
        // Behind the fence may stand a language.
        [_, inner, _] => inner.trim_start_matches(|c: char| c.is_ascii_alphabetic()),
        _ => answer,
    };
    inner.trim()
}
