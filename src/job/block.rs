//! A block of lists: what is scored with one encoding of every document, and held in memory together.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::named::of_query;
use crate::call::Call;
use crate::io::{Corpus, Query, Row};
use crate::reranker::Reranker;
use crate::scorer::{CandidateList, QueryReading, Scored, ScoredList};
use crate::{JobError, Result};

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

    pub fn row(&self, at: usize) -> Result<Cow<'_, Row>> {
        Ok(match self {
            Self::Rows(rows) => Cow::Borrowed(&rows[at]),
            Self::Corpus(corpus, positions) => Cow::Owned(corpus.row(positions[at])?),
        })
    }
}

/// What became of a list in a slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListSlice {
    pub list: usize,
    pub reading: QueryReading,
    pub document_tokens: u64,
    /// In the order of the list.
    pub pairs: Vec<Scored>,
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
    pub reading: QueryReading,
    pub document_tokens: u64,
    /// As the list's documents.
    pub pairs: Vec<Scored>,
}

/// What is scored at a time.
#[derive(Debug, Default, PartialEq)]
struct Cut {
    /// Positions of documents, ascending.
    documents: Vec<usize>,
    /// The lists in it, with the places of their documents.
    lists: Vec<(usize, Vec<usize>)>,
}

/// A block on its way: scores of the slices that are done.
pub struct Scoring {
    pub block: Block,
    done: Vec<Slice>,
    cuts: Vec<Cut>,
}

/// Cuts by documents: each is in one slice, a list may be in several.
fn cut_documents(block: &Block) -> Vec<Cut> {
    let slice_documents =
        (block.lists.len() * DOCUMENTS_PER_LIST).clamp(*SLICE_DOCUMENTS.start(), *SLICE_DOCUMENTS.end());
    let count = block.documents.len();
    let of_slice =
        |first: usize| Cut { documents: (first..(first + slice_documents).min(count)).collect(), lists: Vec::new() };
    let mut cuts: Vec<Cut> = (0..count).step_by(slice_documents).map(of_slice).collect();
    for (at, list) in block.lists.iter().enumerate() {
        for (place, &document) in list.documents.iter().enumerate() {
            let slice = &mut cuts[document / slice_documents].lists;
            match slice.last_mut() {
                Some((last, places)) if *last == at => places.push(place),
                _ => slice.push((at, vec![place])),
            }
        }
    }
    cuts
}

/// Cuts by lists: each is whole in one slice, a document may be in several. A slice ends with the list that fills it.
fn cut_lists(lists: &[List]) -> Vec<Cut> {
    let mut cuts = Vec::new();
    let mut cut = Cut::default();
    for (at, list) in lists.iter().enumerate().filter(|(_, list)| !list.documents.is_empty()) {
        cut.documents.extend(&list.documents);
        cut.lists.push((at, (0..list.documents.len()).collect()));
        if cut.documents.len() >= *SLICE_DOCUMENTS.start() {
            cuts.push(std::mem::take(&mut cut));
        }
    }
    cuts.extend((!cut.lists.is_empty()).then_some(cut));
    for cut in &mut cuts {
        cut.documents.sort_unstable();
        cut.documents.dedup();
    }
    cuts
}

impl Scoring {
    /// `whole_lists`: the scores of a list depend on all of it ([`Reranker::needs_whole_lists`]).
    pub fn new(block: Block, whole_lists: bool) -> Self {
        let cuts = if whole_lists { cut_lists(&block.lists) } else { cut_documents(&block) };
        Self { block, done: Vec::new(), cuts }
    }

    /// Documents that need not be scored again; one that is in several slices counts once.
    pub fn num_done(&self) -> usize {
        let done = self.cuts[..self.done.len()].iter().flat_map(|cut| &cut.documents);
        done.collect::<HashSet<_>>().len()
    }

    /// Tokens of the slices that are done.
    pub fn num_tokens(&self) -> u64 {
        self.done.iter().map(|slice| slice.tokens).sum()
    }

    /// Takes the next slice as it was recorded.
    pub fn push(&mut self, slice: Slice) -> Result<()> {
        let cut = self.cuts.get(self.done.len());
        let expected = cut.map(|cut| cut.lists.iter().map(|(list, places)| (*list, places.len())));
        let found = slice.lists.iter().map(|list| (list.list, list.pairs.len()));
        if !expected.is_some_and(|expected| expected.eq(found)) {
            return Err(JobError::CannotGoOn { why: "its journal does not fit its inputs".into() }.into());
        }
        self.done.push(slice);
        Ok(())
    }

