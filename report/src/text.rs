//! Text and numbers in the form that every report shows.

use std::borrow::Cow;

use nearsort::answer::one_line;

/// Escapes a text for a terminal: control characters, and characters that change the writing
/// direction or end a line invisibly, as `\u{1b}`. Line ends and tabs stay. Nothing is removed, so
/// different names stay different.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Returns true for characters that act on a terminal invisibly. Zero-width joiners are parts of
/// words and of emoji, and move nothing.
fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        // Marks, embeddings, overrides and isolates of direction; separators of lines and
        // paragraphs.
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        '\u{2028}' | '\u{2029}' => true,
        c => c.is_control(),
    }
}

/// Returns a text for one cell of a table: [`one_line`], and [`visible`].
pub fn in_cell(text: &str) -> String {
    visible(&one_line(text)).into_owned()
}

/// Formats a p-value to four digits; `-` if nothing was tested.
pub fn p_value(p: Option<f64>) -> String {
    match p {
        None => "-".to_owned(),
        Some(p) if p < 0.0001 => "<0.0001".to_owned(),
        Some(p) => format!("{p:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_unseen_is_shown_and_the_rest_stays() {
        let hidden = [
            "\u{1b}[2J",
            "\u{7}",
            "\u{7f}",
            "\u{9b}2J",
            "\u{202e}",
            "\u{2066}",
            "\u{200f}",
            "\u{61c}",
            "\u{2028}",
            "\r",
        ];
        for text in hidden {
            let shown = visible(text);
            assert!(shown.starts_with("\\u{") && !shown.chars().any(is_hidden), "{shown}");
        }
        assert_eq!(visible("a\u{1b}[31mb"), "a\\u{1b}[31mb");
        assert_eq!(in_cell("a\u{1b}\t\u{202e}b"), "a  \\u{202e}b");
        for plain in ["Ä 東京 مرحبا שלום", "one\n\ttwo", "👩\u{200d}💻 می\u{200c}خواهم", ""] {
            assert!(matches!(visible(plain), Cow::Borrowed(_)), "{plain}");
        }
    }
}
