//! Several scorers one after the other: cheap ones for all candidates, expensive ones for the best.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::list::FeedbackStep;
use super::partial::{in_time, score_in_parts};
use super::{
    CandidateList, Feedback, QueryReading, ScoreKind, Scored, ScoredList, Scorer, StageScore, WhyNot, score_one_list,
};
use crate::call::Call;
use crate::encoder::ModelInfo;
use crate::hex::hex;
use crate::ranking;
use crate::{Error, Result};

/// A stage of a cascade.
#[derive(Clone)]
pub struct Stage {
    /// The stage's name in messages and answers, such as `hybrid` or a model's name.
    pub name: String,
    /// The stage's scorer.
    pub scorer: Arc<dyn Scorer>,
    /// Number of the best candidates so far that the stage scores.
    pub depth: usize,
    /// The feedback from the stage's best candidates to its others. [`Feedback::Auto`] is on,
    /// because a cascade's order depends on the list already. Only a scorer that gives vectors
    /// ([`Scorer::vector_dim`]) has feedback.
    pub feedback: Feedback,
}

impl Stage {
    /// Returns the weight of the feedback; `None` without feedback.
    fn feedback_weight(&self) -> Option<f32> {
        self.scorer.vector_dim().and(self.feedback.weight(true))
    }
}

/// The description of a cascade's stage, for reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageInfo {
    /// The name of the stage's scoring or model.
    pub name: String,
    /// The kind of the stage's scores.
    pub kind: ScoreKind,
    /// Number of the best candidates so far that the stage scores.
    pub depth: usize,
}

/// A scorer whose stages each reorder the best candidates of the order so far.
///
/// The first order is the input order. Each stage scores the first [`Stage::depth`] candidates of
/// the order and sorts them, best first, those without a score last. The others stay where they
/// are. At the end, the candidates of the last stage come first, by its score. Then come those that
/// only the stage before scored, by its score, and so on. Unscored candidates come last, in input
/// order.
///
/// The order of an embedding stage includes its feedback ([`Stage::feedback`]), so that feedback
/// also decides which candidates reach the next stage.
///
/// Scores of two stages cannot be compared. Therefore a candidate's value is its place, `1 / rank`
/// ([`ScoreKind::Place`]), and [`Scored::stage`] has the last score that it got.
pub struct CascadeScorer {
    stages: Vec<Stage>,
}

/// The state of a list between stages; candidates are named by their positions in it.
struct CascadeList {
    order: Vec<usize>,
    pairs: Vec<Scored>,
    /// Candidates that got NaN as a score from a stage.
    not_numbers: Vec<usize>,
    query: QueryReading,
}

impl CascadeScorer {
    /// Creates a cascade of these stages, the cheapest first.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no stage, for a stage that scores nothing, and for one that
    /// scores more candidates than the stage before it.
    pub fn new(stages: Vec<Stage>) -> Result<Self> {
        let wrong = |message: String| Err(Error::InvalidArgument(message));
        if stages.is_empty() {
            return wrong("a cascade needs a stage".into());
        }
        if let Some(stage) = stages.iter().find(|stage| stage.depth == 0) {
            return wrong(format!("the stage '{}' scores 0 candidates; give it at least 1", stage.name));
        }
        if let Some([before, stage]) = stages.windows(2).find(|pair| pair[0].depth < pair[1].depth) {
            return wrong(format!(
                "the stage '{}' scores {} candidates, more than the {} of '{}' before it; depths must not increase",
                stage.name, stage.depth, before.depth, before.name
            ));
        }
        Ok(Self { stages })
    }

