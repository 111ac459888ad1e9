//! Rust source as tokens: comments are gone, and items under `#[cfg(test)]`.

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A name, a keyword or a number.
    Word(String),
    /// What stands in a literal string.
    Text(String),
    /// `::`.
    Path,
    Sign(char),
}

impl Token {
    pub fn is(&self, word: &str) -> bool {
        matches!(self, Token::Word(own) if own == word)
    }

    pub fn word(&self) -> Option<&str> {
        if let Token::Word(word) = self { Some(word) } else { None }
    }
}

/// The tokens of the code that is compiled without tests.
pub fn code(source: &str) -> Vec<Token> {
    without_tests(&tokens(source))
}

fn tokens(source: &str) -> Vec<Token> {
    let source: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < source.len() {
        at = next(&source, at, &mut found);
    }
    found
}

/// Reads what begins at `at`, and gives where the next thing begins.
fn next(source: &[char], at: usize, found: &mut Vec<Token>) -> usize {
    let peek = |ahead: usize| source.get(at + ahead).copied().unwrap_or(' ');
    let is_name = |c: &char| c.is_alphanumeric() || *c == '_';
    match peek(0) {
        c if c.is_whitespace() => at + 1,
        '/' if peek(1) == '/' => at + source[at..].iter().take_while(|c| **c != '\n').count(),
        '/' if peek(1) == '*' => block_comment_end(source, at),
        '"' => string(source, at, 0, false, found),
        '\'' => character_or_lifetime_end(source, at),
        ':' if peek(1) == ':' => {
            found.push(Token::Path);
            at + 2
        }
        c if is_name(&c) => {
            let end = at + source[at..].iter().take_while(|c| is_name(c)).count();
            let word: String = source[at..end].iter().collect();
            let hashes = source[end..].iter().take_while(|c| **c == '#').count();
            match word.as_str() {
                "r" | "br" | "cr" if source.get(end + hashes) == Some(&'"') => {
                    string(source, end + hashes, hashes, true, found)
                }
                "b" | "c" if source.get(end) == Some(&'"') => string(source, end, 0, false, found),
                "b" if source.get(end) == Some(&'\'') => character_or_lifetime_end(source, end),
                // `r#use` is a name, and no keyword.
                "r" if hashes == 1 => {
                    let end = end + 1 + source[end + 1..].iter().take_while(|c| is_name(c)).count();
                    found.push(Token::Word(source[at..end].iter().collect()));
                    end
                }
                _ => {
                    found.push(Token::Word(word));
                    end
                }
            }
        }
        sign => {
            found.push(Token::Sign(sign));
            at + 1
        }
    }
}

/// Block comments nest.
fn block_comment_end(source: &[char], at: usize) -> usize {
    let (mut depth, mut at) = (0, at);
    while at < source.len() {
        match (source[at], source.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

/// Reads a string whose first quote is at `at`; a raw one ends at a quote with so many `#` behind
/// it.
fn string(source: &[char], at: usize, hashes: usize, raw: bool, found: &mut Vec<Token>) -> usize {
    let mut text = String::new();
    let mut at = at + 1;
    while at < source.len() {
        let closing =
            source[at] == '"' && source[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
        if closing {
            break;
        }
        let escaped = !raw && source[at] == '\\';
        text.extend(&source[at..(at + 1 + usize::from(escaped)).min(source.len())]);
        at += 1 + usize::from(escaped);
    }
    found.push(Token::Text(text));
    at + 1 + hashes
}

/// `'x'`, `'\n'`, `'\u{1F600}'` and `'lifetime` mean nothing here.
fn character_or_lifetime_end(source: &[char], at: usize) -> usize {
    if source.get(at + 1) == Some(&'\\') {
        return at + 4 + source[(at + 3).min(source.len())..].iter().take_while(|c| **c != '\'').count();
    }
    if source.get(at + 2) == Some(&'\'') {
        return at + 3;
    }
    at + 1 + source[at + 1..].iter().take_while(|c| c.is_alphanumeric() || **c == '_').count()
}

fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if is_test_attribute(&tokens[at..]) {
            at = item_end(tokens, at);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// `#[cfg(test)]`, or `#[cfg(all(test, ...))]`.
fn is_test_attribute(tokens: &[Token]) -> bool {
    let [Token::Sign('#'), Token::Sign('['), cfg, Token::Sign('('), rest @ ..] = tokens else { return false };
    let rest = match rest {
        [all, Token::Sign('('), rest @ ..] if all.is("all") => rest,
        rest => rest,
    };
    cfg.is("cfg") && rest.first().is_some_and(|first| first.is("test"))
}

/// Words that begin an item, in which a comma ends nothing: `fn f<A, B>()`.
const ITEMS: [&str; 10] = ["use", "mod", "fn", "struct", "enum", "trait", "impl", "const", "static", "type"];

/// The end of what the attribute at `at` concerns: an item up to its semicolon or the closing brace
/// of its body, or a field or a statement.
fn item_end(tokens: &[Token], at: usize) -> usize {
    let mut depth = 0;
    let mut kind = None;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        if depth == 0 && kind.is_none() {
            kind = token.word().filter(|word| ITEMS.contains(word));
        }
        match token {
            Token::Sign('(' | '[' | '{') => depth += 1,
            // The last field of a list has no comma behind it.
            Token::Sign(')' | ']' | '}') if depth == 0 => return index,
            Token::Sign(')' | ']' | '}') => depth -= 1,
            _ => {}
        }
        let ends = match token {
            // The braces of `use a::{b, c};` are not its end.
            Token::Sign('}') => kind != Some("use"),
            Token::Sign(',') => kind.is_none(),
            Token::Sign(';') => true,
            _ => false,
        };
        if depth == 0 && ends {
            return index + 1;
        }
    }
    tokens.len()
}

mod tests {
    use super::*;

    fn words(source: &str) -> Vec<String> {
        code(source).iter().filter_map(|token| token.word().map(str::to_owned)).collect()
    }

    #[test]
    fn comments_strings_characters_and_lifetimes_hold_no_names() {
        let source = r###"
            a; // no
            /* no /* no */ no */ b;
            let s = "no \" no"; let r = r#"no " no"#; let c = ['"', '\'', '\u{1F}', b'"']; c2;
            fn f<'life>(x: &'life str) {}
        "###;
        assert_eq!(words(source), ["a", "b", "let", "s", "let", "r", "let", "c", "c2", "fn", "f", "x", "str"]);
    }

    #[test]
    fn items_under_cfg_test_are_gone() {
        let source = "
            #[cfg(test)] use a::{b, c}; one;
            #[cfg(test)] mod tests; two;
            #[cfg(test)] #[allow(x)] mod inner { fn f(x: [u8; 3]) { {} } } three;
            #[cfg(test)] const X: [u8; 2] = [1; 2]; four;
            #[cfg(test)] fn g<A, B>(a: A, b: B) -> (A, B) { (a, b) } struct S { #[cfg(test)] field: u8, seven: u8 }
            S { seven: 1, #[cfg(test)] field: 1 };
            #[cfg(not(test))] five;
            #[cfg(all(test, unix))] mod other_tests; six;
        ";
        let found = words(source);
        let kept: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(
            kept,
            [
                "one", "two", "three", "four", "struct", "S", "seven", "u8", "S", "seven", "1", "cfg", "not", "test",
                "five", "six"
            ]
        );
    }
}
