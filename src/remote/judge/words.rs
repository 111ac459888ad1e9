//! What is common to reading answers.

/// Characters of an answer that a reason shows.
const SHOWN_CHARS: usize = 80;

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

/// The beginning of an answer, on one line.
pub(super) fn excerpt(text: &str) -> String {
    let line: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_CHARS).collect();
    if text.trim().chars().count() > SHOWN_CHARS { line + "..." } else { line }
}