    /// Returns the stages, in their order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Scores the best candidates of every list with one stage, and reorders them.
    fn pass(
        &self,
        number: usize,
        lists: &[CandidateList<'_>],
        texts: &[&str],
        progress: &mut [CascadeList],
        call: &Call<'_>,
    ) -> Result<()> {
        call.check()?;
        let stage = &self.stages[number];
        let chosen: Vec<&[usize]> =
            progress.iter().map(|list| &list.order[..list.order.len().min(stage.depth)]).collect();
        // A scorer may work on every text that it gets, so it only gets the texts to score.
        let (mut needed, mut position) = (Vec::new(), HashMap::new());
        let mut locate = |text: usize| {
            *position.entry(text).or_insert_with(|| {
                needed.push(texts[text]);
                needed.len() - 1
            })
        };
        let candidates: Vec<Vec<usize>> = lists
            .iter()
            .zip(&chosen)
            .map(|(list, chosen)| chosen.iter().map(|&place| locate(list.candidates[place])).collect())
            .collect();
        let asked: Vec<CandidateList<'_>> = lists
            .iter()
            .zip(&candidates)
            .map(|(list, candidates)| CandidateList { query: list.query, candidates })
            .collect();
        let scores = score_in_parts(stage.scorer.as_ref(), &asked, &needed, call);
        // An error names a text by its position among all texts.
        let given = |at: usize| position.iter().find(|(_, needed)| **needed == at).map_or(at, |(text, _)| *text);
        let scores = scores.map_err(|error| error.renumbered(|query| query, given))?;
        let weight = stage.feedback_weight();
        progress.iter_mut().zip(scores).try_for_each(|(list, scores)| list.take(number, &scores, weight))
    }
}

impl CascadeList {
    fn new(candidates: usize) -> Self {
        Self {
            order: (0..candidates).collect(),
            pairs: vec![Scored::new(0.0); candidates],
            not_numbers: Vec::new(),
            query: QueryReading::default(),
        }
    }

    /// Sorts the first candidates of the order by their scores. Tokens add up; unknown tokens and
    /// truncation are those of the last stage.
    fn take(&mut self, stage: usize, list: &ScoredList, weight: Option<f32>) -> Result<()> {
        let (scored, without): (Vec<usize>, Vec<usize>) =
            (0..list.pairs.len()).partition(|&at| list.pairs[at].reason().is_none());
        let chosen = self.order[..list.pairs.len()].to_vec();
        let ranked_by = |&at: &usize| list.pairs[at].ranked_by;
        // NaN has no place in the order. It is kept to the end, where the caller knows the
        // candidate.
        self.not_numbers.extend(scored.iter().filter(|at| ranked_by(at).is_nan()).map(|&at| chosen[at]));
        let value = |at| if ranked_by(at).is_nan() { f32::NEG_INFINITY } else { ranked_by(at) };
        let mut hits = ranking::rank(&scored.iter().map(value).collect::<Vec<f32>>())?;
        if let Some(weight) = weight.filter(|_| self.not_numbers.is_empty()) {
            let is_empty = |at: &usize| list.pairs[scored[*at]].is_empty();
            let left_out: Vec<usize> = (0..scored.len()).filter(is_empty).collect();
            let step = FeedbackStep { feedback: Feedback::Auto, weight, left_out: &left_out, contenders: None };
            match step.reorder(&mut hits, |at| Ok(list.pairs[scored[at]].vector.clone())) {
                Err(Error::NotANumber { index }) => self.not_numbers.push(chosen[scored[index]]),
                reordered => drop(reordered?),
            }
        }
        let sorted = hits.iter().map(|hit| scored[hit.index]).chain(without);
        self.order.iter_mut().zip(sorted).for_each(|(to, at)| *to = chosen[at]);
        self.query.tokens += list.query.tokens;
        self.query.truncated |= list.query.truncated;
        self.query.unknown |= list.query.unknown;
        for (pair, &place) in list.pairs.iter().zip(&chosen) {
            let all = &mut self.pairs[place];
            all.tokens += pair.tokens;
            all.unknown = pair.unknown;
            all.truncated = pair.truncated;
            // A stage that reads no windows keeps the window of the stage before.
            if pair.window.is_some() {
                all.window = pair.window.clone();
                all.windows = pair.windows.clone();
            }
            all.why_not = pair.is_empty().then_some(WhyNot::NoText);
            if pair.reason().is_none() {
                all.stage = Some(StageScore { stage, value: pair.score });
            }
        }
        Ok(())
    }

