//! A block of lists: what is scored with one encoding of every document, and held in memory together.

use std::borrow::Cow;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use nearsort::io::{Corpus, Query, Row};
use nearsort::{CandidateList, Reranker, ScoredCandidates};
use serde::{Deserialize, Serialize};

use crate::Failure;

/// Queries of a block. A document that several of them share is encoded once; their token vectors are in memory, some 50 KB each.
pub const MAX_LISTS: usize = 1024;
/// Pairs of a block, unless one list has more; some 40 bytes each.
pub const MAX_PAIRS: usize = 1 << 20;
/// Documents of a slice: what is encoded between two records of the journal, and whose texts are in memory. Every slice encodes its queries again,
/// so it grows with them: eight documents of some hundred tokens for each query make that one or two per cent.
pub const SLICE_DOCUMENTS: RangeInclusive<usize> = 512..=8192;
const DOCUMENTS_PER_LIST: usize = 8;

/// A query and its candidates among the documents of a block.
pub struct List {
    pub query: Query,
    /// Positions of documents, the first stage's best first.
    pub documents: Vec<usize>,
    /// One per document.
    pub first_stage: Vec<Option<f64>>,
}

/// Lists and the documents that they name.
pub struct Block {
    pub lists: Vec<List>,
    pub documents: Documents,
}

/// Texts at hand, or their places in a corpus.
pub enum Documents {
    Rows(Vec<Row>),
    Corpus(Arc<Corpus>, Vec<u64>),
}

impl Documents {
    pub fn len(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Corpus(_, positions) => positions.len(),
        }
    }

    pub fn row(&self, at: usize) -> Result<Cow<'_, Row>, Failure> {
        Ok(match self {
            Self::Rows(rows) => Cow::Borrowed(&rows[at]),
            Self::Corpus(corpus, positions) => Cow::Owned(corpus.row(positions[at])?),
        })
    }
}

/// What became of a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    pub score: f32,
    pub tokens: u32,
    pub truncated: bool,
    /// The document has no text.
    pub is_empty: bool,
    /// Bytes of the passage that the score comes from, where long texts are read in windows.
    pub window: Option<Range<usize>>,
}

/// What became of a list in a slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListSlice {
    pub list: usize,
    pub query_tokens: u32,
    pub document_tokens: u64,
    /// In the order of the list.
    pub pairs: Vec<Pair>,
}

/// What became of the documents of a slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Only lists that have documents in it.
    pub lists: Vec<ListSlice>,
    /// Tokens of the distinct texts.
    pub tokens: u64,
}

/// The scores of a list.
#[derive(Debug, Default)]
pub struct ListScores {
    pub query_tokens: u32,
    pub document_tokens: u64,
    /// As the list's documents.
    pub pairs: Vec<Pair>,
}

/// A block on its way: scores of the slices that are done.
pub struct Scoring {
    pub block: Block,
    done: Vec<Slice>,
    slice_documents: usize,
    /// For each slice the lists in it, with the places of their documents.
    places: Vec<Vec<(usize, Vec<usize>)>>,
}

impl Scoring {
    pub fn new(block: Block) -> Self {
        let slice_documents =
            (block.lists.len() * DOCUMENTS_PER_LIST).clamp(*SLICE_DOCUMENTS.start(), *SLICE_DOCUMENTS.end());
        let mut places: Vec<Vec<(usize, Vec<usize>)>> =
            vec![Vec::new(); block.documents.len().div_ceil(slice_documents)];
        for (at, list) in block.lists.iter().enumerate() {
            for (place, &document) in list.documents.iter().enumerate() {
                let slice = &mut places[document / slice_documents];
                match slice.last_mut() {
                    Some((last, places)) if *last == at => places.push(place),
                    _ => slice.push((at, vec![place])),
                }
            }
        }
        Self { block, done: Vec::new(), slice_documents, places }
    }

    /// Documents whose scores are there.
    pub fn num_done(&self) -> usize {
        (self.done.len() * self.slice_documents).min(self.block.documents.len())
    }

    /// Tokens of the slices that are done.
    pub fn num_tokens(&self) -> u64 {
        self.done.iter().map(|slice| slice.tokens).sum()
    }

    /// Takes the next slice as it was recorded.
    pub fn push(&mut self, slice: Slice) -> Result<(), Failure> {
        let expected =
            self.places.get(self.done.len()).map(|lists| lists.iter().map(|(list, places)| (*list, places.len())));
        let found = slice.lists.iter().map(|list| (list.list, list.pairs.len()));
        if !expected.is_some_and(|expected| expected.eq(found)) {
            return Err(Failure::Error("the job's journal does not fit its inputs; start again with --restart".into()));
        }
        self.done.push(slice);
        Ok(())
    }

    /// Scores the next slice; `None` when all are done.
    pub fn next_slice(&self, reranker: &Reranker) -> Result<Option<Slice>, Failure> {
        let Some(places) = self.places.get(self.done.len()) else { return Ok(None) };
        let first = self.num_done();
        let end = (first + self.slice_documents).min(self.block.documents.len());
        let rows = (first..end).map(|at| self.block.documents.row(at)).collect::<Result<Vec<_>, _>>()?;
        let texts: Vec<Cow<'_, str>> = rows.iter().map(|row| row.passage()).collect();
        let candidates: Vec<Vec<usize>> = places
            .iter()
            .map(|(list, places)| {
                places.iter().map(|&place| self.block.lists[*list].documents[place] - first).collect()
            })
            .collect();
        let asked = places.iter().zip(&candidates);
        let asked: Vec<CandidateList<'_>> = asked
            .map(|((list, _), candidates)| CandidateList { query: &self.block.lists[*list].query.text, candidates })
            .collect();
        let scored = reranker.score_lists(&asked, &texts)?;
        let mut tokens = vec![0; texts.len()];
        for (scored, candidates) in scored.iter().zip(&candidates) {
            candidates.iter().zip(&scored.tokens).for_each(|(&at, &count)| tokens[at] = u64::from(count));
        }
        let lists = places.iter().zip(&scored).map(|((list, _), scored)| list_slice(*list, scored)).collect();
        Ok(Some(Slice { lists, tokens: tokens.iter().sum() }))
    }

    /// The scores of a list once all slices are done.
    pub fn scores(&self) -> Vec<ListScores> {
        let mut scores: Vec<ListScores> = self.block.lists.iter().map(|_| ListScores::default()).collect();
        let mut placed: Vec<Vec<(usize, &Pair)>> = vec![Vec::new(); scores.len()];
        for (slice, places) in self.done.iter().zip(&self.places) {
            for (list, (at, places)) in slice.lists.iter().zip(places) {
                scores[*at].query_tokens = list.query_tokens;
                scores[*at].document_tokens += list.document_tokens;
                placed[*at].extend(places.iter().copied().zip(&list.pairs));
            }
        }
        for (scores, mut placed) in scores.iter_mut().zip(placed) {
            placed.sort_unstable_by_key(|&(place, _)| place);
            scores.pairs = placed.into_iter().map(|(_, pair)| pair.clone()).collect();
        }
        scores
    }
}

fn list_slice(list: usize, scored: &ScoredCandidates) -> ListSlice {
    let pair = |at: usize| Pair {
        score: scored.scores[at],
        tokens: scored.tokens[at],
        truncated: scored.truncated[at],
        is_empty: scored.empty.binary_search(&at).is_ok(),
        window: scored.best_windows.get(at).cloned(),
    };
    let pairs = (0..scored.scores.len()).map(pair).collect();
    ListSlice { list, query_tokens: scored.query_tokens, document_tokens: scored.document_tokens, pairs }
}
