//! The observed lists, prepared for trying many orders of them.

use std::collections::HashSet;

use rayon::prelude::*;

use super::Configuration;
use super::observations::{Candidate, Document, Observations, Query};
use super::options::Options;
use crate::eval::{JudgedCandidates, Resampling};
use crate::io::Grades;
use crate::scorer::list::{FeedbackStep, contenders};
use crate::scorer::{Feedback, MAX_FEEDBACK_CANDIDATES, UnitVector};
use crate::text::is_blank;
use crate::{Blend, Error, LongText, Result, Scoring, ranking};

/// A query's distinct candidates with their data. A place is a position in `candidates`.
pub(super) struct List<'a> {
    pub query: &'a Query,
    pub candidates: Vec<&'a Candidate>,
    pub documents: Vec<&'a Document>,
    /// Positions in the query's candidates, before repeated documents were removed.
    pub positions: Vec<usize>,
    pub judged: JudgedCandidates,
    /// True if the query has judgements.
    pub is_judged: bool,
    /// All places, in the first stage's order.
    pub first_order: Vec<u32>,
}

/// All observations, checked, list by list.
pub(super) struct Scene<'a> {
    pub observations: &'a Observations,
    pub options: &'a Options,
    /// The lists of queries with candidates.
    pub lists: Vec<List<'a>>,
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
        let lists: Vec<List<'a>> = with_candidates.map(|query| List::new(query, observations)).collect();
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
    pub fn judged(&self) -> Vec<&List<'a>> {
        self.lists.iter().filter(|list| list.is_judged).collect()
    }

    /// Returns the measure's value of every judged list, in the order that `order` returns.
    pub fn values(&self, order: impl Fn(&List<'a>) -> Vec<u32> + Sync) -> Vec<f64> {
        let value = |list: &&List<'a>| self.options.measure.value(&list.judged.ranking(&order(list)));
        self.judged().par_iter().map(value).collect()
    }

    /// Returns the values of a configuration, at the setting's depth.
    pub fn values_of(&self, configuration: Configuration) -> Vec<f64> {
        let depth = self.observations.setting.depth;
        self.values(|list| list.order(configuration, depth))
    }
}

impl<'a> List<'a> {
    fn new(query: &'a Query, observations: &'a Observations) -> Self {
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
        Self { query, candidates, documents, positions, judged, is_judged: grades.is_some(), first_order }
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

    /// As [`List::order`], with these scores of the model.
    pub fn order_by(&self, model: &[f32], configuration: Configuration, depth: Option<usize>) -> Vec<u32> {
        let depth = depth.unwrap_or(usize::MAX).min(self.first_order.len());
        let mut order = self.first_order.clone();
        let mut top: Vec<u32> = order[..depth].to_vec();
        // Ascending places, so that the empty ones are ascending too.
        top.sort_unstable();
        let pick = |&place: &u32| place as usize;
        let scores: Vec<f32> = top.iter().map(|place| model[pick(place)]).collect();
        let first: Vec<f64> = top.iter().map(|place| self.candidates[pick(place)].first_stage).collect();
        let is_empty = |&at: &usize| self.documents[top[at] as usize].is_empty();
        let empty: Vec<usize> = (0..top.len()).filter(is_empty).collect();
        let mut mixed = configuration.blend.combine_without(&scores, &empty, &first);
        if let Some(weight) = configuration.feedback.weight(configuration.blend != Blend::None) {
            let is_windowed = configuration.long_text == LongText::Window;
            let vectors: Vec<_> = top.iter().map(|place| self.candidates[pick(place)].vector(is_windowed)).collect();
            feed_back(&mut mixed, weight, &vectors, (&scores, &first, &empty));
        }
        let mut by_place = vec![0.0; self.candidates.len()];
        top.iter().zip(mixed).for_each(|(place, score)| by_place[pick(place)] = score);
        self.judged.sort(&mut top, |place| by_place[place as usize]);
        order[..depth].copy_from_slice(&top);
        order
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

/// Changes scores by place with feedback, as [`list::order`](crate::scorer::list::order) does.
/// Without vectors they stay as they are.
fn feed_back(
    mixed: &mut [f32],
    weight: f32,
    vectors: &[Option<&UnitVector>],
    (scores, first, left_out): (&[f32], &[f64], &[usize]),
) {
    let is_long = mixed.len() > MAX_FEEDBACK_CANDIDATES;
    let first_stage = || first.iter().copied().map(Some).collect::<Vec<_>>();
    let contenders =
        is_long.then(|| contenders(scores, &first_stage(), left_out, 0..scores.len(), MAX_FEEDBACK_CANDIDATES));
    let step = FeedbackStep { feedback: Feedback::Auto, weight, left_out, contenders };
    // Observed vectors are finite, and from one model.
    let Ok(mut hits) = ranking::rank(mixed) else { return };
    if step.reorder(&mut hits, |at| Ok(vectors[at].cloned())).is_ok_and(|is_moved| is_moved) {
        hits.iter().for_each(|hit| mixed[hit.index] = hit.score);
    }
}

fn check(observations: &Observations, options: &Options) -> Result<()> {
    let wrong = |message: String| Err(Error::InvalidArgument(message));
    if options.measure.is_count() {
        return wrong(format!("{} is a count, not a quality; diagnose by a measure such as nDCG@10", options.measure));
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
                return wrong(format!("the query '{}' names document {found}, which is not there", query.id));
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