    fn scores(mut self) -> ScoredList {
        let mut set = |place: usize, value: f32| {
            self.pairs[place].score = value;
            self.pairs[place].ranked_by = value;
        };
        self.order.iter().zip(1u32..).for_each(|(&place, rank)| set(place, 1.0 / rank as f32));
        self.not_numbers.iter().for_each(|&place| set(place, f32::NAN));
        ScoredList { query: self.query, ..self.pairs.into() }
    }
}

impl Scorer for CascadeScorer {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Place
    }

    /// Returns the stages' names, and how the last one runs.
    fn model(&self) -> Option<ModelInfo> {
        let mut model = self.stages.last()?.scorer.model()?;
        let named = |stage: &Stage| {
            let by = stage.scorer.model().map(|model| model.name).filter(|name| *name != stage.name);
            by.map_or(stage.name.clone(), |by| format!("{}({by})", stage.name)) + &format!(":{}", stage.depth)
        };
        model.name = self.stages.iter().map(named).collect::<Vec<_>>().join(",");
        Some(model)
    }

    fn fingerprint(&self) -> Result<Option<String>> {
        let mut all = String::new();
        for stage in &self.stages {
            let Some(own) = stage.scorer.fingerprint()? else { return Ok(None) };
            let feedback = stage.feedback_weight().map_or(String::new(), |weight| format!(" feedback {weight}"));
            all += &format!("{own} {} {}{feedback}\n", stage.scorer.kind(), stage.depth);
        }
        Ok(Some(hex(Sha256::digest(all))))
    }

