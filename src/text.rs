//! Properties of a text that need no model.

/// True if a text has nothing to read: only white space, control and format characters (zero-width
/// spaces, byte-order marks, soft hyphens), and combining marks without a base character.
///
/// Models drop these characters or give them tokens that mean nothing.
pub(crate) fn is_blank(text: &str) -> bool {
    text.chars().all(is_invisible)
}

/// True if a character shows nothing by itself.
fn is_invisible(c: char) -> bool {
    c.is_whitespace() || c.is_control() || is_ignorable(c) || is_combining(c)
}

/// True for characters that Unicode calls ignorable (Default_Ignorable_Code_Point) or format
/// controls.
fn is_ignorable(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// True for the blocks of marks that combine with any character. Marks of single scripts are part
/// of their words.
fn is_combining(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_without_anything_to_read_are_blank() {
        let blank = [
            "",
            " \t\n",
            "\u{200b}",
            "\u{feff}",
            "\u{2060}",
            "\u{ad}",
            "\u{200b}\u{200c}\u{200d} \u{2063}",
            "\u{0}\u{7f}",
        ];
        let more = ["\u{301}\u{323}", "\u{202e}", "\u{fe0f}", "\u{e0041}", "\u{3000}\u{a0}", "\u{34f}", "\u{3164}"];
        blank.iter().chain(&more).for_each(|text| assert!(is_blank(text), "{text:?}"));
        for text in ["a", "\u{200b}a", "漢", ".", "e\u{301}", "😀", "\u{e000}", "ा", "0"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }
}
