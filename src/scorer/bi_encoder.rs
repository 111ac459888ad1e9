//! Scores from one encoder pass over each text: the cosine of the embeddings, MaxSim over the token
//! vectors, or both.
//!
//! Texts are scored as they leave the encoder, against every query whose list has them. A
//! candidate's token vectors are not kept, and the embedding of its best window only for feedback
//! ([`BiEncoderScorer::with_vectors`]). Memory depends on the queries and on the number of scores,
//! not on the candidates' lengths.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::explanation::{Explanation, Match, matches_of_words};
use super::pieces::{Best, OfPieces, Piece, Places, lengths_of_texts, windows};
use super::{
    CandidateList, LongText, QueryReading, ScoreKind, ScoreParts, Scored, ScoredList, Scorer, Scoring, UnitVector,
    WhyNot, score_one_list,
};
use crate::call::Call;
use crate::encoder::{EncodedLengths, EncodedText, Encoder, ModelInfo, Role};
use crate::similarity::{DocumentTokens, QueryTokens, cosine_similarity};
use crate::{Error, Result};

/// A scorer of candidates by the vectors of an encoder.
pub struct BiEncoderScorer {
    encoder: Arc<dyn Encoder>,
    scoring: Scoring,
    long_text: LongText,
    keeps_windows: bool,
    keeps_vectors: bool,
}

/// An encoded query.
struct QueryVectors {
    vector: Vec<f32>,
    tokens: Option<QueryTokens>,
}

impl BiEncoderScorer {
    /// Creates a scorer with this encoder's vectors. Every encoder supports [`Scoring::Cosine`]
    /// with [`LongText::Truncate`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when the encoder gives no token vectors and they are needed.
    pub fn new(encoder: Arc<dyn Encoder>, scoring: Scoring, long_text: LongText) -> Result<Self> {
        if encoder.token_encoder().is_none() && (scoring.needs_tokens() || long_text == LongText::Window) {
            let message = "this encoder gives no token vectors; it can only score by cosine and truncate long texts";
            return Err(Error::InvalidArgument(message.into()));
        }
        check_vectors(encoder.as_ref(), scoring)?;
        Ok(Self { encoder, scoring, long_text, keeps_windows: false, keeps_vectors: false })
    }

    /// Creates a scorer by cosine similarity alone, which every encoder supports.
    pub fn cosine(encoder: Arc<dyn Encoder>) -> Self {
        let (scoring, long_text) = (Scoring::Cosine, LongText::Truncate);
        Self { encoder, scoring, long_text, keeps_windows: false, keeps_vectors: false }
    }

    /// Sets whether the score of every window is kept in [`Scored::windows`], where long texts are
    /// read in windows.
    pub fn keeping_windows(self, keeps_windows: bool) -> Self {
        Self { keeps_windows, ..self }
    }

    /// Sets whether pairs keep the embedding of their candidate's best window ([`Scored::vector`]).
    /// It takes 1.5 KB for each text of 384 numbers; the pairs of a text share it if they have the
    /// same window. A model without embeddings of texts gives none. Default: no.
    pub fn with_vectors(self, keeps_vectors: bool) -> Self {
        Self { keeps_vectors: keeps_vectors && self.encoder.has_text_vectors(), ..self }
    }

