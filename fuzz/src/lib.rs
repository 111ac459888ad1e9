//! Targets that feed bytes to nearsort's parsers. A target passes if it returns: with an answer or
//! with an error, never by a panic. `src/bin/mutate.rs` drives them without a fuzzer;
//! `fuzz_targets/` are the same for `cargo fuzz`.

mod folder;
pub mod mutation;
mod targets;

/// One parser under test.
pub struct Target {
    pub name: &'static str,
    /// Parses the bytes; says whether they were good to the end.
    pub run: fn(&[u8]) -> bool,
    /// Valid inputs, to be mutated.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Pieces of the format that mutations put in.
    pub words: &'static [&'static str],
}

pub use targets::TARGETS;

/// Gives bytes to the target of that name.
///
/// # Panics
/// If there is no such target, and where the parser panics: that is what is looked for.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    let _ = (target.run)(data);
}
