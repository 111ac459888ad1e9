//! Several scorers one after the other: cheap ones for all candidates, dear ones for the best.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{CandidateList, ScoreKind, Scorer, Scores, StageScore, score_one_list};
use crate::encoder::ModelInfo;
use crate::hex::hex;
use crate::ranking;
use crate::{Error, Result};

/// One step of a cascade.
#[derive(Clone)]
pub struct Stage {
    /// For messages and answers, such as `hybrid` or a model's name.
    pub name: String,
    /// What it scores by.
    pub scorer: Arc<dyn Scorer>,
    /// So many of the best so far it scores.
    pub depth: usize,
}

/// Lets each stage put the best of the order so far into a new order.
///
/// The first stage's order is the one in which the candidates are given. Stage after stage the first [`Stage::depth`] of the order are scored and sorted,
/// best first, those without a score behind; the others stay where they are. So the candidates of the last stage come first, by its score, then
/// those that only the stage before scored, by its score, and so on, and at last those that no stage looked at, as they were given.
/// Scores of two stages cannot be compared; a candidate's value is therefore its place, `1 / rank` ([`ScoreKind::Place`]), and
/// [`Scores::stages`] has the score that it got last.
pub struct CascadeScorer {
    stages: Vec<Stage>,
}

/// A list on its way through the stages; candidates are named by their places in it.
struct Progress {
    order: Vec<usize>,
    stages: Vec<Option<StageScore>>,
    /// Candidates whose score by some stage is not a number.
    not_numbers: Vec<usize>,
    query_tokens: u32,
    query_truncated: bool,
    query_unknown: bool,
    tokens: Vec<u32>,
    unknown: Vec<u32>,
    truncated: Vec<bool>,
    blank: Vec<bool>,
}

impl CascadeScorer {
    /// A cascade of these stages, the cheapest first.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for no stage, a stage that scores nothing, and one that scores more than the stage before it.
    pub fn new(stages: Vec<Stage>) -> Result<Self> {
        let wrong = |message: String| Err(Error::InvalidArgument(message));
        if stages.is_empty() {
            return wrong("a cascade needs a stage".into());
        }
        if let Some(stage) = stages.iter().find(|stage| stage.depth == 0) {
            return wrong(format!("the stage '{}' scores 0 candidates; give it one at least", stage.name));
        }
        if let Some([before, stage]) = stages.windows(2).find(|pair| pair[0].depth < pair[1].depth) {
            return wrong(format!(
                "the stage '{}' scores {} candidates, more than the {} of '{}' before it: depths go down",
                stage.name, stage.depth, before.depth, before.name
            ));
        }
        Ok(Self { stages })
    }

    /// The stages, in their order.
    pub fn stages(&self) -> &[Stage] {
        &self.stages
    }

    /// Scores the best of every list by one stage, and puts them into its order.
    fn pass(
        &self,
        number: usize,
        lists: &[CandidateList<'_>],
        texts: &[&str],
        progress: &mut [Progress],
    ) -> Result<()> {
        let stage = &self.stages[number];
        let chosen: Vec<&[usize]> =
            progress.iter().map(|list| &list.order[..list.order.len().min(stage.depth)]).collect();
        // A scorer may work on every text that it gets: it gets those that are asked for.
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
        let scores = stage.scorer.score_lists(&asked, &needed)?;
        progress.iter_mut().zip(scores).try_for_each(|(list, scores)| list.take(number, &scores))
    }
}

impl Progress {
    fn new(candidates: usize) -> Self {
        Self {
            order: (0..candidates).collect(),
            stages: vec![None; candidates],
            not_numbers: Vec::new(),
            query_tokens: 0,
            query_truncated: false,
            query_unknown: false,
            tokens: vec![0; candidates],
            unknown: vec![0; candidates],
            truncated: vec![false; candidates],
            blank: vec![false; candidates],
        }
    }

    /// Sorts the first of the order by their scores. Tokens add up; what the last stage says of a text's words and its end counts.
    fn take(&mut self, stage: usize, scores: &Scores) -> Result<()> {
        let ranking = scores.ranking();
        let is_scored = |at: &usize| scores.unscored.binary_search_by_key(at, |unscored| unscored.index).is_err();
        let (scored, without): (Vec<usize>, Vec<usize>) = (0..ranking.len()).partition(is_scored);
        let chosen = self.order[..ranking.len()].to_vec();
        // What is not a number has no place. It stays one to the end, where whoever ranks knows the candidate.
        let not_numbers = scored.iter().filter(|&&at| ranking[at].is_nan());
        self.not_numbers.extend(not_numbers.map(|&at| chosen[at]));
        let value = |&at: &usize| if ranking[at].is_nan() { f32::NEG_INFINITY } else { ranking[at] };
        let hits = ranking::rank(&scored.iter().map(value).collect::<Vec<f32>>())?;
        let sorted = hits.iter().map(|hit| scored[hit.index]).chain(without);
        self.order.iter_mut().zip(sorted).for_each(|(to, at)| *to = chosen[at]);
        for at in scored {
            self.stages[chosen[at]] = Some(StageScore { stage, value: scores.values[at] });
        }
        self.query_tokens += scores.query_tokens;
        self.query_truncated |= scores.query_truncated;
        self.query_unknown |= scores.query_unknown;
        for (at, &place) in chosen.iter().enumerate() {
            self.tokens[place] += scores.tokens.get(at).copied().unwrap_or(0);
            self.unknown[place] = scores.unknown.get(at).copied().unwrap_or(0);
            self.truncated[place] = scores.truncated.get(at).copied().unwrap_or(false);
            self.blank[place] = scores.blank.get(at).copied().unwrap_or(false);
        }
        Ok(())
    }

