//! Loading models of services.

use std::sync::Arc;

use super::load::cached;
use super::options::AccountOptions;
use super::{Judge, Loaded, Model, ModelOptions, Task};
use crate::candle_backend::Device;
use crate::encoder::Encoder;
use crate::remote::judge::{JudgeMethod, JudgeOptions, JudgeScorer, ListwiseScorer, Rehearsal};
use crate::remote::{
    KeptAnswers, RemoteEncoder, RemoteOptions, RerankScorer, RerankServiceOptions, ask_dim, known_dim,
};
use crate::scorer::{Scorer, Scoring};
use crate::service::{Account, HttpService, Meter, Prices, Provider, Secret, Service, ServiceKind, ServiceOptions};
use crate::{Error, Result};

impl Model {
    pub(super) fn load_service(
        provider: Provider,
        model: &str,
        options: ModelOptions,
        check: &dyn Fn(Task, &str) -> Result<()>,
    ) -> Result<Self> {
        let kind = if options.judge.is_some() { ServiceKind::Judge } else { options.kind_of(provider, model) };
        let (task, name) = (task_of(kind), format!("{provider}:{model}"));
        provider.check_offers(kind)?;
        check(task, &name)?;
        options.check_service(task)?;
        let loaded = match kind {
            ServiceKind::Embeddings => options.load_embeddings(provider, model)?,
            ServiceKind::Judge => options.load_judge(provider, model)?,
            ServiceKind::Rerank => options.load_rerank(provider, model)?,
        };
        Ok(Self { name, loaded })
    }

    /// Creates a model from a service's language model that judges.
    ///
    /// # Errors
    /// The errors of [`JudgeScorer::new`] and [`ListwiseScorer::new`].
    pub fn from_judge(service: Arc<dyn Service>, method: JudgeMethod, options: JudgeOptions) -> Result<Self> {
        let name = format!("{}:{}", service.provider(), service.model());
        Ok(Self { name, loaded: Loaded::Judge(Judge::new(service, method, options)?) })
    }
}

fn task_of(kind: ServiceKind) -> Task {
    match kind {
        ServiceKind::Embeddings => Task::Embed,
        ServiceKind::Judge => Task::Judge,
        ServiceKind::Rerank => Task::Rerank,
    }
}

fn scorer(service: Arc<dyn Service>, method: JudgeMethod, options: JudgeOptions) -> Result<Arc<dyn Scorer>> {
    Ok(match method {
        JudgeMethod::Pointwise => Arc::new(JudgeScorer::new(service, options)?),
        JudgeMethod::Listwise(windows) => Arc::new(ListwiseScorer::new(service, options, windows)?),
    })
}

impl Judge {
    fn new(service: Arc<dyn Service>, method: JudgeMethod, options: JudgeOptions) -> Result<Self> {
        let scorer = scorer(Arc::clone(&service), method, options.clone())?;
        Ok(Self { service, options, method, scorer })
    }

    /// Returns the scorer that judges by this method; `None` is the model's own method.
    pub(super) fn scorer(&self, method: Option<JudgeMethod>) -> Result<Arc<dyn Scorer>> {
        match method {
            Some(method) if method != self.method => scorer(Arc::clone(&self.service), method, self.options.clone()),
            _ => Ok(Arc::clone(&self.scorer)),
        }
    }
}

impl ModelOptions {
    fn load_embeddings(self, provider: Provider, model: &str) -> Result<Loaded> {
        let cache = self.cache.clone();
        let encoder = self.remote_encoder(provider, model)?;
        let cached = cached(&encoder, cache, &format!("{provider}:{model}"))?;
        Ok(Loaded::Embedder { encoder, local: None, cached, scoring: Scoring::Cosine })
    }

    fn load_judge(mut self, provider: Provider, model: &str) -> Result<Loaded> {
        let (method, mut options) = self.judge.take().unwrap_or((JudgeMethod::Pointwise, JudgeOptions::default()));
        // Invalid questions are refused before a key is looked up.
        scorer(Arc::new(Rehearsal::new(provider, model)), method, options.clone())?;
        options.concurrency = self.concurrency.unwrap_or(options.concurrency);
        Ok(Loaded::Judge(Judge::new(self.reach_kept(provider, model)?, method, options)?))
    }

