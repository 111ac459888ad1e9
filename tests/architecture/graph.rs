//! The files of a package as a graph: which file uses names that another one defines.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use super::source::{Declared, Segments, Source};

/// What a module holds, whatever the files it is in.
#[derive(Debug, Default)]
struct Module {
    files: BTreeSet<String>,
    children: BTreeSet<String>,
    items: BTreeMap<String, BTreeSet<String>>,
    uses: BTreeMap<String, Vec<Segments>>,
    globs: Vec<Segments>,
    words: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Item { file: String, name: String },
    Module(Segments),
}

/// The files of one package that its root leads to, and their imports.
pub struct Graph {
    /// For each file, the files whose names it uses, with these names.
    pub uses: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// Paths that begin in the package and lead nowhere: `file: path`.
    pub unresolved: BTreeSet<String>,
}

/// Files that reach each other.
pub type Circle = BTreeSet<String>;

impl Graph {
    /// Reads the package whose root file is `root`; `read` gives a file's text if it exists.
    pub fn read(root: &str, read: impl Fn(&str) -> Option<String>) -> Self {
        let sources = sources(root, &read);
        let names = Names::of(&sources);
        let mut graph = Graph { uses: BTreeMap::new(), unresolved: BTreeSet::new() };
        for (file, source) in &sources {
            graph.uses.entry(file.clone()).or_default();
            graph.add_uses(file, source, &names);
            graph.add_paths(file, source, &names);
        }
        graph
    }

    /// Of the package in the folder `src`; files are named from `root`.
    pub fn of_folder(root: &Path, file: &str) -> Self {
        Self::read(file, |path| std::fs::read_to_string(root.join(path)).ok())
    }

    fn add(&mut self, file: &str, targets: &[Target]) {
        for target in targets {
            let Target::Item { file: other, name } = target else { continue };
            if other != file {
                let names = self.uses.entry(file.to_owned()).or_default().entry(other.clone()).or_default();
                names.insert(name.clone());
            }
        }
    }

    fn add_uses(&mut self, file: &str, source: &Source, names: &Names) {
        for import in &source.uses {
            let Some(path) = names.absolute(&import.scope, &import.path) else { continue };
            let targets = names.resolve(&path);
            if targets.is_empty() {
                self.unresolved.insert(format!("{file}: {}", import.path.join("::")));
            }
            match &import.name {
                // What a file only hands on is its own definer's.
                Some(name) if import.public && !source.words.contains(name) => {}
                Some(name) => {
                    self.add(file, &targets);
                    if !source.paths.iter().any(|(_, path)| path[0] == *name) {
                        self.add(file, &names.faces(&targets));
                    }
                }
                None => {
                    self.add(file, &targets);
                    let of_glob = |word: &String| names.declared(&[path.clone(), vec![word.clone()]].concat());
                    source.words.iter().filter(|_| !import.public).for_each(|word| self.add(file, &of_glob(word)));
                }
            }
        }
    }

    fn add_paths(&mut self, file: &str, source: &Source, names: &Names) {
        for (scope, path) in &source.paths {
            let Some(absolute) = names.absolute(scope, path) else { continue };
            let targets = names.resolve(&absolute);
            if targets.is_empty() {
                self.unresolved.insert(format!("{file}: {}", path.join("::")));
            }
            self.add(file, &targets);
        }
    }

    /// Number of pairs of files.
    pub fn arrows(&self) -> usize {
        self.uses.values().map(BTreeMap::len).sum()
    }

    /// The largest sets of two files and more that all reach each other.
    pub fn circles(&self) -> Vec<Circle> {
        let reached: BTreeMap<&String, BTreeSet<&String>> =
            self.uses.keys().map(|file| (file, self.reach(file))).collect();
        let mut circles: Vec<Circle> = Vec::new();
        for (file, others) in &reached {
            let back = others.iter().filter(|other| reached[**other].contains(file)).map(|other| (*other).clone());
            let circle: Circle = back.chain([(*file).clone()]).collect();
            if circle.len() > 1 && !circles.contains(&circle) {
                circles.push(circle);
            }
        }
        circles
    }

    fn reach(&self, file: &str) -> BTreeSet<&String> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&String> = self.uses[file].keys().collect();
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(self.uses[next].keys());
            }
        }
        reached
    }

    /// The imports that hold a circle together, one a line.
    pub fn ties(&self, circle: &Circle) -> String {
        let mut lines = String::new();
        for file in circle {
            for (other, names) in self.uses[file].iter().filter(|(other, _)| circle.contains(*other)) {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                lines += &format!("\n  {file} -> {other}: {}", names.join(", "));
            }
        }
        lines
    }
}