    fn scores(self) -> Scores {
        let mut values = vec![0.0; self.order.len()];
        self.order.iter().zip(1u32..).for_each(|(&place, rank)| values[place] = 1.0 / rank as f32);
        self.not_numbers.iter().for_each(|&place| values[place] = f32::NAN);
        Scores {
            values,
            stages: self.stages,
            query_tokens: self.query_tokens,
            query_truncated: self.query_truncated,
            query_unknown: self.query_unknown,
            tokens: self.tokens,
            unknown: self.unknown,
            truncated: self.truncated,
            blank: self.blank,
            ..Scores::default()
        }
    }
}

impl Scorer for CascadeScorer {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Place
    }

    /// The stages' names, and how the last one runs.
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
            all += &format!("{own} {} {}\n", stage.scorer.kind(), stage.depth);
        }
        Ok(Some(hex(Sha256::digest(all))))
    }

    fn needs_whole_lists(&self) -> bool {
        true
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<Scores> {
        score_one_list(self, query, candidates)
    }

    fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[&str]) -> Result<Vec<Scores>> {
        let mut progress: Vec<Progress> = lists.iter().map(|list| Progress::new(list.candidates.len())).collect();
        for number in 0..self.stages.len() {
            self.pass(number, lists, texts, &mut progress)?;
            if progress.iter().any(|list| !list.not_numbers.is_empty()) {
                // The run cannot succeed: later stages, which may cost money, have nothing to do.
                break;
            }
        }
        Ok(progress.into_iter().map(Progress::scores).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::super::Unscored;
    use super::*;

    /// Scores a text by the number in it times a factor, and notes what it was asked; texts that end with `?` get no score.
    struct ByNumber(f32, Mutex<Vec<String>>);

    impl Scorer for ByNumber {
        fn kind(&self) -> ScoreKind {
            ScoreKind::Custom
        }

        fn score(&self, _: &str, candidates: &[&str]) -> Result<Scores> {
            self.1.lock().unwrap().push(candidates.join(" "));
            let number = |text: &&str| self.0 * text.trim_end_matches('?').parse::<f32>().unwrap_or(f32::NAN);
            let missing = candidates.iter().enumerate().filter(|(_, text)| text.ends_with('?'));
            Ok(Scores {
                values: candidates.iter().map(number).collect(),
                unscored: missing.map(|(index, _)| Unscored { index, reason: "?".into() }).collect(),
                tokens: vec![1; candidates.len()],
                query_tokens: 1,
                ..Scores::default()
            })
        }
    }

    fn cascade(stages: &[(f32, usize)]) -> (CascadeScorer, Vec<Arc<ByNumber>>) {
        let scorers: Vec<Arc<ByNumber>> =
            stages.iter().map(|&(factor, _)| Arc::new(ByNumber(factor, Mutex::default()))).collect();
        let stage = |(scorer, &(_, depth)): (&Arc<ByNumber>, &(f32, usize))| Stage {
            name: "s".into(),
            scorer: Arc::clone(scorer) as Arc<dyn Scorer>,
            depth,
        };
        (CascadeScorer::new(scorers.iter().zip(stages).map(stage).collect()).unwrap(), scorers)
    }

    fn order(scores: &Scores) -> Vec<usize> {
        ranking::rank(&scores.values).unwrap().iter().map(|hit| hit.index).collect()
    }

    #[test]
    fn each_stage_sorts_the_best_so_far_and_leaves_the_rest_where_it_was() {
        let (cascade, scorers) = cascade(&[(1.0, 4), (-1.0, 2)]);
        let scores = cascade.score("q", &["1", "4", "2", "3", "9", "0"]).unwrap();
        // The first sorts 1 4 2 3 into 4 3 2 1, the second 4 3 into 3 4; 9 and 0 are as they came.
        assert_eq!(order(&scores), [3, 1, 2, 0, 4, 5]);
        assert_eq!(scorers.iter().map(|s| s.1.lock().unwrap().join("|")).collect::<Vec<_>>(), ["1 4 2 3", "4 3"]);
        let by = |stage, value| Some(StageScore { stage, value });
        assert_eq!(scores.stages, [by(0, 1.0), by(1, -4.0), by(0, 2.0), by(1, -3.0), None, None]);
        assert_eq!((scores.tokens, scores.query_tokens), (vec![1, 2, 1, 2, 0, 0], 2));
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
        let scores = cascade.score_lists(&lists, &texts).unwrap();
        assert_eq!(scores.iter().map(order).collect::<Vec<_>>(), [vec![2, 1, 0, 3], vec![1, 0], vec![]]);
        assert_eq!(scores[0].stages[0], None);
        assert_eq!(scorers[1].1.lock().unwrap().as_slice(), ["6", "8", ""]);
    }

    #[test]
    fn a_score_that_is_no_number_stays_none_and_bad_depths_are_refused() {
        let (scorer, scorers) = cascade(&[(1.0, 2), (1.0, 2)]);
        let scores = scorer.score("q", &["1", "x"]).unwrap();
        assert!(scores.values[1].is_nan() && !scores.values[0].is_nan(), "{scores:?}");
        assert!(matches!(ranking::rank(&scores.values), Err(Error::NotANumber { index: 1 })));
        assert_eq!(scorers[1].1.lock().unwrap().as_slice(), [""; 0], "a stage after a score that is none");
        let stage =
            |depth| Stage { name: format!("s{depth}"), scorer: Arc::new(ByNumber(1.0, Mutex::default())), depth };
        for (depths, said) in
            [(&[][..], "needs a stage"), (&[3, 0], "'s0' scores 0"), (&[3, 5], "more than the 3 of 's3'")]
        {
            let error = CascadeScorer::new(depths.iter().copied().map(stage).collect()).err().unwrap().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
