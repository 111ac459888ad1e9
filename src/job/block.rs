//! A block of lists. It is scored with one encoding of every document, and is in memory as a whole.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::named::of_query;
use super::slice::{ListSlice, Slice};
use crate::blend::Blend;
use crate::call::Call;
use crate::io::{Corpus, Query, Row};
use crate::ranking;
use crate::reranker::Reranker;
use crate::scorer::{CandidateList, MAX_FEEDBACK_CANDIDATES, QueryReading, Scored, ScoredList};
use crate::{JobError, Result};

/// Maximum number of queries of a block. A document that several of them share is encoded once.
/// Their token vectors are in memory, some 50 KB each.
pub const MAX_LISTS: usize = 1024;
/// Maximum number of pairs of a block, unless one list has more; some 40 bytes each.
pub const MAX_PAIRS: usize = 1 << 20;
/// Maximum bytes of the embeddings of a block's pairs, unless one list has more.
const MAX_VECTOR_BYTES: usize = 256 << 20;
/// Number of documents of a slice. Their texts are in memory, and the journal gets one record per
/// slice. Every slice encodes its queries again, so its size grows with the number of queries. With
/// eight documents of some hundred tokens per query, that costs one or two per cent.
pub const SLICE_DOCUMENTS: RangeInclusive<usize> = 512..=8192;
const DOCUMENTS_PER_LIST: usize = 8;

/// A query and its candidates, which are documents of a block.
pub struct JobList {
    pub query: Query,
    /// Positions of documents, best first by the first stage.
    pub documents: Vec<usize>,
    /// First-stage scores, one per document.
    pub first_stage: Vec<Option<f64>>,
}

/// Lists and the documents that they name.
pub struct Block {
    pub lists: Vec<JobList>,
    pub documents: Documents,
}

/// Documents in memory, or their positions in a corpus.
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

/// The scores of a list.
#[derive(Debug, Default)]
pub struct ListScores {
    pub reading: QueryReading,
    pub document_tokens: u64,
    /// The pairs, in the order of the list's documents.
    pub pairs: Vec<Scored>,
}

/// The documents and lists that are scored together.
#[derive(Debug, Default, PartialEq)]
struct SliceCut {
    /// Positions of documents, ascending. (If whole lists are needed: list by list.)
    documents: Vec<usize>,
    /// The lists in it, each with the positions of the documents in the list.
    lists: Vec<(usize, Vec<usize>)>,
}

/// A block that is being scored: the scores of its finished slices.
pub struct BlockScoring {
    pub block: Block,
    done: Vec<Slice>,
    cuts: Vec<SliceCut>,
    feedback: Vec<ListFeedback>,
}

/// The settings of a list that its feedback depends on.
struct ListFeedback {
    /// True if the list gets feedback.
    is_on: bool,
    /// True if first-stage scores are blended in.
    is_blended: bool,
}

/// Returns the maximum number of pairs of a block, unless one list has more. `vector_dim`: the
/// dimension of their vectors, if these are kept.
pub fn max_pairs(vector_dim: Option<usize>) -> usize {
    let of_vectors = |dim: usize| MAX_VECTOR_BYTES / (dim.max(1) * size_of::<f32>());
    vector_dim.map_or(MAX_PAIRS, |dim| of_vectors(dim).min(MAX_PAIRS))
}

