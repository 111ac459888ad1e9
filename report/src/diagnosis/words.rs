//! Words that the text and the page share.

use nearsort::diagnose::{Action, Moved, Severity};

pub fn action(action: Action) -> &'static str {
    match action {
        Action::Change => "Change",
        Action::Keep => "Keep what you have",
        Action::DoNotRerank => "Leave the first stage's order",
    }
}

pub fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Problem => "problem",
        Severity::Warning => "warning",
        Severity::Info => "info",
    }
}

pub fn grade(moved: &Moved) -> String {
    moved.grade.map_or("not judged".to_owned(), |grade| format!("grade {grade}"))
}

/// Starts a text with a capital, and ends it with one full stop.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_has_one_full_stop() {
        assert_eq!(sentence("none of it."), "None of it.");
    }
}
