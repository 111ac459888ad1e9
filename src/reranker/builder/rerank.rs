//! Building over a service that reranks.

use std::sync::Arc;

use super::{RerankerBuilder, plain};
use crate::blend::Blend;
use crate::remote::{KeptAnswers, RerankScorer, RerankServiceOptions};
use crate::reranker::Reranker;
use crate::service::{Provider, ServiceKind};
use crate::{Error, Result};

impl RerankerBuilder {
    pub(super) fn build_rerank(self, provider: Provider, model: &str) -> Result<Reranker> {
        provider.check_offers(ServiceKind::Rerank).map_err(Error::Service)?;
        self.check_rerank()?;
        let blend = self.blend.unwrap_or(Blend::None).check()?;
        let mut options = RerankServiceOptions {
            max_tokens: self.encoder.overrides.max_tokens,
            progress: self.encoder.progress.clone(),
            ..RerankServiceOptions::default()
        };
        options.concurrency = self.concurrency.unwrap_or(options.concurrency);
        let mut service = self.reach(provider, model)?;
        if let Some(cache) = self.cache {
            service = Arc::new(KeptAnswers::new(Box::new(service), cache));
        }
        Ok(plain(Arc::new(RerankScorer::new(service, options)?), blend))
    }

    /// Refuses what is for models that embed.
    fn check_rerank(&self) -> Result<()> {
        self.check_remote()?;
        let overrides = &self.encoder.overrides;
        let given = [
            ("a scoring", self.scoring.is_some()),
            ("windows of long texts", self.long_text.is_some()),
            ("a prompt before queries", overrides.query_prompt.is_some()),
            ("a prompt before documents", overrides.document_prompt.is_some()),
            ("a dimension", overrides.dim.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((what, _)) => Err(Error::InvalidArgument(format!(
                "{what} is for models that embed, and a rerank service scores by itself; leave it out"
            ))),
            None => Ok(()),
        }
    }
}