/// Cuts a block by documents: each document is in one slice, a list may be in several.
fn cut_documents(block: &Block) -> Vec<SliceCut> {
    let slice_documents =
        (block.lists.len() * DOCUMENTS_PER_LIST).clamp(*SLICE_DOCUMENTS.start(), *SLICE_DOCUMENTS.end());
    let count = block.documents.len();
    let of_slice = |first: usize| SliceCut {
        documents: (first..(first + slice_documents).min(count)).collect(),
        lists: Vec::new(),
    };
    let mut cuts: Vec<SliceCut> = (0..count).step_by(slice_documents).map(of_slice).collect();
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

/// Cuts by lists: each list is in one slice as a whole, a document may be in several. A slice ends
/// with the list that fills it.
fn cut_lists(lists: &[JobList]) -> Vec<SliceCut> {
    let mut cuts = Vec::new();
    let mut cut = SliceCut::default();
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

impl BlockScoring {
    /// Prepares a block for this reranker. It is cut into whole lists if the reranker needs them.
    pub fn new(block: Block, reranker: &Reranker) -> Self {
        let cuts = if reranker.needs_whole_lists() { cut_lists(&block.lists) } else { cut_documents(&block) };
        let is_blended =
            |list: &JobList| reranker.blend() != Blend::None && list.first_stage.iter().any(Option::is_some);
        let of_list = |list: &JobList| {
            let is_blended = is_blended(list);
            ListFeedback { is_on: reranker.feedback().weight(is_blended).is_some(), is_blended }
        };
        let feedback = block.lists.iter().map(of_list).collect();
        Self { block, done: Vec::new(), cuts, feedback }
    }

    /// Returns the number of documents that are already scored. One that is in several slices
    /// counts once.
    pub fn num_done(&self) -> usize {
        let done = self.cuts[..self.done.len()].iter().flat_map(|cut| &cut.documents);
        done.collect::<HashSet<_>>().len()
    }

    /// Returns the tokens of the finished slices.
    pub fn num_tokens(&self) -> u64 {
        self.done.iter().map(|slice| slice.tokens).sum()
    }

    /// Adds the next slice, as it was recorded in the journal.
    pub fn push(&mut self, slice: Slice) -> Result<()> {
        let cut = self.cuts.get(self.done.len());
        let expected = cut.map(|cut| cut.lists.iter().map(|(list, places)| (*list, places.len())));
        let found = slice.lists.iter().map(|list| (list.list, list.pairs.len()));
        if !expected.is_some_and(|expected| expected.eq(found)) {
            return Err(JobError::CannotGoOn { why: "its journal does not fit its inputs".into() }.into());
        }
        self.done.push(slice);
        self.forget_vectors();
        Ok(())
    }

    /// Drops the vectors that no feedback needs any more, for the lists of the newest slice.
    fn forget_vectors(&mut self) {
        let lists: Vec<usize> =
            self.done.last().map_or(Vec::new(), |slice| slice.lists.iter().map(|list| list.list).collect());
        for list in lists {
            let Some(contenders) = self.contenders(list, None) else { continue };
            for (slice, cut) in self.done.iter_mut().zip(&self.cuts) {
                for (of_slice, (at, places)) in slice.lists.iter_mut().zip(&cut.lists) {
                    if *at == list {
                        keep_vectors(&mut of_slice.pairs, places, &contenders);
                    }
                }
            }
        }
    }

    /// Returns the candidates with vectors that can still be among a list's best, judged by the
    /// finished slices and `next`. `None` means all.
    fn contenders(&self, list: usize, next: Option<&Slice>) -> Option<HashSet<usize>> {
        let (all, is_blended) = (&self.block.lists[list], self.feedback[list].is_blended);
        if all.documents.len() <= MAX_FEEDBACK_CANDIDATES {
            return None;
        }
        let both = |(pair, &place): (&Scored, &usize)| match (pair.is_scored(), is_blended) {
            (true, true) => (place, f64::from(pair.score), first_stage_score(all, place)),
            (true, false) => (place, f64::from(pair.ranked_by), f64::NEG_INFINITY),
            (false, _) => (place, f64::NEG_INFINITY, first_stage_score(all, place)),
        };
        let mut among = Vec::new();
        for (slice, cut) in self.done.iter().chain(next).zip(&self.cuts) {
            for (of_slice, (_, places)) in slice.lists.iter().zip(&cut.lists).filter(|(_, (at, _))| *at == list) {
                let with_vector = of_slice.pairs.iter().zip(places).filter(|(pair, _)| pair.vector.is_some());
                among.extend(with_vector.map(both));
            }
        }
        Some(ranking::undominated(&among, MAX_FEEDBACK_CANDIDATES).into_iter().collect())
    }

    /// Scores the next slice; `None` if all are finished.
    pub fn next_slice(&self, reranker: &Reranker, call: &Call<'_>) -> Result<Option<Slice>> {
        let Some(SliceCut { documents, lists: places }) = self.cuts.get(self.done.len()) else { return Ok(None) };
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
        let mut slice = Slice { lists, tokens: tokens.iter().sum() };
        self.keep_needed_vectors(&mut slice, places);
        Ok(Some(slice))
    }

    /// Drops the vectors of a new slice that no feedback needs.
    fn keep_needed_vectors(&self, slice: &mut Slice, places: &[(usize, Vec<usize>)]) {
        let needed: Vec<Option<HashSet<usize>>> = places
            .iter()
            .map(|&(list, _)| match self.feedback[list].is_on {
                true => self.contenders(list, Some(slice)),
                false => Some(HashSet::new()),
            })
            .collect();
        for ((list, (_, places)), needed) in slice.lists.iter_mut().zip(places).zip(&needed) {
            needed.iter().for_each(|needed| keep_vectors(&mut list.pairs, places, needed));
        }
    }

    /// Returns the scores of every list, once all slices are finished.
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

/// Returns the first-stage score; the worst if there is none.
fn first_stage_score(list: &JobList, place: usize) -> f64 {
    list.first_stage[place].unwrap_or(f64::NEG_INFINITY)
}

/// Drops the vectors of pairs whose positions are not among those needed.
fn keep_vectors(pairs: &mut [Scored], places: &[usize], needed: &HashSet<usize>) {
    let dropped = pairs.iter_mut().zip(places).filter(|(_, place)| !needed.contains(place));
    dropped.for_each(|(pair, _)| pair.vector = None);
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Mutex;

    use crate::io::{ReadOptions, Rows};
    use crate::model::Model;
    use crate::scorer::{ScoreKind, Scorer};

    use super::*;

    /// Scores each candidate by its place from the end of its list, and records the lengths of the
    /// lists.
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

    /// Returns lists that share documents, one of them empty, over more documents than a slice has.
    fn block() -> Block {
        let list = |at: usize, documents: Vec<usize>| JobList {
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
        let mut scoring = BlockScoring::new(block(), &reranker);
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