    fn needs_whole_lists(&self) -> bool {
        true
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList> {
        score_one_list(self, query, candidates)
    }

    fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[&str], call: &Call<'_>) -> Result<Vec<ScoredList>> {
        let mut progress: Vec<CascadeList> = lists.iter().map(|list| CascadeList::new(list.candidates.len())).collect();
        for number in 0..self.stages.len() {
            let passed = self.pass(number, lists, texts, &mut progress, call);
            // For a call that accepts partial answers, the stages that ended in time are one.
            let in_time = if call.is_partial() { in_time(passed, call)?.is_some() } else { passed.map(|()| true)? };
            if !in_time || call.is_cut_off() || progress.iter().any(|list| !list.not_numbers.is_empty()) {
                // Later stages, which may cost money, are skipped.
                break;
            }
        }
        Ok(progress.into_iter().map(CascadeList::scores).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A scorer by the number in a text times a factor, which records its inputs. Texts that end
    /// with `?` get no score.
    struct ByNumber(f32, Mutex<Vec<String>>);

    impl Scorer for ByNumber {
        fn kind(&self) -> ScoreKind {
            ScoreKind::Custom
        }

        fn score(&self, _: &str, candidates: &[&str]) -> Result<ScoredList> {
            self.1.lock().unwrap().push(candidates.join(" "));
            let number = |text: &&str| self.0 * text.trim_end_matches('?').parse::<f32>().unwrap_or(f32::NAN);
            let pair = |text: &&str| match text.ends_with('?') {
                true => Scored { tokens: 1, ..Scored::unscored("?") },
                false => Scored { tokens: 1, ..Scored::new(number(text)) },
            };
            let query = QueryReading { tokens: 1, ..QueryReading::default() };
            Ok(ScoredList { query, ..candidates.iter().map(pair).collect::<Vec<_>>().into() })
        }
    }

    fn cascade(stages: &[(f32, usize)]) -> (CascadeScorer, Vec<Arc<ByNumber>>) {
        let scorers: Vec<Arc<ByNumber>> =
            stages.iter().map(|&(factor, _)| Arc::new(ByNumber(factor, Mutex::default()))).collect();
        let stage = |(scorer, &(_, depth)): (&Arc<ByNumber>, &(f32, usize))| Stage {
            name: "s".into(),
            scorer: Arc::clone(scorer) as Arc<dyn Scorer>,
            depth,
            feedback: Feedback::Auto,
        };
        (CascadeScorer::new(scorers.iter().zip(stages).map(stage).collect()).unwrap(), scorers)
    }

    fn order(scores: &ScoredList) -> Vec<usize> {
        ranking::rank(&scores.scores()).unwrap().iter().map(|hit| hit.index).collect()
    }

    #[test]
    fn each_stage_sorts_the_best_so_far_and_leaves_the_rest_where_it_was() {
        let (cascade, scorers) = cascade(&[(1.0, 4), (-1.0, 2)]);
        let scores = cascade.score("q", &["1", "4", "2", "3", "9", "0"]).unwrap();
        // The first stage sorts 1 4 2 3 into 4 3 2 1, the second 4 3 into 3 4; 9 and 0 stay in
        // input order.
        assert_eq!(order(&scores), [3, 1, 2, 0, 4, 5]);
        assert_eq!(scorers.iter().map(|s| s.1.lock().unwrap().join("|")).collect::<Vec<_>>(), ["1 4 2 3", "4 3"]);
        let by = |stage, value| Some(StageScore { stage, value });
        let stages: Vec<_> = scores.pairs.iter().map(|pair| pair.stage).collect();
        assert_eq!(stages, [by(0, 1.0), by(1, -4.0), by(0, 2.0), by(1, -3.0), None, None]);
        let tokens: Vec<u32> = scores.pairs.iter().map(|pair| pair.tokens).collect();
        assert_eq!((tokens, scores.query.tokens), (vec![1, 2, 1, 2, 0, 0], 2));
    }

    #[test]
    fn lists_are_apart_and_what_gets_no_score_stays_behind_what_does() {
        let (cascade, scorers) = cascade(&[(1.0, 3), (1.0, 1)]);
        let texts = ["5", "7?", "6", "8", "1"];
        let lists = [
            CandidateList { query: "a", candidates: &[1, 0, 2, 3] },
            CandidateList { query: "b", candidates: &[4, 3] },
            CandidateList { query: "c", candidates: &[] },
        ];
        let scores = cascade.score_lists(&lists, &texts, &Call::new()).unwrap();
        assert_eq!(scores.iter().map(order).collect::<Vec<_>>(), [vec![2, 1, 0, 3], vec![1, 0], vec![]]);
        assert_eq!(scores[0].pairs[0].stage, None);
        assert_eq!(scorers[1].1.lock().unwrap().as_slice(), ["6", "8", ""]);
    }

    #[test]
    fn a_score_that_is_no_number_stays_none_and_bad_depths_are_refused() {
        let (scorer, scorers) = cascade(&[(1.0, 2), (1.0, 2)]);
        let scores = scorer.score("q", &["1", "x"]).unwrap();
        let values = scores.scores();
        assert!(values[1].is_nan() && !values[0].is_nan(), "{scores:?}");
        assert!(matches!(ranking::rank(&values), Err(Error::NotANumber { index: 1 })));
        assert_eq!(scorers[1].1.lock().unwrap().as_slice(), [""; 0], "a stage after a score that is none");
        let stage = |depth| Stage {
            name: format!("s{depth}"),
            scorer: Arc::new(ByNumber(1.0, Mutex::default())),
            depth,
            feedback: Feedback::Auto,
        };
        for (depths, said) in
            [(&[][..], "needs a stage"), (&[3, 0], "'s0' scores 0"), (&[3, 5], "more than the 3 of 's3'")]
        {
            let error = CascadeScorer::new(depths.iter().copied().map(stage).collect()).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