    /// Encodes texts and passes each to `sink`, with its token vectors if the encoder has them.
    fn encode_each(
        &self,
        texts: &[&str],
        role: Role,
        call: &Call<'_>,
        sink: &(dyn Fn(usize, &EncodedText<'_>) + Sync),
    ) -> Result<EncodedLengths> {
        if let Some(encoder) = self.encoder.token_encoder() {
            return encoder.encode_each(texts, role, call, sink);
        }
        let embeddings = self.encoder.encode_with(texts, role, call)?;
        let no_tokens = ndarray::ArrayView2::from_shape((0, 0), &[]).map_err(|e| failed(&e))?;
        for (index, vector) in embeddings.vectors.rows().into_iter().enumerate() {
            sink(index, &EncodedText { vector: &vector.to_vec(), tokens: no_tokens });
        }
        let unknown = vec![0; texts.len()];
        let own = Vec::new();
        Ok(EncodedLengths { tokens: embeddings.tokens, own, unknown, truncated: embeddings.truncated })
    }

    fn encode_queries(
        &self,
        lists: &[CandidateList<'_>],
        call: &Call<'_>,
    ) -> Result<(Vec<QueryVectors>, EncodedLengths)> {
        check_vectors(self.encoder.as_ref(), self.scoring)?;
        let texts: Vec<&str> = lists.iter().map(|list| list.query).collect();
        let vectors: Mutex<Vec<Option<QueryVectors>>> = Mutex::new(texts.iter().map(|_| None).collect());
        let lengths = self.encode_each(&texts, Role::Query, call, &|index, text| {
            let tokens = self.scoring.needs_tokens().then(|| QueryTokens::new(text.tokens));
            let query = QueryVectors { vector: text.vector.to_vec(), tokens };
            vectors.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(query);
        })?;
        let vectors = vectors.into_inner().unwrap_or_else(PoisonError::into_inner);
        let vectors = vectors.into_iter().collect::<Option<Vec<_>>>();
        let vectors = vectors.ok_or_else(|| failed(&"the encoder lost a query"))?;
        // Otherwise every candidate would score NaN, and the error would name the first one.
        match vectors.iter().position(|query| !self.can_score_by(query)) {
            Some(index) => Err(Error::QueryNotANumber { index }),
            None => Ok((vectors, lengths)),
        }
    }

    /// Returns true if the query's numbers that this scoring reads are finite.
    fn can_score_by(&self, query: &QueryVectors) -> bool {
        let is_read = self.scoring != Scoring::MaxSim;
        let vector_is_finite = !is_read || query.vector.iter().all(|x| x.is_finite());
        vector_is_finite && query.tokens.as_ref().is_none_or(QueryTokens::is_finite)
    }

    fn pieces(&self, texts: &[&str], call: &Call<'_>) -> Result<Vec<Piece>> {
        let whole = |(text, content): (usize, &&str)| Piece { text, range: 0..content.len() };
        let Some(encoder) = self.encoder.token_encoder().filter(|_| self.long_text == LongText::Window) else {
            return Ok(texts.iter().enumerate().map(whole).collect());
        };
        let mut pieces = Vec::with_capacity(texts.len());
        for (text, content) in texts.iter().enumerate() {
            call.check()?;
            let windows = encoder.windows(content, Role::Document);
            let windows = windows.map_err(|error| error.renumbered(|query| query, |_| text))?;
            pieces.extend(windows.into_iter().map(|range| Piece { text, range }));
        }
        Ok(pieces)
    }

    /// Returns the score of an encoded text against a query; `tokens` are the text's.
    fn score_pair(
        &self,
        query: &QueryVectors,
        vector: &[f32],
        tokens: Option<&DocumentTokens>,
    ) -> Result<(f32, ScoreParts)> {
        let cosine = match self.scoring {
            Scoring::MaxSim => 0.0,
            Scoring::Cosine | Scoring::Hybrid => cosine_similarity(&query.vector, vector)?,
        };
        let maxsim = query.tokens.as_ref().zip(tokens).map_or(0.0, |(query, tokens)| query.maxsim(tokens));
        let parts = ScoreParts { cosine, maxsim };
        Ok((self.scoring.combine(cosine, maxsim), parts))
    }

    /// Scores the pieces of every pair. Returns the results list by list, and the pieces' lengths.
    fn score_pieces(
        &self,
        queries: &[QueryVectors],
        lists: &[CandidateList<'_>],
        texts: &[&str],
        pieces: &[Piece],
        call: &Call<'_>,
    ) -> Result<(Vec<Vec<OfPieces>>, EncodedLengths)> {
        let places = Places::new(lists, texts.len());
        let none = OfPieces { best: Best::NONE, all: Vec::new() };
        let empty = lists.iter().map(|list| vec![none.clone(); list.candidates.len()]).collect::<Vec<_>>();
        let keeps_all = self.keeps_windows && self.long_text == LongText::Window;
        let best = Mutex::new(Ok(empty));
        let contents: Vec<&str> = pieces.iter().map(|piece| &texts[piece.text][piece.range.clone()]).collect();
        let lengths = self.encode_each(&contents, Role::Document, call, &|piece, encoded| {
            let tokens = self.scoring.needs_tokens().then(|| DocumentTokens::new(encoded.tokens));
            let places = &places.of_text[pieces[piece].text];
            let score = |&(list, _): &(usize, usize)| self.score_pair(&queries[list], encoded.vector, tokens.as_ref());
            let scores: Result<Vec<(f32, ScoreParts)>> = places.iter().map(score).collect();
            let vector = self.keeps_vectors.then(|| UnitVector::new(encoded.vector)).flatten();
            let mut best = best.lock().unwrap_or_else(PoisonError::into_inner);
            match (&mut *best, scores) {
                (Ok(best), Ok(scores)) => {
                    for (&(list, place), (value, parts)) in places.iter().zip(scores) {
                        let of_piece = Best::of(value, parts, piece, &pieces[piece]).with_vector(vector.clone());
                        best[list][place].add(of_piece, keeps_all);
                    }
                }
                (Ok(_), Err(error)) => *best = Err(error),
                (Err(_), _) => {}
            }
        });
        let text_of = |piece: usize| pieces.get(piece).map_or(piece, |piece| piece.text);
        let lengths = lengths.map_err(|error| error.renumbered(|query| query, text_of))?;
        Ok((best.into_inner().unwrap_or_else(PoisonError::into_inner)?, lengths))
    }

    fn scored(
        &self,
        scores: Vec<OfPieces>,
        list: &CandidateList<'_>,
        pieces: &[Piece],
        lengths: &EncodedLengths,
    ) -> Vec<Scored> {
        let window = |best: &Best| pieces.get(best.piece).map_or(0..0, |piece| piece.range.clone());
        let pair = |(OfPieces { best, all }, &text): (OfPieces, &usize)| Scored {
            parts: (self.scoring == Scoring::Hybrid).then_some(best.parts),
            tokens: lengths.tokens[text],
            unknown: lengths.unknown[text],
            truncated: lengths.truncated[text],
            window: (self.long_text == LongText::Window).then(|| window(&best)),
            windows: windows(&all, pieces),
            vector: best.vector,
            why_not: lengths.is_nothing(text).then_some(WhyNot::NoText),
            ..Scored::new(best.value)
        };
        scores.into_iter().zip(list.candidates).map(pair).collect()
    }
}

/// Refuses a scoring that needs vectors which the model does not have.
fn check_vectors(encoder: &dyn Encoder, scoring: Scoring) -> Result<()> {
    if encoder.has_text_vectors() || scoring == Scoring::MaxSim {
        return Ok(());
    }
    let name = encoder.model().map_or_else(|| "this".to_owned(), |model| model.name);
    Err(Error::InvalidArgument(format!(
        "{name} is a late-interaction (ColBERT) model, which scores by maxsim alone: it has no vector of a text for the scoring '{scoring}'"
    )))
}

fn failed(message: &dyn fmt::Display) -> Error {
    Error::Compute { context: "scoring failed".into(), message: message.to_string() }
}

impl Scorer for BiEncoderScorer {
    fn kind(&self) -> ScoreKind {
        self.scoring.kind()
    }

    fn model(&self) -> Option<ModelInfo> {
        self.encoder.model()
    }

    fn fingerprint(&self) -> Result<Option<String>> {
        self.encoder.fingerprint().map(Some)
    }

    fn vector_dim(&self) -> Option<usize> {
        self.keeps_vectors.then(|| self.encoder.dim())
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList> {
        score_one_list(self, query, candidates)
    }

    fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[&str], call: &Call<'_>) -> Result<Vec<ScoredList>> {
        let (queries, query_lengths) = self.encode_queries(lists, call)?;
        let pieces = self.pieces(texts, call)?;
        let (scores, lengths) = self.score_pieces(&queries, lists, texts, &pieces, call)?;
        let lengths = lengths_of_texts(&pieces, &lengths, texts);
        let query = |number: usize| QueryReading {
            tokens: query_lengths.tokens[number],
            truncated: query_lengths.truncated[number],
            unknown: query_lengths.is_unknown(number),
        };
        let answer = |(number, (scores, list)): (usize, (Vec<OfPieces>, &CandidateList<'_>))| ScoredList {
            query: query(number),
            ..self.scored(scores, list, &pieces, &lengths).into()
        };
        Ok(scores.into_iter().zip(lists).enumerate().map(answer).collect())
    }

    fn explain(&self, query: &str, candidate: &str, call: &Call<'_>) -> Result<Option<Explanation>> {
        let Some(encoder) = self.encoder.token_encoder() else { return Ok(None) };
        // All parts that the model has are shown, even if they are not part of the score.
        let has_cosine = self.encoder.has_text_vectors();
        let scoring = if has_cosine { Scoring::Hybrid } else { Scoring::MaxSim };
        let all = Self { encoder: Arc::clone(&self.encoder), scoring, keeps_vectors: false, ..*self };
        let (queries, _) = all.encode_queries(&[CandidateList { query, candidates: &[] }], call)?;
        let [QueryVectors { vector, tokens: Some(tokens) }] = queries.as_slice() else {
            return Err(failed(&"the encoder lost a query"));
        };
        let pieces = all.pieces(&[candidate], call)?;
        let contents: Vec<&str> = pieces.iter().map(|piece| &candidate[piece.range.clone()]).collect();
        let best = Mutex::new((Best::NONE, Vec::new()));
        all.encode_each(&contents, Role::Document, call, &|piece, encoded| {
            let of_piece = DocumentTokens::new(encoded.tokens);
            // Vectors of one encoder have equal lengths; NaN would be seen below.
            let cosine = if has_cosine { cosine_similarity(vector, encoded.vector).unwrap_or(f32::NAN) } else { 0.0 };
            let parts = ScoreParts { cosine, maxsim: tokens.maxsim(&of_piece) };
            let value = self.scoring.combine(parts.cosine, parts.maxsim);
            let mut best = best.lock().unwrap_or_else(PoisonError::into_inner);
            best.0.raise(Best::of(value, parts, piece, &pieces[piece]));
            if best.0.piece == piece {
                best.1 = tokens.matches(&of_piece);
            }
        })?;
        let (Best { value, parts, piece, .. }, matches) = best.into_inner().unwrap_or_else(PoisonError::into_inner);
        if value.is_nan() {
            return Err(Error::NotANumber { index: 0 });
        }
        let window = pieces.get(piece).map_or(0..0, |piece| piece.range.clone());
        let query_ranges = encoder.token_ranges(query, Role::Query)?;
        let candidate_ranges = encoder.token_ranges(&candidate[window.clone()], Role::Document)?;
        let place = |(query, (token, similarity)): (Range<usize>, (usize, f32))| {
            // Special tokens, and those that fill a query up, are not words.
            let found = candidate_ranges.get(token).filter(|found| !found.is_empty() && !query.is_empty())?;
            Some(Match { query, candidate: found.start + window.start..found.end + window.start, similarity })
        };
        let matches: Vec<Match> = query_ranges.into_iter().zip(matches).filter_map(place).collect();
        let shown = [(ScoreKind::Cosine, parts.cosine), (ScoreKind::MaxSim, parts.maxsim)];
        Ok(Some(Explanation {
            parts: shown.into_iter().filter(|(kind, _)| has_cosine || *kind != ScoreKind::Cosine).collect(),
            matches: matches_of_words(query, candidate, &matches),
        }))
    }
}
