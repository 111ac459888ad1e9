//! All measurements, from which findings and reports are made.

use super::choice::{Chooser, Gain};
use super::decision::Decision;
use super::depth::Sweep;
use super::grid::{Grid, Scope};
use super::lists::Scene;
use super::recommendation::Grounds;
use super::report::{Agreement, Choice, Counts, Lengths, Quality, Recommendation, Spread, TrialResult};
use super::{Configuration, agreement, duplicates, effect, lengths, modes, spread, trials, worst};
use crate::Result;
use crate::eval::Comparison;

pub(super) struct Measurements {
    pub counts: Counts,
    /// `None` if no candidate has a judgement.
    pub judged: Option<JudgedMeasurements>,
    /// The agreement, and the model's tau of each list.
    pub agreement: Option<(Agreement, Vec<f64>)>,
    pub spread: Spread,
    pub lengths: Lengths,
    pub duplicates: duplicates::FoundDuplicates,
}

/// The measurements that need judgements.
pub(super) struct JudgedMeasurements {
    pub quality: Quality,
    pub recommendation: Recommendation,
    /// `None` if there are too few queries.
    pub gains: Option<Gains>,
    /// A smaller depth that is better than the setting's.
    pub better_depth: Option<(usize, Comparison)>,
    pub windows: Option<Comparison>,
    pub trials: Vec<TrialResult>,
}

/// Cross-validated gains over the setting with a change of one thing.
pub(super) struct Gains {
    pub scoring: Gain,
    pub blend: Gain,
}

impl Measurements {
    pub fn new(scene: &Scene<'_>) -> Result<Self> {
        let counts = counts(scene);
        let judged = if counts.judged_candidates > 0 { Some(JudgedMeasurements::new(scene)?) } else { None };
        Ok(Self {
            counts,
            agreement: agreement::agreement(scene),
            spread: spread::spread(scene),
            lengths: lengths::lengths(scene, judged.as_ref().and_then(|judged| judged.windows)),
            duplicates: duplicates::duplicates(scene),
            judged,
        })
    }

    pub fn trials(&self) -> &[TrialResult] {
        self.judged.as_ref().map_or(&[], |judged| &judged.trials)
    }
}

impl JudgedMeasurements {
    fn new(scene: &Scene<'_>) -> Result<Self> {
        let grid = Grid::new(scene, Scope::MixAndLongText);
        let chooser = Chooser::new(scene, &grid);
        let choice = chooser.as_ref().map(Chooser::choice).transpose()?;
        let trials = trials::trials(scene)?;
        let effect = modes::effect_of(scene, &grid)?;
        let decision = Decision::new(scene, &effect, choice.as_ref());
        let grounds = Grounds { scene, decision, trials: &trials };
        let mut sweeps = vec![Sweep::new(scene, scene.setting())];
        let recommendation = grounds.recommendation(&mut sweeps);
        Ok(Self {
            recommendation,
            gains: chooser.map(|chooser| Gains::new(&chooser, scene.setting())).transpose()?,
            better_depth: sweeps[0].better_depth(scene, grid.setting_values())?,
            windows: modes::windows(scene, &grid)?,
            quality: quality(scene, &grid, effect, choice, sweeps)?,
            trials,
        })
    }
}

fn quality(
    scene: &Scene<'_>,
    grid: &Grid,
    effect: super::Effect,
    choice: Option<Choice>,
    sweeps: Vec<Sweep>,
) -> Result<Quality> {
    let ceiling = effect::ceiling(scene);
    let chosen = choice.as_ref().map(|choice| choice.chosen);
    Ok(Quality {
        effect,
        ceiling,
        modes: modes::modes(scene, grid, &ceiling, chosen)?,
        choice,
        depth: sweeps.into_iter().map(|sweep| sweep.report).collect(),
        by_query: worst::by_query(scene, grid),
        worst: worst::worst(scene, grid),
    })
}

impl Gains {
    fn new(chooser: &Chooser<'_>, setting: Configuration) -> Result<Self> {
        let scoring = chooser.gain(|other| Configuration { scoring: setting.scoring, ..*other } == setting)?;
        let blend = chooser.gain(|other| Configuration { blend: setting.blend, ..*other } == setting)?;
        Ok(Self { scoring, blend })
    }
}

fn counts(scene: &Scene<'_>) -> Counts {
    let mut sizes: Vec<usize> = scene.lists.iter().map(|list| list.candidates.len()).collect();
    sizes.sort_unstable();
    let judged = scene.judged();
    let in_qrels = scene.observations.qrels.as_ref().map_or(0, |qrels| qrels.num_queries());
    Counts {
        queries: scene.lists.len(),
        judged_queries: judged.len(),
        judged_queries_missing: in_qrels.saturating_sub(judged.len()),
        candidates: scene.lists.iter().map(|list| list.query.candidates.len()).sum(),
        judged_candidates: judged.iter().flat_map(|list| list.judged.grades()).flatten().count(),
        documents: lengths::documents(scene).len(),
        list_lengths: [sizes[0], sizes[(sizes.len() - 1) / 2], sizes[sizes.len() - 1]],
    }
}
