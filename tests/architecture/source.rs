//! One source file: what it declares, what it imports, and which paths stand in its code.

use std::collections::BTreeSet;

use super::tokens::{Token, code};

/// The segments of a path; a module as a path from the root of its package.
pub type Segments = Vec<String>;

/// A name that a `use` brings into a module, or all names of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The module in which it stands.
    pub scope: Segments,
    pub path: Segments,
    /// The name in that module: the last segment, or what follows `as`. `None`: `*`.
    pub name: Option<String>,
    /// With `pub` of any kind.
    pub public: bool,
}

/// `mod name;`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    pub scope: Segments,
    pub name: String,
    /// A file of another name, and whether that name holds in some builds only.
    pub path: Option<(String, bool)>,
}

#[derive(Debug, Default)]
pub struct Source {
    /// Inline modules, and the file's own.
    pub modules: Vec<Segments>,
    pub declared: Vec<Declared>,
    /// Items by the module in which they stand.
    pub items: Vec<(Segments, String)>,
    pub uses: Vec<Use>,
    /// Paths of two segments and more outside of `use`.
    pub paths: Vec<(Segments, Segments)>,
    /// All words outside of `use` but methods, variants where they are declared, and what goes on
    /// from a path.
    pub words: BTreeSet<String>,
}

const ITEMS: [&str; 8] = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];

impl Source {
    /// Reads the text of the module `module`.
    pub fn read(text: &str, module: &[String]) -> Self {
        let scopes = vec![(0, module.to_vec())];
        let mut reader = Reader {
            tokens: code(text),
            at: 0,
            scopes,
            depth: 0,
            path: None,
            macro_end: 0,
            enum_depth: 0,
            parentheses: 0,
        };
        let mut source = Source { modules: vec![module.to_vec()], ..Source::default() };
        while reader.at < reader.tokens.len() {
            reader.step(&mut source);
        }
        assert_eq!(reader.depth, 0, "braces of {module:?} do not match");
        source
    }
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    /// The modules that are open, with the depth of braces inside them.
    scopes: Vec<(usize, Segments)>,
    depth: usize,
    /// What an attribute said about the file of the next `mod`.
    path: Option<(String, bool)>,
    /// The end of the `macro_rules!` that is being read.
    macro_end: usize,
    /// The depth of braces inside the `enum` that is being read.
    enum_depth: usize,
    /// Parentheses that are open.
    parentheses: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> &Token {
        self.tokens.get(self.at + ahead).unwrap_or(&Token::Sign(' '))
    }

    fn before(&self) -> &Token {
        self.at.checked_sub(1).map_or(&Token::Sign(' '), |at| &self.tokens[at])
    }

    fn scope(&self) -> Segments {
        self.scopes.last().expect("the file's own module stays open").1.clone()
    }

    fn step(&mut self, source: &mut Source) {
        match self.peek(0).clone() {
            Token::Sign('#') => self.attribute(),
            Token::Sign('(') => self.parentheses += 1,
            Token::Sign(')') => self.parentheses = self.parentheses.saturating_sub(1),
            Token::Sign('{') => self.depth += 1,
            Token::Sign('}') => {
                if self.depth == self.enum_depth {
                    self.enum_depth = 0;
                }
                if self.scopes.len() > 1 && self.scopes.last().is_some_and(|(depth, _)| *depth == self.depth) {
                    self.scopes.pop();
                }
                self.depth -= 1;
            }
            Token::Word(word) => return self.word(&word, source),
            _ => {}
        }
        self.at += 1;
    }

    /// Notes `path = "..."`; the attribute's other tokens are read like code.
    fn attribute(&mut self) {
        let conditional = self.peek(2).is("cfg_attr");
        let rest = self.tokens[self.at..].iter().take_while(|token| **token != Token::Sign(']')).collect::<Vec<_>>();
        for window in rest.windows(3) {
            if let [name, Token::Sign('='), Token::Text(file)] = window
                && name.is("path")
            {
                self.path = Some((file.clone(), conditional));
            }
        }
    }

    fn word(&mut self, word: &str, source: &mut Source) {
        match (word, self.peek(1).clone()) {
            // `use<'a>` of a type, `use $name` of a macro.
            ("use", next) if next != Token::Sign('<') && next != Token::Sign('$') => return self.uses(source),
            ("mod", Token::Word(name)) => return self.module(name, source),
            (keyword, Token::Word(name)) if ITEMS.contains(&keyword) && self.is_item_place() => {
                if keyword == "enum" {
                    self.enum_depth = self.depth + 1;
                }
                match name.as_str() {
                    // `const fn f` comes back with `fn f`, and so do `const unsafe fn f` and its
                    // like.
                    "fn" | "unsafe" | "async" | "extern" => {}
                    "mut" => source.items.push((self.scope(), self.peek(2).word().unwrap_or_default().to_owned())),
                    _ => source.items.push((self.scope(), name)),
                }
            }
            ("macro_rules", Token::Sign('!')) => {
                let name = self.peek(2).word().unwrap_or_default().to_owned();
                source.items.push((self.scope(), name));
                self.macro_end = self.group_end(self.at + 3);
            }
            _ => {}
        }
        self.path_of_code(word, source);
    }

