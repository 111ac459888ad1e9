//! Building stages, each with a model of its own or with the reranker's.

use super::RerankerBuilder;
use crate::blend::Blend;
use crate::encoder::{LocalEncoderOptions, Overrides};
use crate::model::{Model, ModelOptions, RankOptions};
use crate::reranker::stages::Stages;
use crate::reranker::{Reranker, StageBy, StageSpec};
use crate::scorer::Feedback;
use crate::service::{Provider, ServiceKind};
use crate::{Error, Result};

impl RerankerBuilder {
    /// Builds a cascade. Each named model has a reranker of its own; stages with a scoring share
    /// one encoder.
    pub(super) fn build_cascade(self) -> Result<Reranker> {
        self.check_cascade()?;
        let blend = self.rank.blend.unwrap_or(Blend::None).check()?;
        self.rank.feedback.check()?;
        let own = match self.stages.iter().find_map(StageSpec::scoring) {
            Some(scoring) => {
                let check = |task, name: &str| RankOptions::by(scoring).check(task, name);
                Some(Model::load_for(self.name(), self.of_own_stages(), &check)?)
            }
            None => None,
        };
        let mut all = Stages::default();
        for stage in &self.stages {
            let name = stage.by.to_string();
            let reranker = match (&stage.by, &own) {
                (StageBy::Scoring(scoring), Some(model)) => {
                    let RankOptions { long_text, feedback, .. } = self.rank;
                    Reranker::with(model, RankOptions { long_text, feedback, ..RankOptions::by(*scoring) })?
                }
                _ => self.of_stage(name.clone()).build()?,
            };
            all.push(name, reranker, stage.depth, self.rank.feedback);
        }
        all.reranker(blend)
    }

    fn check_cascade(&self) -> Result<()> {
        let has_service = self.stages.iter().any(|stage| stage.service().is_some());
        let by_scoring = self.stages.iter().find(|stage| matches!(stage.by, StageBy::Scoring(_)));
        if let (Some(stage), Some((provider, model))) = (by_scoring, Provider::of_name(self.name())) {
            return Err(Error::InvalidArgument(format!(
                "the stage {stage} scores by a model of this machine, and '{provider}:{model}' is a service's; name another `model=`, and the service as a stage of \
                 its own, as {provider}:{model}:{}",
                stage.depth
            )));
        }
        let mut services = self.stages.iter().filter_map(StageSpec::service);
        if self.options.judge.is_some()
            && services.all(|(provider, model)| self.options.kind_of(provider, model) != ServiceKind::Judge)
        {
            return Err(Error::InvalidArgument("no stage judges; name one, such as openai:gpt-4o:20".into()));
        }
        let given = [("scoring", self.rank.scoring.is_some()), ("cache", self.options.cache.is_some() && !has_service)];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some(&(option, _)) => {
                let why = "has no place beside `stages=`, where each stage says how it scores: leave it out".into();
                Err(Error::InvalidOption { option, why })
            }
            None => Ok(()),
        }
    }

    /// Returns the options of the model that stages with a scoring use. The options of judges,
    /// services and caches are for stages with models of their own.
    fn of_own_stages(&self) -> ModelOptions {
        let (store, encoder) = (self.options.store.clone(), self.options.encoder.clone());
        ModelOptions { store, encoder, ..ModelOptions::default() }
    }

    /// Returns a builder for the model of a stage, with this builder's options.
    fn of_stage(&self, model: String) -> Self {
        let (own, own_feedback) = (&self.options, self.rank.feedback);
        let (options, raw_scores) = match Provider::of_name(&model) {
            Some((provider, name)) => {
                let judges = own.kind_of(provider, name) == ServiceKind::Judge;
                let options = ModelOptions {
                    judge: own.judge.clone().filter(|_| judges),
                    kind: own.kind,
                    connect: own.connect.clone(),
                    account: own.account.clone(),
                    concurrency: own.concurrency,
                    cache: own.cache.clone(),
                    ..ModelOptions::default()
                };
                (options, None)
            }
            None => {
                let encoder = LocalEncoderOptions { overrides: Overrides::default(), ..own.encoder.clone() };
                let (store, instruction) = (own.store.clone(), own.instruction.clone());
                (ModelOptions { store, encoder, instruction, ..ModelOptions::default() }, self.rank.raw_scores)
            }
        };
        // The weight only applies to stages that embed, and the stage itself has it.
        let feedback = match own_feedback {
            Feedback::Off => Feedback::Off,
            _ => Feedback::Auto,
        };
        Self {
            model: Some(model),
            options,
            rank: RankOptions { raw_scores, feedback, ..RankOptions::default() },
            ..Self::default()
        }
    }
}