    fn load_rerank(self, provider: Provider, model: &str) -> Result<Loaded> {
        let mut options =
            RerankServiceOptions { max_tokens: self.encoder.overrides.max_tokens, ..RerankServiceOptions::default() };
        options.concurrency = self.concurrency.unwrap_or(options.concurrency);
        let scorer = Arc::new(RerankScorer::new(self.reach_kept(provider, model)?, options)?);
        Ok(Loaded::Scorer { scorer, task: Task::Rerank })
    }

    /// Returns the encoder of a service. The cache keeps the answer about an unknown dimension.
    pub(super) fn remote_encoder(self, provider: Provider, model: &str) -> Result<Arc<dyn Encoder>> {
        provider.check_offers(ServiceKind::Embeddings)?;
        self.check_service(Task::Embed)?;
        let overrides = &self.encoder.overrides;
        let own_dim = known_dim(provider, model);
        let mut options = RemoteOptions {
            dimensions: overrides.dim.filter(|dim| Some(*dim) != own_dim),
            max_tokens: overrides.max_tokens,
            query_prompt: overrides.query_prompt.clone().unwrap_or_default(),
            document_prompt: overrides.document_prompt.clone().unwrap_or_default(),
            ..RemoteOptions::default()
        };
        options.concurrency = self.concurrency.unwrap_or(options.concurrency);
        let service = self.reach(provider, model)?;
        let dim = match (overrides.dim.or(own_dim), &self.cache) {
            (Some(dim), _) => dim,
            (None, Some(cache)) => {
                let kept = KeptAnswers::new(Box::new(Arc::clone(&service)), cache.clone());
                ask_dim(&kept)?
            }
            (None, None) => ask_dim(service.as_ref())?,
        };
        Ok(Arc::new(RemoteEncoder::new(service, dim, options)?))
    }

    fn reach(&self, provider: Provider, model: &str) -> Result<Arc<dyn Service>> {
        match &self.connect {
            Some(connect) if self.account == AccountOptions::default() => connect(provider, model),
            Some(_) => Err(Error::InvalidArgument(
                "with a service of your own, a key, an address and a budget have no effect: leave them out".into(),
            )),
            None => over_http(provider, model, &self.account),
        }
    }

    /// Connects to the service, behind the cache for answers if one was given.
    fn reach_kept(&self, provider: Provider, model: &str) -> Result<Arc<dyn Service>> {
        let service = self.reach(provider, model)?;
        Ok(match &self.cache {
            Some(cache) => Arc::new(KeptAnswers::new(Box::new(service), cache.clone())),
            None => service,
        })
    }

    /// Refuses options of local models for a service, and options of embedding models for a service
    /// that does not embed.
    fn check_service(&self, task: Task) -> Result<()> {
        let overrides = &self.encoder.overrides;
        let local = [
            ("an engine", self.encoder.engine.is_some()),
            ("a precision", self.encoder.precision.is_some()),
            ("a device", self.encoder.device != Device::Cpu),
            ("a pooling", overrides.pooling.is_some()),
            ("an instruction", self.instruction.is_some()),
        ];
        if let Some((what, _)) = local.iter().find(|(_, is_given)| *is_given) {
            return Err(Error::InvalidArgument(format!("{what} is for local models: leave it out")));
        }
        let embedding = [
            ("a prompt before queries", overrides.query_prompt.is_some()),
            ("a prompt before documents", overrides.document_prompt.is_some()),
            ("a dimension", overrides.dim.is_some()),
            ("a limit of the encoder's tokens", overrides.max_tokens.is_some() && task == Task::Judge),
        ];
        match embedding.iter().find(|(_, is_given)| *is_given && task != Task::Embed) {
            Some((what, _)) => Err(super::rank::only_for_embedding(what, task)),
            None => Ok(()),
        }
    }
}

/// Connects over HTTP. Options that are left open come from the environment.
fn over_http(provider: Provider, model: &str, own: &AccountOptions) -> Result<Arc<dyn Service>> {
    if let Some(budget) = own.budget.filter(|budget| budget.is_nan() || *budget < 0.0) {
        return Err(Error::InvalidArgument(format!("the budget is {budget} dollars; expected at least 0")));
    }
    let mut options = ServiceOptions::from_env_at(provider, model, own.base_url.as_deref())?;
    if let Some(key) = &own.api_key {
        options.key = Some(Secret::new(key, "the option api_key")?);
        options.key_host = None;
    }
    let price = Prices::built_in().find(provider, model).cloned();
    let account = Account::new(Arc::new(Meter::new(own.budget)), model, price)?;
    Ok(Arc::new(HttpService::new(options, account)?))
}
