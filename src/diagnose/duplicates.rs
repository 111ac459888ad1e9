//! Equal and nearly equal texts within a list.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;
use rayon::prelude::*;

use super::figures::{EXAMPLES, share};
use super::lists::{ObservedList, Scene};
use super::report::Duplicates;

/// Words per shingle. This is long enough that other texts on the same topic share hardly any.
const SHINGLE_WORDS: usize = 5;
/// Number of hashes kept of a document. The estimate of a Jaccard index of 0.8 then has a standard
/// error of 0.05.
const SKETCH: usize = 64;
/// Minimum Jaccard index of the shingles of two nearly equal texts. One changed word in a hundred
/// gives 0.9, ten of them 0.4.
const NEAR: f64 = 0.8;
/// Number of hashes of the union in only one of the texts that puts the index below [`NEAR`].
const FEWEST_OTHERS: usize = ((1.0 - NEAR) * SKETCH as f64) as usize;
/// Number of candidates of a list that are compared with each other, the first stage's best: 20,000
/// pairs.
const COMPARED: usize = 200;

/// The smallest hashes of a text's shingles (a bottom-k sketch; Cohen and Kaplan, 2007).
struct Sketch {
    /// Ascending, distinct, at most [`SKETCH`].
    hashes: Vec<u64>,
    /// The number of distinct shingles of the text.
    shingles: usize,
}

/// The duplicates, and a few pairs of ids of equal and of nearly equal texts.
pub(super) struct FoundDuplicates {
    pub duplicates: Duplicates,
    pub same_pairs: Vec<String>,
    pub near_pairs: Vec<String>,
}

#[derive(Default)]
struct ListDuplicates {
    repeated: usize,
    same: usize,
    near: usize,
    compared: usize,
    same_pair: Option<String>,
    near_pair: Option<String>,
}

pub(super) fn duplicates(scene: &Scene<'_>) -> FoundDuplicates {
    let documents = &scene.observations.documents;
    let mut is_wanted = vec![false; documents.len()];
    let top = |list: &ObservedList<'_>| list.first_order[..list.first_order.len().min(COMPARED)].to_vec();
    for list in &scene.lists {
        top(list).into_iter().for_each(|place| is_wanted[list.candidates[place as usize].document] = true);
    }
    let sketch = |(at, document): (usize, &super::Document)| {
        (is_wanted[at] && !document.is_empty()).then(|| Sketch::new(&document.text))
    };
    let sketches: Vec<Option<Sketch>> = documents.par_iter().enumerate().map(sketch).collect();
    let lists: Vec<ListDuplicates> = scene.lists.par_iter().map(|list| of_list(list, &top(list), &sketches)).collect();
    let sum = |count: fn(&ListDuplicates) -> usize| lists.iter().map(count).sum::<usize>();
    let all: usize = scene.lists.iter().map(|list| list.query.candidates.len()).sum();
    let pairs = |pair: fn(&ListDuplicates) -> &Option<String>| {
        lists.iter().filter_map(pair_of(pair)).take(EXAMPLES).collect::<Vec<_>>()
    };
    FoundDuplicates {
        duplicates: Duplicates {
            repeated_ids: sum(|list| list.repeated),
            same_text_share: share(sum(|list| list.same), all),
            near_share: share(sum(|list| list.near), sum(|list| list.compared)),
        },
        same_pairs: pairs(|list| &list.same_pair),
        near_pairs: pairs(|list| &list.near_pair),
    }
}

fn pair_of(pair: fn(&ListDuplicates) -> &Option<String>) -> impl Fn(&ListDuplicates) -> Option<String> {
    move |list| pair(list).clone()
}