/// Every file that the root leads to by `mod`, with its source.
fn sources(root: &str, read: &impl Fn(&str) -> Option<String>) -> Vec<(String, Source)> {
    let mut found = Vec::new();
    let mut open = vec![(root.to_owned(), Segments::new())];
    while let Some((file, module)) = open.pop() {
        let text = read(&file).unwrap_or_else(|| panic!("{file} is missing"));
        let source = Source::read(&text, &module);
        for declared in &source.declared {
            let child = [declared.scope.clone(), vec![declared.name.clone()]].concat();
            let inline = &declared.scope[module.len()..];
            let files = files_of(&file, inline, declared).into_iter().filter(|path| read(path).is_some());
            let files: Vec<String> = files.collect();
            assert!(!files.is_empty(), "{file}: no file of `mod {}`", declared.name);
            open.extend(files.into_iter().map(|path| (path, child.clone())));
        }
        found.push((file, source));
    }
    found
}

/// Where the text of a declared module may stand.
fn files_of(file: &str, inline: &[String], declared: &Declared) -> Vec<String> {
    let path = Path::new(file);
    let folder = path.parent().unwrap_or(Path::new(""));
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let is_face = ["mod", "lib", "main"].contains(&stem.as_ref());
    let inside =
        inline.iter().fold(if is_face { folder.to_owned() } else { folder.join(&*stem) }, |at, name| at.join(name));
    let name = &declared.name;
    let usual = [inside.join(format!("{name}.rs")), inside.join(name).join("mod.rs")];
    let files = match &declared.path {
        None => usual.to_vec(),
        Some((other, false)) => vec![folder.join(other)],
        Some((other, true)) => [&usual[..], &[folder.join(other)]].concat(),
    };
    files.iter().map(|path| plain(path)).collect()
}

/// `src/io/../text.rs` -> `src/text.rs`.
fn plain(path: &Path) -> String {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part == Component::ParentDir {
            plain.pop();
        } else {
            plain.push(part)
        }
    }
    plain.to_string_lossy().into_owned()
}

/// Imports that are followed from one name.
const HOPS: usize = 16;

/// Every name of a package, by module.
struct Names {
    modules: BTreeMap<Segments, Module>,
}

impl Names {
    fn of(sources: &[(String, Source)]) -> Self {
        let mut modules: BTreeMap<Segments, Module> = BTreeMap::new();
        for (file, source) in sources {
            for module in &source.modules {
                let own = modules.entry(module.clone()).or_default();
                own.files.insert(file.clone());
                own.words.extend(source.words.iter().cloned());
                if let Some((name, parent)) = module.split_last() {
                    modules.entry(parent.to_vec()).or_default().children.insert(name.clone());
                }
            }
            for (scope, item) in &source.items {
                let items = &mut modules.entry(scope.clone()).or_default().items;
                items.entry(item.clone()).or_default().insert(file.clone());
            }
            for import in &source.uses {
                let module = modules.entry(import.scope.clone()).or_default();
                match &import.name {
                    Some(name) => module.uses.entry(name.clone()).or_default().push(import.path.clone()),
                    None => module.globs.push(import.path.clone()),
                }
            }
        }
        Self { modules }
    }

