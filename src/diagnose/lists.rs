//! The observed lists, prepared for trying many orders of them.

use std::collections::HashSet;

use rayon::prelude::*;

use super::Configuration;
use super::halves::Halves;
use super::observations::{Candidate, Document, Observations, ObservedQuery};
use super::options::Options;
use crate::eval::{JudgedCandidates, Resampling};
use crate::io::Grades;
use crate::scorer::list::{FeedbackStep, contenders};
use crate::scorer::{Feedback, MAX_FEEDBACK_CANDIDATES, UnitVector};
use crate::text::is_blank;
use crate::{Blend, Error, LongText, Result, Scoring, ranking};

/// A query's distinct candidates with their data. A place is a position in `candidates`.
pub(super) struct ObservedList<'a> {
    pub query: &'a ObservedQuery,
    pub candidates: Vec<&'a Candidate>,
    pub documents: Vec<&'a Document>,
    /// Positions in the query's candidates, before repeated documents were removed.
    pub positions: Vec<usize>,
    pub judged: JudgedCandidates,
    /// The judgements by halves of the documents; `None` if the query has none.
    pub halves: Option<Halves>,
    /// All places, in the first stage's order.
    pub first_order: Vec<u32>,
}

/// All observations, checked, list by list.
pub(super) struct Scene<'a> {
    pub observations: &'a Observations,
    pub options: &'a Options,
    /// The lists of queries with candidates.
    pub lists: Vec<ObservedList<'a>>,
    /// True if windows were tried.
    pub has_windows: bool,
}

impl Candidate {
    /// Returns the embedding of the text that the score comes from.
    fn vector(&self, is_windowed: bool) -> Option<&UnitVector> {
        self.windowed_vector.as_ref().filter(|_| is_windowed).or(self.vector.as_ref())
    }
}

impl Document {
    pub(super) fn is_empty(&self) -> bool {
        is_blank(&self.text)
    }
}

impl<'a> Scene<'a> {
    pub fn new(observations: &'a Observations, options: &'a Options) -> Result<Self> {
        check(observations, options)?;
        let with_candidates = observations.queries.iter().filter(|query| !query.candidates.is_empty());
        let seed = options.resampling.seed;
        let lists: Vec<ObservedList<'a>> =
            with_candidates.map(|query| ObservedList::new(query, observations, seed)).collect();
        if lists.is_empty() {
            return Err(Error::InvalidArgument("no query has a candidate: there is nothing to diagnose".into()));
        }
        let has_windows = lists.iter().flat_map(|list| &list.candidates).any(|candidate| candidate.windowed.is_some());
        Ok(Self { observations, options, lists, has_windows })
    }

    pub fn resampling(&self) -> &Resampling {
        &self.options.resampling
    }

    pub fn setting(&self) -> Configuration {
        self.observations.setting.configuration
    }

    /// Returns the lists whose queries have judgements.
    pub fn judged(&self) -> Vec<&ObservedList<'a>> {
        self.lists.iter().filter(|list| list.is_judged()).collect()
    }

    /// Returns the measure's value of every judged list, in the order that `order` returns.
    pub fn values(&self, order: impl Fn(&ObservedList<'a>) -> Vec<u32> + Sync) -> Vec<f64> {
        let value = |list: &&ObservedList<'a>| self.options.measure.value(&list.judged.ranking(&order(list)));
        self.judged().par_iter().map(value).collect()
    }
}

impl<'a> ObservedList<'a> {
    fn new(query: &'a ObservedQuery, observations: &'a Observations, seed: u64) -> Self {
        let mut seen = HashSet::with_capacity(query.candidates.len());
        let is_first = |&position: &usize| seen.insert(query.candidates[position].document);
        let positions: Vec<usize> = (0..query.candidates.len()).filter(is_first).collect();
        let candidates: Vec<&Candidate> = positions.iter().map(|&position| &query.candidates[position]).collect();
        let documents: Vec<&Document> =
            candidates.iter().map(|candidate| &observations.documents[candidate.document]).collect();
        let ids: Vec<&str> = documents.iter().map(|document| document.id.as_str()).collect();
        let grades = observations.qrels.as_ref().and_then(|qrels| qrels.grades(&query.id));
        let judged = JudgedCandidates::new(&ids, grades.unwrap_or(&Grades::default()));
        let first: Vec<f32> = candidates.iter().map(|candidate| candidate.first_stage as f32).collect();
        let first_order = judged.order(&first);
        let halves = grades.map(|grades| Halves::new(&ids, &judged, grades, seed));
        Self { query, candidates, documents, positions, judged, halves, first_order }
    }

