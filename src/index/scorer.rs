//! Scoring of candidates that are rows of an index: only the query is encoded.

use std::sync::{Arc, Mutex, PoisonError};

use ndarray::Array2;
use rayon::prelude::*;

use super::vectors::RowVector;
use super::{Index, tokens};
use crate::call::Call;
use crate::encoder::{Embeddings, EncodedLengths, Encoder, Role};
use crate::ranking::Hit;
use crate::scorer::{QueryReading, ScoreKind, ScoreParts, Scored, ScoredList, Scoring, UnitVector, WhyNot};
use crate::similarity::QueryTokens;
use crate::threads::on_shared;
use crate::{Error, Result};

/// Minimum number of rows that a thread scores at a time.
const ROWS_PER_TASK: usize = 16;

/// An encoded query.
pub struct IndexQuery {
    vector: Vec<f32>,
    row: RowVector,
    tokens: Option<QueryTokens>,
    reading: QueryReading,
}

impl IndexQuery {
    /// Returns the embedding, `[dim]`.
    pub fn vector(&self) -> &[f32] {
        &self.vector
    }

    /// Returns the facts about the query's text, such as truncation.
    pub fn reading(&self) -> QueryReading {
        self.reading
    }
}

/// Scores rows of an index.
pub struct IndexScorer {
    index: Arc<Index>,
    encoder: Arc<dyn Encoder>,
    scoring: Scoring,
}

impl IndexScorer {
    /// Creates a scorer with this encoder and index. The default of `scoring` is hybrid if the
    /// index has token vectors, else cosine.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for another model than the index's, and for a scoring that needs
    /// token vectors that the index lacks.
    pub fn new(index: Arc<Index>, encoder: Arc<dyn Encoder>, scoring: Option<Scoring>) -> Result<Self> {
        index.check_model(encoder.as_ref())?;
        let scoring = scoring.unwrap_or(if index.has_tokens() { Scoring::Hybrid } else { Scoring::Cosine });
        if scoring != Scoring::Cosine && !(index.has_tokens() && encoder.token_encoder().is_some()) {
            return Err(Error::InvalidArgument(format!(
                "the scoring '{scoring}' needs token vectors, and the index {} has none; use `scoring=cosine`, or build the index with `tokens=`",
                index.folder().display()
            )));
        }
        Ok(Self { index, encoder, scoring })
    }

    /// Returns the index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Returns the scoring.
    pub fn scoring(&self) -> Scoring {
        self.scoring
    }

    /// Returns the kind of the scores.
    pub fn kind(&self) -> ScoreKind {
        self.scoring.kind()
    }