    /// `.parse()` is a method, `..PLAIN` a name.
    fn is_method(&self) -> bool {
        *self.before() == Token::Sign('.') && self.tokens[..self.at - 1].last() != Some(&Token::Sign('.'))
    }

    /// Whether the word is the name of a variant in the enum that is being read.
    fn is_variant(&self) -> bool {
        let begins = matches!(self.before(), Token::Sign('{' | ',' | ']'));
        begins && self.depth == self.enum_depth && self.parentheses == 0
    }

    /// The end of the brackets that open at `at`.
    fn group_end(&self, at: usize) -> usize {
        let mut depth = 0;
        for (index, token) in self.tokens.iter().enumerate().skip(at) {
            match token {
                Token::Sign('(' | '[' | '{') => depth += 1,
                Token::Sign(')' | ']' | '}') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return index;
            }
        }
        self.tokens.len()
    }

    /// Whether a path means something else where the macro is used in which it stands.
    fn is_relative_in_macro(&self, path: &[String]) -> bool {
        self.at < self.macro_end && ["super", "self"].contains(&path[0].as_str())
    }

    fn is_item_place(&self) -> bool {
        self.scopes.last().is_some_and(|(depth, _)| *depth == self.depth)
    }

    /// `a::b::c`, unless it goes on from a type: `<T>::b::c`.
    fn path_of_code(&mut self, first: &str, source: &mut Source) {
        let goes_on = *self.before() == Token::Path;
        if !goes_on && !self.is_method() && !self.is_variant() {
            source.words.insert(first.to_owned());
        }
        let mut path = vec![first.to_owned()];
        self.at += 1;
        while let (Token::Path, Some(word)) = (self.peek(0), self.peek(1).word()) {
            path.push(word.to_owned());
            self.at += 2;
        }
        if path.len() > 1 && !goes_on && !self.is_relative_in_macro(&path) {
            source.paths.push((self.scope(), path));
        }
    }

    fn module(&mut self, name: String, source: &mut Source) {
        let scope = self.scope();
        let path = self.path.take();
        if *self.peek(2) == Token::Sign('{') {
            let inner = [scope, vec![name]].concat();
            source.modules.push(inner.clone());
            self.depth += 1;
            self.scopes.push((self.depth, inner));
            self.at += 3;
        } else {
            source.declared.push(Declared { scope, name, path });
            self.at += 2;
        }
    }

    fn uses(&mut self, source: &mut Source) {
        // `pub use`, `pub(crate) use`.
        let public = self.before().is("pub") || *self.before() == Token::Sign(')');
        self.at += 1;
        if *self.peek(0) == Token::Path {
            // `use ::package::name`.
            self.at += 1;
        }
        let mut found = Vec::new();
        self.tree(&[], &mut found);
        let scope = self.scope();
        found.retain(|(path, _)| !self.is_relative_in_macro(path));
        source.uses.extend(found.into_iter().map(|(path, name)| Use { scope: scope.clone(), path, name, public }));
    }

    /// One branch of a `use`, up to the comma, brace or semicolon behind it.
    fn tree(&mut self, prefix: &[String], found: &mut Vec<(Segments, Option<String>)>) {
        let mut path = prefix.to_vec();
        loop {
            match self.peek(0).clone() {
                Token::Word(word) => path.push(word),
                Token::Path => {}
                Token::Sign('*') => {
                    self.at += 1;
                    return found.push((path, None));
                }
                Token::Sign('{') => return self.branches(&path, found),
                _ => break,
            }
            self.at += 1;
            if self.peek(0).is("as") {
                let name = self.peek(1).word().unwrap_or_default().to_owned();
                self.at += 2;
                return found.push((path, Some(name)));
            }
        }
        // `a::b::{self}` is `a::b`.
        if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
            path.pop();
        }
        found.push((path.clone(), path.last().cloned()));
    }

    fn branches(&mut self, prefix: &[String], found: &mut Vec<(Segments, Option<String>)>) {
        self.at += 1;
        while *self.peek(0) != Token::Sign('}') && self.at < self.tokens.len() {
            if *self.peek(0) == Token::Sign(',') {
                self.at += 1;
            } else {
                self.tree(prefix, found);
            }
        }
        self.at += 1;
    }
}

mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::read(text, &["own".to_owned()])
    }

    fn joined(path: &[String]) -> String {
        path.join("::")
    }

    fn uses(text: &str) -> Vec<String> {
        let shown = |import: &Use| {
            let name = import.name.as_deref().unwrap_or("*");
            format!("{}{} = {}", if import.public { "pub " } else { "" }, name, joined(&import.path))
        };
        source(text).uses.iter().map(shown).collect()
    }

    #[test]
    fn uses_may_nest_rename_and_go_over_lines() {
        let text = "
            use crate::a::{
                self, b::{C, d::E as F}, // a comment, { and }
                g::*,
            };
            pub(crate) use super::h as i; use ::std::fmt; pub use self::j::k;
        ";
        let expected = [
            "a = crate::a",
            "C = crate::a::b::C",
            "F = crate::a::b::d::E",
            "* = crate::a::g",
            "pub i = super::h",
            "fmt = std::fmt",
            "pub k = self::j::k",
        ];
        assert_eq!(uses(text), expected);
    }

    #[test]
    fn what_only_looks_like_a_use_is_none() {
        assert_eq!(uses("fn f<'a>() -> impl Fn() + use<'a> { r#use(); x.use_it() }"), [""; 0]);
        assert_eq!(
            uses("macro_rules! m { ($d:path) => { use $d as d; use super::x; use crate::y; }; }"),
            ["y = crate::y"]
        );
    }

    #[test]
    fn items_stand_in_their_modules_and_not_in_bodies() {
        let text = "
            pub const fn f() { const INNER: u8 = 0; struct Inner; }
            impl S { fn method() {} const C: u8 = 0; }
            static mut X: u8 = 0; type T = fn(u8); macro_rules! m { () => {} }
            mod inner { pub trait U { fn g(); } }
            enum V { A { x: u8 } }
        ";
        let items: Vec<String> =
            source(text).items.iter().map(|(scope, name)| format!("{} {name}", joined(scope))).collect();
        assert_eq!(items, ["own f", "own X", "own T", "own m", "own::inner U", "own V"]);
    }

    #[test]
    fn modules_are_declared_with_the_names_of_their_files() {
        let text = r#"
            mod a;
            #[cfg(feature = "b")] pub mod b;
            #[cfg(not(feature = "b"))] #[path = "b_off.rs"] mod b;
            #[cfg_attr(not(feature = "c"), path = "c_off.rs")] mod c;
            mod d { mod e; }
            #[cfg(test)] mod tests;
        "#;
        let shown = |declared: &Declared| format!("{}::{} {:?}", joined(&declared.scope), declared.name, declared.path);
        let declared: Vec<String> = source(text).declared.iter().map(shown).collect();
        let expected = [
            "own::a None",
            "own::b None",
            r#"own::b Some(("b_off.rs", false))"#,
            r#"own::c Some(("c_off.rs", true))"#,
            "own::d::e None",
        ];
        assert_eq!(declared, expected);
    }

    #[test]
    fn words_are_names_that_may_come_from_elsewhere() {
        let text = "
            pub enum E { Variant, #[x] Other(Inner, Second), Third { f: Field } }
            fn f() { a::B; x.method(); S { ..BASE }; E::Variant }
        ";
        let words = source(text).words;
        let found = |word: &str| words.contains(word);
        assert!(["Inner", "Second", "Field", "a", "x", "S", "BASE", "E"].into_iter().all(found), "{words:?}");
        assert!(!["Variant", "Other", "Third", "B", "method"].into_iter().any(found), "{words:?}");
    }

    #[test]
    fn paths_of_code_have_the_module_in_which_they_stand() {
        let text = "
            fn f() { crate::a::b::<u8>(); <T as super::C>::d(); x::y!(z::w) }
            mod inner { fn g() -> self::H { super::i::j } }
            #[arg(value_parser = words::parse)] struct S;
            macro_rules! m { () => { super::no::no(); $crate::k::l } }
        ";
        let shown = |(scope, path): &(Segments, Segments)| format!("{} {}", joined(scope), joined(path));
        let paths: Vec<String> = source(text).paths.iter().map(shown).collect();
        let expected = [
            "own crate::a::b",
            "own super::C",
            "own x::y",
            "own z::w",
            "own::inner self::H",
            "own::inner super::i::j",
            "own words::parse",
            "own crate::k::l",
        ];
        assert_eq!(paths, expected);
    }
}
