//! Rerankers by the names of models, alone or in stages.

use super::stages::Stages;
use super::{Reranker, StageBy, StageSpec};
use crate::blend::Blend;
use crate::encoder::{LocalEncoderOptions, Overrides};
use crate::model::{Model, ModelOptions, RankOptions};
use crate::scorer::{Feedback, Scoring};
use crate::service::{Provider, ServiceKind};
use crate::{Error, Result};

impl Reranker {
    /// Loads a model, and creates a reranker that uses it with these options.
    ///
    /// # Errors
    /// The errors of [`Model::load_to_rank`] and [`Reranker::with`].
    pub fn load(name: &str, model: ModelOptions, rank: RankOptions) -> Result<Self> {
        Self::with(Model::load_to_rank(name, model, &rank)?, rank)
    }

    /// Loads the models of stages, and creates a reranker of them. Each stage scores the best
    /// candidates of the order that the one before it left; see
    /// [`CascadeScorer`](crate::CascadeScorer). Stages with a scoring share the model `name`;
    /// without such a stage it is not loaded. [`ModelOptions::overrides`] apply to this model only,
    /// judges and services get the options that are theirs.
    ///
    /// # Errors
    /// The errors of [`Reranker::load`] and [`CascadeScorer::new`](crate::CascadeScorer::new);
    /// [`Error::InvalidOption`] for a scoring, and for a cache without a service, because each
    /// stage says how it scores.
    pub fn load_stages(stages: &[StageSpec], name: &str, model: ModelOptions, rank: RankOptions) -> Result<Self> {
        let blend = rank.blend.unwrap_or(Blend::None).check()?;
        rank.feedback.check()?;
        let options = StageOptions { name, model, rank };
        options.check(stages)?;
        let own = stages.iter().find_map(StageSpec::scoring).map(|scoring| options.load_own(scoring)).transpose()?;
        let mut all = Stages::default();
        for stage in stages {
            let reranker = match (&stage.by, &own) {
                (StageBy::Scoring(scoring), Some(own)) => {
                    let RankOptions { long_text, feedback, .. } = rank;
                    Self::with(own, RankOptions { long_text, feedback, ..RankOptions::by(*scoring) })?
                }
                (by, _) => options.load_stage(&by.to_string())?,
            };
            all.push(stage.by.to_string(), reranker, stage.depth, rank.feedback);
        }
        all.reranker(blend)
    }
}

/// The options of a cascade, from which each stage takes those that are for its model.
struct StageOptions<'a> {
    /// The model of stages with a scoring.
    name: &'a str,
    model: ModelOptions,
    rank: RankOptions,
}

impl StageOptions<'_> {
    /// Refuses options that do not apply to these stages, before anything is loaded.
    fn check(&self, stages: &[StageSpec]) -> Result<()> {
        let has_service = stages.iter().any(|stage| stage.service().is_some());
        let by_scoring = stages.iter().find(|stage| matches!(stage.by, StageBy::Scoring(_)));
        if let (Some(stage), Some((provider, model))) = (by_scoring, Provider::of_name(self.name)) {
            return Err(Error::InvalidArgument(format!(
                "the stage {stage} scores by a local model, and '{provider}:{model}' is a service's; name another `model=`, and the service as a stage of \
                 its own, as {provider}:{model}:{}",
                stage.depth
            )));
        }
        let mut services = stages.iter().filter_map(StageSpec::service);
        if self.model.judge.is_some()
            && services.all(|(provider, model)| self.model.kind_of(provider, model) != ServiceKind::Judge)
        {
            return Err(Error::InvalidArgument("no stage judges; name one, such as openai:gpt-4o:20".into()));
        }
        let given = [("scoring", self.rank.scoring.is_some()), ("cache", self.model.cache.is_some() && !has_service)];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some(&(option, _)) => {
                let why = "cannot be combined with `stages=`, where each stage has its own: leave it out".into();
                Err(Error::InvalidOption { option, why })
            }
            None => Ok(()),
        }
    }

    /// Loads the model of the stages with a scoring. The options of judges, services and caches are
    /// for stages with models of their own.
    fn load_own(&self, scoring: Scoring) -> Result<Model> {
        let (store, encoder) = (self.model.store.clone(), self.model.encoder.clone());
        let options = ModelOptions { store, encoder, ..ModelOptions::default() };
        Model::load_to_rank(self.name, options, &RankOptions::by(scoring))
    }

    /// Loads the model of a stage.
    fn load_stage(&self, name: &str) -> Result<Reranker> {
        let (options, raw_scores) = match Provider::of_name(name) {
            Some((provider, model)) => (self.of_service(provider, model), None),
            None => (self.of_local_model(), self.rank.raw_scores),
        };
        // The weight only applies to stages that embed, and the stage itself has it.
        let feedback = match self.rank.feedback {
            Feedback::Off => Feedback::Off,
            _ => Feedback::Auto,
        };
        Reranker::load(name, options, RankOptions { raw_scores, feedback, ..RankOptions::default() })
    }

    fn of_service(&self, provider: Provider, model: &str) -> ModelOptions {
        let own = &self.model;
        let judges = own.kind_of(provider, model) == ServiceKind::Judge;
        ModelOptions {
            judge: own.judge.clone().filter(|_| judges),
            kind: own.kind,
            connect: own.connect.clone(),
            account: own.account.clone(),
            concurrency: own.concurrency,
            cache: own.cache.clone(),
            ..ModelOptions::default()
        }
    }

    fn of_local_model(&self) -> ModelOptions {
        let own = &self.model;
        let encoder = LocalEncoderOptions { overrides: Overrides::default(), ..own.encoder.clone() };
        let (store, instruction) = (own.store.clone(), own.instruction.clone());
        ModelOptions { store, encoder, instruction, ..ModelOptions::default() }
    }
}
