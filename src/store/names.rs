//! Checks of names from outside that become parts of paths and URLs.

use std::path::{Component, Path};

/// True if this names something inside a folder: relative, no `..`, no drive, no backslash.
pub(super) fn is_plain_relative(path: &str) -> bool {
    let plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    plain && !path.is_empty() && !path.contains(['\\', ':', '\0']) && !path.contains("//") && !path.ends_with('/')
}

/// Returns the text if it is an `org/name` that the hub allows. Parts with a leading dot
/// or with two dots in a row are refused, because the name becomes part of a path.
pub(super) fn hub_name(text: &str) -> Option<&str> {
    let (org, name) = text.split_once('/')?;
    let sound = |part: &str| {
        let letters = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        letters && !part.is_empty() && !part.starts_with('.') && !part.contains("..") && part.len() <= 96
    };
    (sound(org) && sound(name)).then_some(text)
}

/// True for a branch such as `refs/pr/1`, a tag or a commit. The text becomes part of a path and of
/// a URL.
pub(super) fn is_revision(text: &str) -> bool {
    let sound = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    text.split('/').all(sound)
}

/// True if this is exactly `digits` lower-case hexadecimal digits.
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