    /// The path from the package's root; `None` when it begins in another package.
    fn absolute(&self, scope: &[String], path: &[String]) -> Option<Segments> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([scope, rest].concat()),
            "super" => {
                let mut parent = scope.split_last()?.1;
                let ups = rest.iter().take_while(|segment| *segment == "super").count();
                for _ in 0..ups {
                    parent = parent.split_last()?.1;
                }
                Some([parent, &rest[ups..]].concat())
            }
            name => {
                let module = self.modules.get(scope)?;
                // `use half::bf16;` makes `bf16::from_f32` a path of another package.
                let bound = |name: &str| module.uses.get(name).into_iter().flatten();
                let own_use = bound(name).any(|path| path[0] != *name && self.absolute(scope, path).is_some());
                let own = module.children.contains(name) || module.items.contains_key(name) || own_use;
                own.then(|| [scope, path].concat())
            }
        }
    }

    /// What a path names; nothing where it leads nowhere.
    fn resolve(&self, path: &[String]) -> Vec<Target> {
        let targets = self.resolve_within(path, HOPS, false);
        if targets.is_empty() { self.resolve_within(path, HOPS, true) } else { targets }
    }

    /// What a path names if a text declares it.
    fn declared(&self, path: &[String]) -> Vec<Target> {
        self.resolve_within(path, HOPS, false)
    }

    /// `hops` bounds the imports that are followed, for they may go round. With `by_macro`, an item
    /// that no text declares is in the module whose text has its name: a macro makes it.
    fn resolve_within(&self, path: &[String], hops: usize, by_macro: bool) -> Vec<Target> {
        let Some(hops) = hops.checked_sub(1) else { return Vec::new() };
        let mut scope = Segments::new();
        for (index, segment) in path.iter().enumerate() {
            let Some(module) = self.modules.get(&scope) else { return Vec::new() };
            let (rest, is_last) = (&path[index + 1..], index + 1 == path.len());
            let is_child = module.children.contains(segment);
            let items = module.items.get(segment).filter(|_| is_last || !is_child);
            // A module of two files may define a name in one and import it in the other.
            if items.is_some() || !is_child {
                let item = |file: &String| Target::Item { file: file.clone(), name: segment.clone() };
                let mut targets: Vec<Target> = items.into_iter().flatten().map(item).collect();
                if items.is_none() || module.files.len() > 1 {
                    targets.extend(self.resolve_import(
                        &scope,
                        module,
                        [std::slice::from_ref(segment), rest].concat(),
                        hops,
                        by_macro,
                    ));
                }
                if targets.is_empty() && by_macro && module.words.contains(segment) {
                    targets.extend(module.files.iter().map(item));
                }
                return targets;
            }
            scope.push(segment.clone());
        }
        vec![Target::Module(scope)]
    }

    /// A path whose first name a module has by a `use`.
    fn resolve_import(
        &self,
        scope: &[String],
        module: &Module,
        path: Segments,
        hops: usize,
        by_macro: bool,
    ) -> Vec<Target> {
        let follow = |import: &Segments, behind: &[String], by_macro: bool| {
            let absolute = self.absolute(scope, import).filter(|_| import[0] != path[0] || import.len() > 1);
            absolute.map_or(Vec::new(), |absolute| self.resolve_within(&[&absolute, behind].concat(), hops, by_macro))
        };
        if let Some(imports) = module.uses.get(&path[0]) {
            return imports.iter().flat_map(|import| follow(import, &path[1..], by_macro)).collect();
        }
        let is_module = |import: &&Segments| matches!(follow(import, &[], false)[..], [Target::Module(_)]);
        module.globs.iter().filter(is_module).flat_map(|import| follow(import, &path, false)).collect()
    }

    /// The files of modules that are named without a name in them.
    fn faces(&self, targets: &[Target]) -> Vec<Target> {
        let mut faces = Vec::new();
        for target in targets {
            let Target::Module(module) = target else { continue };
            let name = module.last().cloned().unwrap_or_default();
            let files = self.modules.get(module).into_iter().flat_map(|module| &module.files);
            faces.extend(files.map(|file| Target::Item { file: file.clone(), name: name.clone() }));
        }
        faces
    }
}

mod tests {
    use super::*;