    /// Encodes queries for [`IndexScorer::score`], within a call.
    ///
    /// # Errors
    /// Errors of the encoder; [`Error::Cancelled`]; [`Error::DeadlineExceeded`];
    /// [`Error::InvalidArgument`] for an empty query; [`Error::QueryNotANumber`].
    pub fn encode(&self, queries: &[&str], call: &Call<'_>) -> Result<Vec<IndexQuery>> {
        if queries.iter().any(|query| query.trim().is_empty()) {
            return Err(Error::InvalidArgument("the query is empty".into()));
        }
        let vectors: Vec<Mutex<(Vec<f32>, Option<QueryTokens>)>> = queries.iter().map(|_| Mutex::default()).collect();
        let lengths = match self.encoder.token_encoder() {
            Some(encoder) => {
                let needs_tokens = self.scoring != Scoring::Cosine;
                let keep = |index: usize, text: &crate::encoder::EncodedText<'_>| {
                    let tokens = needs_tokens.then(|| QueryTokens::new(text.tokens));
                    *vectors[index].lock().unwrap_or_else(PoisonError::into_inner) = (text.vector.to_vec(), tokens);
                };
                encoder.encode_each(queries, Role::Query, call, &keep)?
            }
            None => {
                let embeddings = self.encoder.encode_with(queries, Role::Query, call)?;
                for (vector, row) in vectors.iter().zip(embeddings.vectors.rows()) {
                    vector.lock().unwrap_or_else(PoisonError::into_inner).0 = row.to_vec();
                }
                let Embeddings { tokens, truncated, .. } = embeddings;
                EncodedLengths { unknown: vec![0; tokens.len()], tokens, own: Vec::new(), truncated }
            }
        };
        let query = |(position, vectors): (usize, Mutex<_>)| {
            let (vector, tokens): (Vec<f32>, Option<QueryTokens>) =
                vectors.into_inner().unwrap_or_else(PoisonError::into_inner);
            let is_finite = vector.iter().all(|x| x.is_finite()) && tokens.as_ref().is_none_or(QueryTokens::is_finite);
            if !is_finite {
                return Err(Error::QueryNotANumber { index: position });
            }
            Ok(IndexQuery {
                row: self.index.query(position, &vector)?,
                vector,
                tokens,
                reading: QueryReading {
                    tokens: lengths.tokens[position],
                    truncated: lengths.truncated[position],
                    unknown: lengths.is_unknown(position),
                },
            })
        };
        vectors.into_iter().enumerate().map(query).collect()
    }

    /// Returns one score per row, in the rows' order. The score of a pair does not depend on the
    /// other rows. A row without text scores -1, below all others.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a row that does not exist or was deleted;
    /// [`Error::Corrupted`].
    pub fn score(&self, query: &IndexQuery, rows: &[u64]) -> Result<ScoredList> {
        let scored = rows.par_iter().with_min_len(ROWS_PER_TASK).map(|&row| self.score_row(query, row));
        let pairs: Vec<Scored> = on_shared(|| scored.collect::<Result<_>>())?;
        Ok(ScoredList { query: query.reading, ..pairs.into() })
    }

    fn score_row(&self, query: &IndexQuery, row: u64) -> Result<Scored> {
        let (segment, local) = self.index.place(row)?;
        let segment = &self.index.segments[segment];
        if segment.is_deleted(local) {
            return Err(Error::InvalidArgument(format!("row {row} of the index was deleted")));
        }
        let mut cosine = [0.0];
        if self.scoring != Scoring::MaxSim {
            let at = local as usize;
            segment.check_rows(at..at + 1)?;
            segment.vectors().slice(at..at + 1, segment.row_len()).score(&query.row, &mut cosine, &mut Vec::new());
        }
        if cosine[0].is_nan() {
            return Err(segment.impossible_score(local as usize));
        }
        let maxsim = match (&query.tokens, segment.token_bytes(local)?) {
            (Some(query), Some(bytes)) => query.maxsim(&tokens::decode(bytes, self.index.model().token_dim)),
            _ => 0.0,
        };
        let parts = (self.scoring == Scoring::Hybrid).then_some(ScoreParts { cosine: cosine[0], maxsim });
        Ok(match segment.is_empty_text(local) {
            true => Scored { parts, why_not: Some(WhyNot::NoText), ..Scored::new(self.kind().lowest()) },
            false => Scored { parts, ..Scored::new(self.scoring.combine(cosine[0], maxsim)) },
        })
    }

    /// Returns the unit vector of a row as the index stores it, padded with zeros; `None` for a
    /// vector of zeros.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for a row that does not exist; [`Error::Corrupted`].
    pub(crate) fn unit_vector(&self, row: u64) -> Result<Option<UnitVector>> {
        let (segment, local) = self.index.place(row)?;
        let (segment, at) = (&self.index.segments[segment], local as usize);
        segment.check_rows(at..at + 1)?;
        let row = segment.vectors().slice(at..at + 1, segment.row_len());
        Ok(UnitVector::new(row.widen(&mut Vec::new())))
    }

    /// Searches by the queries' embeddings, like [`Index::search_with`].
    ///
    /// # Errors
    /// As [`Index::search_with`].
    pub fn search(&self, queries: &[IndexQuery], top_k: usize, call: &Call<'_>) -> Result<Vec<Vec<Hit>>> {
        let dim = self.index.model().dim;
        let vectors = queries.iter().flat_map(|query| query.vector.iter().copied()).collect();
        let vectors = Array2::from_shape_vec((queries.len(), dim), vectors);
        let vectors = vectors.map_err(|e| Error::InvalidArgument(e.to_string()))?;
        self.index.search_with(vectors.view(), top_k, call)
    }
}
