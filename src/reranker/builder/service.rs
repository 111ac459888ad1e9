//! Building over the embeddings of a service.

use std::sync::Arc;

use super::{RerankerBuilder, check_cached};
use crate::cache::{CachedEncoder, EmbeddingCache};
use crate::candle_backend::Device;
use crate::encoder::Encoder;
use crate::remote::{KeptAnswers, RemoteEncoder, RemoteOptions, ask_dim, known_dim};
use crate::reranker::Reranker;
use crate::scorer::{BiEncoderScorer, LongText, Scorer, Scoring};
use crate::service::{Account, HttpService, Meter, Prices, Provider, Service, ServiceKind, ServiceOptions};
use crate::{Error, Result};

impl RerankerBuilder {
    /// Provider and model, where the name is a service's.
    pub(super) fn remote_name(&self) -> Option<(Provider, String)> {
        let (provider, model) = Provider::of_name(self.model.as_deref()?)?;
        Some((provider, model.to_owned()))
    }

    pub(super) fn build_remote(mut self, provider: Provider, model: &str) -> Result<Reranker> {
        let scoring = self.scoring.unwrap_or(Scoring::Cosine);
        let long_text = self.long_text.unwrap_or(LongText::Truncate);
        let blend = self.blend.unwrap_or(scoring.default_blend()).check()?;
        let cache = self.cache.take();
        let progress = self.encoder.progress.clone();
        let name = format!("{provider}:{model}");
        let encoder = self.remote_encoder_with(provider, model, cache.as_ref())?;
        let plain: Arc<dyn Scorer> = Arc::new(BiEncoderScorer::new(Arc::clone(&encoder), scoring, long_text)?);
        let (mut scorer, mut kept) = (Arc::clone(&plain), Vec::new());
        if let Some(cache) = cache {
            check_cached(scoring, long_text)?;
            let mut cached = CachedEncoder::new(encoder, cache, &name)?;
            if let Some(progress) = progress {
                cached = cached.progress(progress);
            }
            let cached = Arc::new(cached);
            let before = Arc::clone(&cached) as Arc<dyn Encoder>;
            (scorer, kept) = (Arc::new(BiEncoderScorer::new(before, scoring, long_text)?), vec![cached]);
        }
        Ok(Reranker { scorer, cached: kept, long_text, ..super::plain(plain, blend) })
    }

    pub(super) fn remote_encoder(self, provider: Provider, model: &str) -> Result<Arc<dyn Encoder>> {
        let cache = self.cache.clone();
        self.remote_encoder_with(provider, model, cache.as_ref())
    }

    /// The encoder; `cache` keeps the answer about an unknown dimension.
    fn remote_encoder_with(
        self,
        provider: Provider,
        model: &str,
        cache: Option<&EmbeddingCache>,
    ) -> Result<Arc<dyn Encoder>> {
        provider.check_offers(ServiceKind::Embeddings).map_err(Error::Service)?;
        self.check_remote()?;
        let overrides = &self.encoder.overrides;
        let own_dim = known_dim(provider, model);
        let mut options = RemoteOptions {
            dimensions: overrides.dim.filter(|dim| Some(*dim) != own_dim),
            max_tokens: overrides.max_tokens,
            query_prompt: overrides.query_prompt.clone().unwrap_or_default(),
            document_prompt: overrides.document_prompt.clone().unwrap_or_default(),
            progress: self.encoder.progress.clone(),
            ..RemoteOptions::default()
        };
        options.concurrency = self.concurrency.unwrap_or(options.concurrency);
        let service = self.reach(provider, model)?;
        let dim = match (overrides.dim.or(own_dim), cache) {
            (Some(dim), _) => dim,
            (None, Some(cache)) => {
                let kept = KeptAnswers::new(Box::new(Arc::clone(&service)), cache.clone());
                ask_dim(&kept).map_err(Error::Service)?
            }
            (None, None) => ask_dim(service.as_ref()).map_err(Error::Service)?,
        };
        Ok(Arc::new(RemoteEncoder::new(service, dim, options)?))
    }

    pub(super) fn reach(&self, provider: Provider, model: &str) -> Result<Arc<dyn Service>> {
        match &self.connect {
            Some(connect) => connect(provider, model),
            None => from_env(provider, model),
        }
    }

    /// Options of local models mean nothing to a service.
    pub(super) fn check_remote(&self) -> Result<()> {
        let local = [
            ("an engine", self.encoder.engine.is_some()),
            ("a precision", self.encoder.precision.is_some()),
            ("a device", self.encoder.device != Device::Cpu),
            ("a pooling", self.encoder.overrides.pooling.is_some()),
            ("a choice of raw scores", self.raw_scores.is_some()),
            ("an instruction", self.instruction.is_some()),
        ];
        match local.iter().find(|(_, is_given)| *is_given) {
            Some((what, _)) => Err(Error::InvalidArgument(format!(
                "{what} is for local models; a service decides by itself how it computes"
            ))),
            None => Ok(()),
        }
    }
}

fn from_env(provider: Provider, model: &str) -> Result<Arc<dyn Service>> {
    let options = ServiceOptions::from_env(provider, model).map_err(Error::Service)?;
    let price = Prices::built_in().find(provider, model).cloned();
    let account = Account::new(Arc::new(Meter::default()), model, price).map_err(Error::Service)?;
    Ok(Arc::new(HttpService::new(options, account).map_err(Error::Service)?))
}
