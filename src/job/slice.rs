//! The scores of the documents of a slice. A journal holds a vector that several pairs share only
//! once.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::scorer::{QueryReading, Scored, UnitVector};

/// The scores of a list's documents in a slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListSlice {
    pub list: usize,
    pub reading: QueryReading,
    pub document_tokens: u64,
    /// The pairs, in the order of the list.
    pub pairs: Vec<Scored>,
}

/// The scores of the documents of a slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "StoredSlice", from = "StoredSlice")]
pub struct Slice {
    /// The lists that have documents in it.
    pub lists: Vec<ListSlice>,
    /// Tokens of the distinct texts.
    pub tokens: u64,
}

/// [`Slice`] with the vectors of its pairs stored separately.
#[derive(Debug, Serialize, Deserialize)]
struct StoredSlice {
    lists: Vec<ListSlice>,
    tokens: u64,
    vectors: Vec<UnitVector>,
    /// For each pair, list by list, the number of its vector from 1; 0 for none.
    numbers: Vec<u32>,
}

impl From<Slice> for StoredSlice {
    fn from(slice: Slice) -> Self {
        let mut stored = Self { lists: slice.lists, tokens: slice.tokens, vectors: Vec::new(), numbers: Vec::new() };
        // Pairs that share a vector are pairs of one text.
        let mut number_of = HashMap::new();
        for pair in stored.lists.iter_mut().flat_map(|list| &mut list.pairs) {
            let number = pair.vector.take().map_or(0, |vector| {
                *number_of.entry(vector.as_slice().as_ptr()).or_insert_with(|| {
                    stored.vectors.push(vector);
                    stored.vectors.len() as u32
                })
            });
            stored.numbers.push(number);
        }
        stored
    }
}

impl From<StoredSlice> for Slice {
    fn from(stored: StoredSlice) -> Self {
        let StoredSlice { mut lists, tokens, vectors, numbers } = stored;
        for (pair, number) in lists.iter_mut().flat_map(|list| &mut list.pairs).zip(numbers) {
            pair.vector = (number as usize).checked_sub(1).and_then(|at| vectors.get(at)).cloned();
        }
        Self { lists, tokens }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_come_back_with_their_pairs_and_a_shared_one_is_stored_once() {
        let pair = |score: f32, vector: Option<&UnitVector>| {
            let mut pair = Scored::new(score);
            pair.vector = vector.cloned();
            pair
        };
        let (a, b) = (UnitVector::new(&[1.0, 0.0]).unwrap(), UnitVector::new(&[0.6, 0.8]).unwrap());
        let list = |list: usize, pairs: Vec<Scored>| ListSlice {
            list,
            reading: QueryReading::default(),
            document_tokens: 3,
            pairs,
        };
        let lists = vec![
            list(0, vec![pair(0.1, Some(&a)), pair(0.2, None), pair(0.3, Some(&b))]),
            list(4, vec![pair(0.4, Some(&a))]),
        ];
        let slice = Slice { lists, tokens: 9 };
        let stored = StoredSlice::from(slice.clone());
        assert_eq!((stored.vectors.len(), stored.numbers.as_slice()), (2, &[1, 0, 2, 1][..]));
        let bytes = postcard::to_stdvec(&slice).unwrap();
        let again: Slice = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(again, slice);
        assert!(std::ptr::eq(
            again.lists[0].pairs[0].vector.as_ref().unwrap().as_slice(),
            again.lists[1].pairs[0].vector.as_ref().unwrap().as_slice()
        ));
    }
}