    /// Returns true if the query has judgements.
    pub fn is_judged(&self) -> bool {
        self.halves.is_some()
    }

    /// Returns the model's scores, one per place.
    pub fn model_scores(&self, scoring: Scoring, long_text: LongText) -> Vec<f32> {
        let score = |candidate: &&Candidate| {
            let windowed = candidate.windowed.filter(|_| long_text == LongText::Window);
            windowed.unwrap_or(candidate.scores).get(scoring)
        };
        self.candidates.iter().map(score).collect()
    }

    /// Returns all places, best first. The first stage's best `depth` are ordered by the
    /// configuration; the others stay below in the first stage's order.
    pub fn order(&self, configuration: Configuration, depth: Option<usize>) -> Vec<u32> {
        let model = self.model_scores(configuration.scoring, configuration.long_text);
        self.order_by(&model, configuration, depth)
    }

    /// As [`ObservedList::order`], with these scores of the model.
    pub fn order_by(&self, model: &[f32], configuration: Configuration, depth: Option<usize>) -> Vec<u32> {
        self.orders_by(model, configuration, depth, &[configuration.feedback]).swap_remove(0)
    }

    /// As [`ObservedList::order_by`], once for each of several feedbacks in place of the configuration's.
    pub fn orders_by(
        &self,
        model: &[f32],
        configuration: Configuration,
        depth: Option<usize>,
        feedbacks: &[Feedback],
    ) -> Vec<Vec<u32>> {
        let depth = depth.unwrap_or(usize::MAX).min(self.first_order.len());
        let mut top: Vec<u32> = self.first_order[..depth].to_vec();
        // Ascending places, so that the empty ones are ascending too.
        top.sort_unstable();
        let weights = feedbacks.iter().map(|feedback| feedback.weight(configuration.blend != Blend::None));
        let order = |mixed: Vec<f32>| {
            let mut by_place = vec![0.0; self.candidates.len()];
            top.iter().zip(mixed).for_each(|(&place, score)| by_place[place as usize] = score);
            let mut best = top.clone();
            self.judged.sort(&mut best, |place| by_place[place as usize]);
            best.extend_from_slice(&self.first_order[depth..]);
            best
        };
        self.mixed(&top, model, configuration, &weights.collect::<Vec<_>>()).into_iter().map(order).collect()
    }

    /// Returns the scores that the places of `top` are ordered by, for each weight of the feedback.
    fn mixed(
        &self,
        top: &[u32],
        model: &[f32],
        configuration: Configuration,
        weights: &[Option<f32>],
    ) -> Vec<Vec<f32>> {
        let scores: Vec<f32> = top.iter().map(|&place| model[place as usize]).collect();
        let first: Vec<f64> = top.iter().map(|&place| self.candidates[place as usize].first_stage).collect();
        let is_empty = |&at: &usize| self.documents[top[at] as usize].is_empty();
        let empty: Vec<usize> = (0..top.len()).filter(is_empty).collect();
        let mixed = configuration.blend.combine_without(&scores, &empty, &first);
        let asked: Vec<f32> = weights.iter().copied().flatten().collect();
        let mut moved = Vec::new();
        if !asked.is_empty() {
            let is_windowed = configuration.long_text == LongText::Window;
            let vectors: Vec<_> =
                top.iter().map(|&place| self.candidates[place as usize].vector(is_windowed)).collect();
            moved = fed_back(&mixed, &asked, &vectors, (&scores, &first, &empty)).unwrap_or_default();
        }
        let mut moved = moved.into_iter();
        let by_weight = |weight: &Option<f32>| weight.and_then(|_| moved.next()).unwrap_or_else(|| mixed.clone());
        weights.iter().map(by_weight).collect()
    }

