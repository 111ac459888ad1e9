//! Building over a language model of a service.

use std::sync::Arc;

use super::RerankerBuilder;
use crate::blend::Blend;
use crate::remote::KeptAnswers;
use crate::remote::judge::{JudgeMethod, JudgeOptions, Rehearsal};
use crate::reranker::Reranker;
use crate::service::Provider;
use crate::{Error, Result};

impl RerankerBuilder {
    /// Asks the model of a service to judge, whatever its name, and so, of stages ([`RerankerBuilder::stages`]), each whose kind is to judge
    /// ([`RerankerBuilder::kind`]). Default: pointwise, where that is the model's kind.
    pub fn judge(mut self, method: JudgeMethod, options: JudgeOptions) -> Self {
        self.judge = Some((method, options));
        self
    }

    pub(super) fn build_judge(mut self, provider: Provider, model: &str) -> Result<Reranker> {
        self.check_judge()?;
        let (method, mut options) = self.judge.take().unwrap_or((JudgeMethod::Pointwise, JudgeOptions::default()));
        // What cannot be asked is said before a key is looked for.
        Reranker::from_judge(Arc::new(Rehearsal::new(provider, model)), method, options.clone())?;
        options.concurrency = self.concurrency.unwrap_or(options.concurrency);
        options.progress = options.progress.or(self.encoder.progress.take());
        let mut service = self.reach(provider, model)?;
        if let Some(cache) = self.cache {
            service = Arc::new(KeptAnswers::new(Box::new(service), cache));
        }
        Reranker::from_judge(service, method, options)
    }

    /// What is for models that embed.
    fn check_judge(&self) -> Result<()> {
        self.check_remote()?;
        let overrides = &self.encoder.overrides;
        let given = [
            ("a scoring", self.scoring.is_some()),
            ("windows of long texts", self.long_text.is_some()),
            ("a blend with the first stage", !matches!(self.blend, None | Some(Blend::None))),
            ("a prompt before queries", overrides.query_prompt.is_some()),
            ("a prompt before documents", overrides.document_prompt.is_some()),
            ("a dimension", overrides.dim.is_some()),
            ("a limit of the encoder's tokens", overrides.max_tokens.is_some()),
        ];
        match given.iter().find(|(_, is_given)| *is_given) {
            Some((what, _)) => Err(Error::InvalidArgument(format!(
                "{what} is for models that embed, and a judge does not; leave it out"
            ))),
            None => Ok(()),
        }
    }
}
