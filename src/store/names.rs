//! Names from outside that become parts of paths and URLs: what they may look like.

use std::path::{Component, Path};

/// Whether this names something inside a folder: relative, no `..`, no drive, no backslash.
pub(super) fn is_plain_relative(path: &str) -> bool {
    let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    plain && !path.is_empty() && !path.contains(['\\', ':', '\0']) && !path.contains("//") && !path.ends_with('/')
}

/// `org/name` as the hub allows it, or nothing. Dots alone are refused: the name becomes part of a path.
pub(super) fn hub_name(text: &str) -> Option<&str> {
    let (org, name) = text.split_once('/')?;
    let sound = |part: &str| {
        let letters = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        letters && !part.is_empty() && !part.starts_with('.') && !part.contains("..") && part.len() <= 96
    };
    (sound(org) && sound(name)).then_some(text)
}

/// A branch such as `refs/pr/1`, a tag or a commit. It becomes part of a path and of an URL.
pub(super) fn is_revision(text: &str) -> bool {
    let sound = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    text.split('/').all(sound)
}

/// Whether this is exactly so many lower-case hexadecimal digits.
pub(super) fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_inside_the_folder_are_plain() {
        for good in ["config.json", "1_Pooling/config.json", "a.b/c"] {
            assert!(is_plain_relative(good), "{good}");
        }
        for bad in ["", "/etc/passwd", "../x", "a/../b", "./a", "a//b", "a/", "C:\\x", "a\\b", "C:x", "a\0b"] {
            assert!(!is_plain_relative(bad), "{bad}");
        }
    }
}