    /// Returns true if a candidate is relevant, with a grade of at least `rel`. Unjudged ones are
    /// not.
    pub fn is_relevant(&self, place: usize, rel: i32) -> bool {
        self.judged.grades()[place].is_some_and(|grade| grade >= rel)
    }

    /// Returns the number of documents known to be relevant, candidates or not.
    pub fn num_relevant(&self, rel: i32) -> usize {
        self.judged.all_grades().iter().filter(|&&grade| grade >= rel).count()
    }
}

/// Returns scores by place after feedback with each weight, as
/// [`list::order`](crate::scorer::list::order) computes them; `None` without vectors.
fn fed_back(
    mixed: &[f32],
    weights: &[f32],
    vectors: &[Option<&UnitVector>],
    (scores, first, left_out): (&[f32], &[f64], &[usize]),
) -> Option<Vec<Vec<f32>>> {
    let is_long = mixed.len() > MAX_FEEDBACK_CANDIDATES;
    let first_stage = || first.iter().copied().map(Some).collect::<Vec<_>>();
    let contenders =
        is_long.then(|| contenders(scores, &first_stage(), left_out, 0..scores.len(), MAX_FEEDBACK_CANDIDATES));
    let step = FeedbackStep { feedback: Feedback::Auto, weight: Feedback::WEIGHT, left_out, contenders };
    // Observed vectors are finite, and from one model.
    let hits = ranking::rank(mixed).ok()?;
    let orders = step.orders(&hits, weights, |at| Ok(vectors[at].cloned())).ok().flatten()?;
    let by_place = |hits: Vec<ranking::Hit>| {
        let mut scores = mixed.to_vec();
        hits.iter().for_each(|hit| scores[hit.index] = hit.score);
        scores
    };
    Some(orders.into_iter().map(by_place).collect())
}

fn check(observations: &Observations, options: &Options) -> Result<()> {
    let wrong = |message: String| Err(Error::InvalidArgument(message));
    if options.measure.is_count() {
        return wrong(format!("{} is a count, not a quality; give a measure such as nDCG@10", options.measure));
    }
    if options.folds < 2 {
        return wrong(format!("{} folds; cross-validation needs at least 2", options.folds));
    }
    observations.setting.configuration.blend.check()?;
    observations.setting.configuration.feedback.check()?;
    for query in &observations.queries {
        for candidate in &query.candidates {
            if candidate.document >= observations.documents.len() {
                let found = candidate.document;
                return wrong(format!("the query '{}' names document {found}, which does not exist", query.id));
            }
            let modes = [Some(candidate.scores), candidate.windowed].into_iter().flatten();
            let finite = |candidate: &Candidate| candidate.first_stage.is_finite();
            let scores_finite = modes.flat_map(|m| Scoring::ALL.map(|scoring| m.get(scoring))).all(f32::is_finite);
            if !finite(candidate) || !scores_finite {
                let id = &observations.documents[candidate.document].id;
                return wrong(format!("a score of '{id}' for the query '{}' is not a finite number", query.id));
            }
        }
    }
    check_trials(observations)
}

fn check_trials(observations: &Observations) -> Result<()> {
    for trial in &observations.trials {
        for list in &trial.lists {
            let candidates = observations.queries.get(list.query).map_or(0, |query| query.candidates.len());
            let all_finite =
                list.scores.iter().flat_map(|m| Scoring::ALL.map(|scoring| m.get(scoring))).all(f32::is_finite);
            if list.scores.len() > candidates || !all_finite {
                let (name, query, found) = (&trial.name, list.query, list.scores.len());
                return Err(Error::InvalidArgument(format!(
                    "the trial '{name}' has {found} scores for query {query}, which has {candidates} candidates, or one that is not finite"
                )));
            }
        }
    }
    Ok(())
}