fn of_list(list: &ObservedList<'_>, top: &[u32], sketches: &[Option<Sketch>]) -> ListDuplicates {
    let repeated = list.query.candidates.len() - list.candidates.len();
    let mut found = ListDuplicates { repeated, ..ListDuplicates::default() };
    let mut first_with: HashMap<&str, &str, FixedState> = HashMap::default();
    for document in list.documents.iter().filter(|document| !document.is_empty()) {
        match first_with.get(document.text.trim()) {
            Some(earlier) => {
                found.same += 1;
                found.same_pair.get_or_insert_with(|| format!("{earlier} = {}", document.id));
            }
            None => drop(first_with.insert(document.text.trim(), &document.id)),
        }
    }
    let mut before: Vec<(u32, &Sketch)> = Vec::new();
    for &place in top {
        let Some(sketch) = &sketches[list.candidates[place as usize].document] else { continue };
        found.compared += 1;
        let text = |place: u32| list.documents[place as usize].text.trim();
        // Equal texts are counted above; the first of them represents all.
        if before.iter().any(|(other, earlier)| earlier.hashes == sketch.hashes && text(*other) == text(place)) {
            continue;
        }
        if let Some((other, _)) = before.iter().find(|(_, earlier)| earlier.jaccard(sketch) >= NEAR) {
            found.near += 1;
            let id = |place: u32| &list.documents[place as usize].id;
            found.near_pair.get_or_insert_with(|| format!("{} ~ {}", id(*other), id(place)));
        }
        before.push((place, sketch));
    }
    found
}

impl Sketch {
    /// Makes a sketch of the words in lower case; only letters and digits count. A text with fewer
    /// words than a shingle is one shingle.
    fn new(text: &str) -> Self {
        let word_hash = |word: &str| {
            let mut hasher = FixedState::default().build_hasher();
            word.chars().flat_map(char::to_lowercase).for_each(|c| c.hash(&mut hasher));
            hasher.finish()
        };
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let words: Vec<u64> = words.map(word_hash).collect();
        let shingles = words.windows(SHINGLE_WORDS.min(words.len().max(1)));
        let mut hashes: Vec<u64> = shingles.map(|shingle| FixedState::default().hash_one(shingle)).collect();
        hashes.sort_unstable();
        hashes.dedup();
        let shingles = hashes.len();
        hashes.truncate(SKETCH);
        Self { hashes, shingles }
    }

    /// Returns the estimated Jaccard index: the share of common hashes among the smallest ones of
    /// both. Returns 0 if it is surely below [`NEAR`].
    fn jaccard(&self, other: &Self) -> f64 {
        let (fewer, more) = (self.shingles.min(other.shingles), self.shingles.max(other.shingles));
        if (fewer as f64) < NEAR * more as f64 {
            return 0.0;
        }
        let (mut a, mut b) = (self.hashes.as_slice(), other.hashes.as_slice());
        let (mut common, mut looked_at) = (0, 0);
        while looked_at < SKETCH {
            let (Some(&x), Some(&y)) = (a.first(), b.first()) else { break };
            common += usize::from(x == y);
            looked_at += 1;
            if looked_at - common > FEWEST_OTHERS {
                return 0.0;
            }
            (a, b) = (&a[usize::from(x <= y)..], &b[usize::from(y <= x)..]);
        }
        // If both sketches are complete, the rest of one is in the union too.
        looked_at += (a.len() + b.len()).min(SKETCH - looked_at);
        share(common, looked_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(from: usize, to: usize) -> String {
        (from..to).map(|word| format!("word{word} ")).collect()
    }

    #[test]
    fn the_jaccard_index_of_short_texts_is_exact() {
        let of = |a: &str, b: &str| Sketch::new(a).jaccard(&Sketch::new(b));
        assert_eq!(of("One, two; three four FIVE six.", "one two three four five six"), 1.0);
        // 36 shingles of 40 words each, 32 of them common.
        let (a, b) = (words(0, 40), words(4, 44));
        assert_eq!(of(&a, &b), 32.0 / 40.0);
        assert_eq!(of(&words(0, 40), &words(50, 90)), 0.0);
        assert_eq!(of("two words", "two words"), 1.0);
        assert_eq!(of("two words", "other words"), 0.0);
    }

    #[test]
    fn the_jaccard_index_of_long_texts_is_close() {
        let long = Sketch::new(&words(0, 1004));
        let (near, far) = (Sketch::new(&words(50, 1054)), Sketch::new(&words(500, 1504)));
        assert!((long.jaccard(&near) - 950.0 / 1050.0).abs() < 0.1, "{}", long.jaccard(&near));
        assert!(long.jaccard(&far) < NEAR);
    }
}