    /// Scores the next slice; `None` when all are done.
    pub fn next_slice(&self, reranker: &Reranker, call: &Call<'_>) -> Result<Option<Slice>> {
        let Some(Cut { documents, lists: places }) = self.cuts.get(self.done.len()) else { return Ok(None) };
        let rows = documents.iter().map(|&at| self.block.documents.row(at)).collect::<Result<Vec<_>>>()?;
        let texts: Vec<Cow<'_, str>> = rows.iter().map(|row| row.passage()).collect();
        let position: HashMap<usize, usize> =
            documents.iter().enumerate().map(|(at, &document)| (document, at)).collect();
        let candidates: Vec<Vec<usize>> = places
            .iter()
            .map(|(list, places)| {
                places.iter().map(|&place| position[&self.block.lists[*list].documents[place]]).collect()
            })
            .collect();
        let asked = places.iter().zip(&candidates);
        let asked: Vec<CandidateList<'_>> = asked
            .map(|((list, _), candidates)| CandidateList { query: &self.block.lists[*list].query.text, candidates })
            .collect();
        let query = |at: usize| places.get(at).map(|(list, _)| &self.block.lists[*list].query);
        let scored = reranker.score_lists(&asked, &texts, call).map_err(|error| of_query(error, query))?;
        let mut tokens = vec![0; texts.len()];
        for (scored, candidates) in scored.iter().zip(&candidates) {
            candidates.iter().zip(&scored.pairs).for_each(|(&at, pair)| tokens[at] = u64::from(pair.tokens));
        }
        let slice = |((list, _), scored): (&(usize, Vec<usize>), ScoredList)| {
            let ScoredList { query: reading, pairs, document_tokens, .. } = scored;
            ListSlice { list: *list, reading, document_tokens, pairs }
        };
        let lists = places.iter().zip(scored).map(slice).collect();
        Ok(Some(Slice { lists, tokens: tokens.iter().sum() }))
    }

    /// The scores of a list once all slices are done.
    pub fn scores(&self) -> Vec<ListScores> {
        let mut scores: Vec<ListScores> = self.block.lists.iter().map(|_| ListScores::default()).collect();
        let mut placed: Vec<Vec<(usize, &Scored)>> = vec![Vec::new(); scores.len()];
        for (slice, cut) in self.done.iter().zip(&self.cuts) {
            for (list, (at, places)) in slice.lists.iter().zip(&cut.lists) {
                scores[*at].reading.merge(list.reading);
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Mutex;

    use crate::io::{ReadOptions, Rows};
    use crate::model::Model;
    use crate::scorer::{ScoreKind, Scorer};

    use super::*;

    /// Gives each candidate its place from the end of its list, and notes how long the lists were that it saw.
    #[derive(Default)]
    struct ByPlace {
        lengths: Mutex<Vec<usize>>,
        whole: bool,
    }

    impl Scorer for ByPlace {
        fn kind(&self) -> ScoreKind {
            ScoreKind::Place
        }

        fn needs_whole_lists(&self) -> bool {
            self.whole
        }

        fn score(&self, _: &str, candidates: &[&str]) -> Result<ScoredList> {
            self.lengths.lock().unwrap().push(candidates.len());
            Ok((1..=candidates.len()).map(|place| 1.0 / place as f32).collect::<Vec<f32>>().into())
        }
    }

    /// Lists that share documents, one of them empty, over more documents than a slice has.
    fn block() -> Block {
        let list = |at: usize, documents: Vec<usize>| List {
            query: Query::new(at.to_string(), "q"),
            first_stage: vec![None; documents.len()],
            documents,
        };
        let last = SLICE_DOCUMENTS.start() + 1;
        let long = (0..=last).rev().collect();
        let texts: String = (0..=last).map(|at| format!("text {at}\n")).collect();
        let rows = Rows::new(Cursor::new(texts), "texts.txt", &ReadOptions::default()).unwrap();
        let lists = [vec![last, 0, 5], vec![], long, vec![5, last]];
        let lists = lists.into_iter().enumerate().map(|(at, documents)| list(at, documents)).collect();
        Block { lists, documents: Documents::Rows(rows.map(|row| row.unwrap()).collect()) }
    }

    fn scored(whole: bool) -> (Vec<usize>, Vec<ListScores>) {
        let scorer = Arc::new(ByPlace { whole, ..ByPlace::default() });
        let reranker = Reranker::new(Model::from_scorer(Arc::clone(&scorer) as Arc<dyn Scorer>));
        let mut scoring = Scoring::new(block(), reranker.needs_whole_lists());
        while let Some(slice) = scoring.next_slice(&reranker, &Call::new()).unwrap() {
            scoring.push(slice).unwrap();
        }
        assert_eq!(scoring.num_done(), scoring.block.documents.len());
        let lengths = scorer.lengths.lock().unwrap().clone();
        (lengths, scoring.scores())
    }

    #[test]
    fn a_scorer_that_needs_whole_lists_gets_them_whole_and_once() {
        let all = SLICE_DOCUMENTS.start() + 2;
        let (lengths, scores) = scored(true);
        assert_eq!(lengths, [3, all, 2]);
        let values = |at: usize| scores[at].pairs.iter().map(|pair| pair.score).collect::<Vec<f32>>();
        assert_eq!(values(0), [1.0, 0.5, 1.0 / 3.0]);
        assert!(values(1).is_empty());
        assert_eq!((values(2).len(), values(2)[0], values(2)[all - 1]), (all, 1.0, 1.0 / all as f32));
        assert_eq!(values(3), [1.0, 0.5]);
    }

    #[test]
    fn other_scorers_see_every_document_in_one_slice() {
        let (lengths, scores) = scored(false);
        assert_eq!(lengths, [2, *SLICE_DOCUMENTS.start(), 1, 1, 2, 1]);
        assert_eq!(
            scores.iter().map(|list| list.pairs.len()).collect::<Vec<_>>(),
            [3, 0, SLICE_DOCUMENTS.start() + 2, 2]
        );
    }
}
