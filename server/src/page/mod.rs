//! Web pages: the ranking page at `/`, and the layout of the API's description.
//!
//! A page is one self-contained file. Its Content-Security-Policy admits only its own style and
//! script, by their hashes, and requests to this server. So a user's text that becomes markup by
//! mistake has no effect.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const STYLE: &str = include_str!("style.css");

/// One module: the files share their names, and each uses those of the files before it.
const SCRIPT: &str = concat!(
    include_str!("js/lists.js"),
    include_str!("js/words.js"),
    include_str!("js/request.js"),
    include_str!("js/snippets.js"),
    include_str!("js/ranking.js"),
    include_str!("js/table.js"),
    include_str!("js/app.js"),
);

/// A page and its policy.
pub(crate) struct Page {
    pub html: String,
    /// The value of `Content-Security-Policy`.
    pub policy: String,
}

/// Returns the ranking page.
pub(crate) fn ranking() -> &'static Page {
    static PAGE: LazyLock<Page> = LazyLock::new(|| Page {
        html: include_str!("index.html").replace("{{style}}", STYLE).replace("{{script}}", SCRIPT),
        policy: policy(&format!(
            "script-src {}; connect-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'",
            hash(SCRIPT)
        )),
    });
    &PAGE
}

/// Returns a page without a script around `main`, which is HTML.
pub(crate) fn plain(title: &str, main: &str) -> Page {
    let html =
        include_str!("plain.html").replace("{{style}}", STYLE).replace("{{title}}", title).replace("{{main}}", main);
    Page { html, policy: policy("script-src 'none'") }
}

fn policy(own: &str) -> String {
    format!(
        "default-src 'none'; style-src {}; img-src data:; {own}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(STYLE)
    )
}

/// Returns the source of a policy that admits only this text, by its hash.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the text between two tags, each of which must occur once.
    fn inside<'a>(html: &'a str, open: &str, close: &str) -> &'a str {
        assert_eq!((html.matches(open).count(), html.matches(close).count()), (1, 1), "{open} and {close}");
        let start = html.find(open).unwrap() + open.len();
        &html[start..html.find(close).unwrap()]
    }

    #[test]
    fn the_policy_admits_exactly_the_style_and_script_of_the_page() {
        let page = ranking();
        let script = inside(&page.html, "<script type=\"module\">", "</script>");
        let style = inside(&page.html, "<style>", "</style>");
        assert!(page.policy.contains(&format!("script-src {};", hash(script))), "{}", page.policy);
        assert!(page.policy.contains(&format!("style-src {};", hash(style))), "{}", page.policy);
        assert!(!page.policy.contains("unsafe") && page.policy.starts_with("default-src 'none';"));
    }

    #[test]
    fn pages_are_whole_and_need_nothing_from_elsewhere() {
        let plain = plain("A title", "<p>Text</p>");
        for html in [&ranking().html, &plain.html] {
            assert!(!html.contains("{{") && !html.contains("}}"), "a place was left open");
            for foreign in ["src=\"http", "href=\"http", "@import", "url(http", " onclick=", " style=\""] {
                assert!(!html.contains(foreign), "{foreign}");
            }
        }
        assert!(plain.html.contains("<title>A title</title>") && plain.html.contains("<p>Text</p>"));
    }

    #[test]
    fn no_script_makes_markup_of_texts() {
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
            assert!(!SCRIPT.contains(way), "{way}");
        }
    }
}