    /// The arrows between the files of a package, and its circles.
    fn read(files: &[(&str, &str)]) -> (Vec<String>, Vec<Circle>) {
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        let graph = Graph::read("src/lib.rs", text);
        assert_eq!(graph.unresolved, BTreeSet::new());
        let shorter = |file: &str| file.trim_start_matches("src/").to_owned();
        let arrow = |(from, to, names): (&String, &String, &BTreeSet<String>)| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("{} -> {}: {}", shorter(from), shorter(to), names.join(" "))
        };
        let arrows =
            graph.uses.iter().flat_map(|(from, others)| others.iter().map(move |(to, names)| (from, to, names)));
        (arrows.map(arrow).collect(), graph.circles())
    }

    #[test]
    fn a_name_counts_for_the_file_that_defines_it() {
        let (arrows, circles) = read(&[
            ("src/lib.rs", "mod a; mod b; pub use a::{Deep, Renamed}; pub const VERSION: u8 = 1;"),
            ("src/a/mod.rs", "mod deep; mod other; pub use deep::Deep; pub use other::Old as Renamed; pub struct Own;"),
            ("src/a/deep.rs", "pub struct Deep;"),
            ("src/a/other.rs", "pub struct Old;"),
            ("src/b.rs", "use crate::{Deep, Renamed as R, VERSION}; use crate::a::{self, Own}; fn f() { a::Deep }"),
        ]);
        assert_eq!(
            arrows,
            ["b.rs -> a/deep.rs: Deep", "b.rs -> a/mod.rs: Own", "b.rs -> a/other.rs: Old", "b.rs -> lib.rs: VERSION"]
        );
        assert!(circles.is_empty(), "{circles:?}");
    }

    #[test]
    fn what_a_file_hands_on_and_uses_itself_counts() {
        let (arrows, _) = read(&[
            ("src/lib.rs", "mod a; mod b; mod c; pub use a::A; pub use b::B; pub use c::c; fn f(x: A) { other::B }"),
            ("src/a.rs", "pub struct A;"),
            ("src/b.rs", "pub struct B;"),
            ("src/c.rs", "pub fn c() {}"),
        ]);
        assert_eq!(arrows, ["lib.rs -> a.rs: A"]);
    }

    #[test]
    fn paths_without_a_use_count_too() {
        let (arrows, _) = read(&[
            ("src/lib.rs", "mod a; mod b; mod c; fn f() { a::make(); }"),
            ("src/a.rs", "use super::b; pub fn make() { b::made!(); crate::c::c() } fn other() { half::f16::MAX }"),
            ("src/b.rs", "macro_rules! made { () => {} } use made;"),
            ("src/c.rs", "pub fn c() { super::a::make() }"),
        ]);
        assert_eq!(arrows, ["a.rs -> b.rs: made", "a.rs -> c.rs: c", "c.rs -> a.rs: make", "lib.rs -> a.rs: make"]);
    }

    #[test]
    fn what_a_macro_makes_is_in_the_file_that_names_it() {
        let (arrows, _) = read(&[
            ("src/lib.rs", "mod a; mod c;"),
            ("src/a.rs", "mod b; pub use b::Made;"),
            ("src/a/b.rs", "macro_rules! make { ($name:ident) => { pub struct $name; } } make!(Made);"),
            ("src/c.rs", "use crate::a::Made;"),
        ]);
        assert_eq!(arrows, ["c.rs -> a/b.rs: Made"]);
    }

    #[test]
    fn globs_take_the_names_that_are_mentioned() {
        let (arrows, _) = read(&[
            ("src/lib.rs", "mod a; mod b; mod c;"),
            ("src/a.rs", "pub use crate::b::*; pub struct A; pub struct Unused;"),
            ("src/b.rs", "pub struct B; pub enum E { X }"),
            ("src/c.rs", "use super::a::*; use crate::b::E::*; fn f(a: A, b: B) -> X {}"),
        ]);
        assert_eq!(arrows, ["c.rs -> a.rs: A", "c.rs -> b.rs: B E"]);
    }

    #[test]
    fn a_circle_names_the_files_and_what_ties_them() {
        let files = [
            ("src/lib.rs", "mod a; mod d; mod e;"),
            ("src/a/mod.rs", "mod b;\nmod c;\npub struct A(b::B);"),
            ("src/a/b.rs", "use super::c::C; pub struct B(C);"),
            ("src/a/c.rs", "#[cfg(test)] mod tests { use crate::e::E; } pub struct C(super::A);"),
            ("src/d.rs", "use crate::a::A; pub struct D;"),
            ("src/e.rs", "pub struct E(crate::d::D);"),
        ];
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        let graph = Graph::read("src/lib.rs", text);
        let circles = graph.circles();
        assert_eq!(circles, [Circle::from(["src/a/b.rs", "src/a/c.rs", "src/a/mod.rs"].map(str::to_owned))]);
        let ties = "
  src/a/b.rs -> src/a/c.rs: C
  src/a/c.rs -> src/a/mod.rs: A
  src/a/mod.rs -> src/a/b.rs: B";
        assert_eq!(graph.ties(&circles[0]), ties);
    }

    #[test]
    fn a_module_may_lie_in_two_files() {
        let (arrows, _) = read(&[
            ("src/lib.rs", "mod net; #[cfg(unix)] mod off; fn f() { net::get() }"),
            (
                "src/net.rs",
                "#[path = \"net_on.rs\"] #[cfg(x)] mod way; #[cfg(not(x))] #[path = \"net_off.rs\"] mod way; pub use way::get;",
            ),
            ("src/net_on.rs", "pub fn get() { crate::off::g() }"),
            ("src/net_off.rs", "pub fn get() {}"),
            ("src/off.rs", "pub fn g() {}"),
        ]);
        assert_eq!(arrows, ["lib.rs -> net_off.rs: get", "lib.rs -> net_on.rs: get", "net_on.rs -> off.rs: g"]);
    }

    #[test]
    fn a_path_that_leads_nowhere_is_told() {
        let files = [("src/lib.rs", "mod a;"), ("src/a.rs", "use crate::gone::Gone; fn f() { self::lost() }")];
        let text = |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        let unresolved = Graph::read("src/lib.rs", text).unresolved;
        assert_eq!(
            unresolved,
            BTreeSet::from(["src/a.rs: crate::gone::Gone", "src/a.rs: self::lost"].map(str::to_owned))
        );
    }
}
