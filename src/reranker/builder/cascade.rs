//! Building stages, each over a model of its own or the reranker's.

use std::sync::Arc;

use super::{RerankerBuilder, plain};
use crate::blend::Blend;
use crate::encoder::{Encoder, LocalEncoder, LocalEncoderOptions, Overrides};
use crate::reranker::{Reranker, StageBy, StageInfo, StageSpec};
use crate::scorer::{BiEncoderScorer, CascadeScorer, Scorer, Scoring, Stage};
use crate::service::{Provider, ServiceKind};
use crate::{Error, Result};

impl RerankerBuilder {
    /// Every model by a reranker of its own; ways of scoring share one encoder.
    pub(super) fn build_cascade(self) -> Result<Reranker> {
        self.check_cascade()?;
        let blend = self.blend.unwrap_or(Blend::None).check()?;
        let encoder: Option<Arc<dyn Encoder>> =
            match self.stages.iter().any(|stage| matches!(stage.by, StageBy::Scoring(_))) {
                true => Some(Arc::new(LocalEncoder::load(self.files()?, self.encoder.clone())?)),
                false => None,
            };
        let (mut stages, mut infos) = (Vec::new(), Vec::new());
        let (mut cached, mut judged) = (Vec::new(), Vec::new());
        for stage in &self.stages {
            let (name, depth) = (stage.by.to_string(), stage.depth);
            let scorer = match (&stage.by, &encoder) {
                (StageBy::Scoring(scoring), Some(encoder)) => self.scoring_stage(*scoring, encoder)?,
                _ => {
                    let own = self.of_stage(name.clone()).build()?;
                    cached.extend(own.cached);
                    judged.extend(own.judged);
                    own.scorer
                }
            };
            infos.push(StageInfo { name: name.clone(), kind: scorer.kind(), depth });
            stages.push(Stage { name, scorer, depth });
        }
        Ok(Reranker { stages: infos, cached, judged, ..plain(Arc::new(CascadeScorer::new(stages)?), blend) })
    }

    fn scoring_stage(&self, scoring: Scoring, encoder: &Arc<dyn Encoder>) -> Result<Arc<dyn Scorer>> {
        let long_text = self.long_text.unwrap_or(scoring.default_long_text());
        Ok(Arc::new(BiEncoderScorer::new(Arc::clone(encoder), scoring, long_text)?))
    }

    fn check_cascade(&self) -> Result<()> {
        let has_service = self.stages.iter().any(|stage| stage.service().is_some());
        let by_scoring = self.stages.iter().find(|stage| matches!(stage.by, StageBy::Scoring(_)));
        if let (Some(stage), Some((provider, model))) = (by_scoring, self.remote_name()) {
            return Err(Error::InvalidArgument(format!(
                "the stage {stage} scores by a model of this machine, and '{provider}:{model}' is a service's; name another --model, and the service as a stage of \
                 its own, as {provider}:{model}:{}",
                stage.depth
            )));
        }
        let mut services = self.stages.iter().filter_map(StageSpec::service);
        if self.judge.is_some() && services.all(|(provider, model)| self.kind_of(provider, model) != ServiceKind::Judge)
        {
            return Err(Error::InvalidArgument("no stage judges; name one, such as openai:gpt-4o:20".into()));
        }
        let given = [("--scoring", self.scoring.is_some()), ("--cache", self.cache.is_some() && !has_service)];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((option, _)) => Err(Error::InvalidArgument(format!(
                "{option} has no place beside --stages, where each stage says how it scores: leave it out"
            ))),
            None => Ok(()),
        }
    }

    /// A builder for the model of a stage, which runs as this one's.
    fn of_stage(&self, model: String) -> Self {
        let overrides = Overrides::default();
        let encoder = LocalEncoderOptions { overrides, ..self.encoder.clone() };
        let store = self.store.clone();
        match Provider::of_name(&model) {
            Some((provider, name)) => Self {
                judge: self.judge.clone().filter(|_| self.kind_of(provider, name) == ServiceKind::Judge),
                kind: self.kind,
                connect: self.connect.clone(),
                concurrency: self.concurrency,
                cache: self.cache.clone(),
                encoder: LocalEncoderOptions { progress: self.encoder.progress.clone(), ..Default::default() },
                model: Some(model),
                ..Self::default()
            },
            None => {
                let (raw_scores, instruction) = (self.raw_scores, self.instruction.clone());
                Self { model: Some(model), store, encoder, raw_scores, instruction, ..Self::default() }
            }
        }
    }
}
