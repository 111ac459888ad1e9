//! Models of services: connecting to them, and their estimated and actual cost.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use nearsort::io::{Row, Rows};
use nearsort::job::CHUNK_ROWS;
use nearsort::remote::{Estimate, RemoteOptions};
use nearsort::service::{
    Account, HttpService, Meter, Price, Prices, Provider, Recording, Secret, Service, ServiceError, ServiceKind,
    ServiceOptions, ServiceUsage,
};
use nearsort::{Connect, StoreOptions, Usage};
use nearsort_report::visible;
use serde_json::{Map, Value, json};

use crate::args::{ModelArgs, ServiceArgs, Talk, Verb};
use crate::hints::say;
use crate::session::Session;
use crate::{Failure, Outcome, Run};

/// Returns the way to connect to the services of a model and of stages.
pub fn connector(args: &ModelArgs, session: &Session) -> Connect {
    let (args, meter) = (args.clone(), session.lazy_meter(args.service.budget));
    Arc::new(move |provider, model| {
        let name = format!("{provider}:{model}");
        let service = check_offline(&args, &name).and_then(|()| connect(provider, model, &args.service, meter()));
        service.map_err(|failure| match failure {
            Failure::Error(message) => nearsort::Error::Service(ServiceError::Setup(message)),
            Failure::BrokenPipe | Failure::Usage => nearsort::Error::Service(ServiceError::Setup(name)),
        })
    })
}

/// Checks that options of services are given only with a service's model.
pub fn check(verb: &Verb) -> Result<(), Failure> {
    let Some(args) = verb.model().filter(|_| !verb.uses_service()) else { return Ok(()) };
    match args.service.first_given() {
        Some(option) => Err(Failure::Error(format!(
            "{option} is for models of services, and '{}' runs on this machine; name one as openai:MODEL, or leave {option} out",
            args.name()
        ))),
        None => Ok(()),
    }
}

fn check_offline(args: &ModelArgs, name: &str) -> Result<(), Failure> {
    let is_offline = args.store.offline || StoreOptions::from_env()?.offline;
    if is_offline && args.service.replay.is_none() {
        return Err(Failure::Error(format!(
            "'{name}' is a service, and --offline opens no connection; give --replay DIR to answer from a recording"
        )));
    }
    Ok(())
}

/// Connects to the service over HTTP, with a recording in front of it or in its place.
fn connect(
    provider: Provider,
    model: &str,
    args: &ServiceArgs,
    meter: Arc<Meter>,
) -> Result<Arc<dyn Service>, Failure> {
    let options = options(provider, model, args)?;
    let account = Account::new(meter, model, price(provider, model, args)?)?;
    if let Some(folder) = &args.replay {
        return Ok(Arc::new(Recording::replay(folder, &options, account)?));
    }
    let http = HttpService::new(options, account.clone())?;
    match &args.record {
        Some(folder) => Ok(Arc::new(Recording::record(folder, Box::new(http), account)?)),
        None => Ok(Arc::new(http)),
    }
}

fn options(provider: Provider, model: &str, args: &ServiceArgs) -> Result<ServiceOptions, Failure> {
    let base_url = args.base_url.as_deref();
    let mut options = match (&args.replay, &args.api_key_file) {
        // A recording needs no key, not even a valid one.
        (Some(_), _) => ServiceOptions::new(provider, model),
        (None, None) => ServiceOptions::from_env_at(provider, model, base_url)?,
        (None, Some(path)) => {
            let key = Some(Secret::from_file(path)?);
            ServiceOptions { key, key_host: None, ..ServiceOptions::from_env_at(provider, model, base_url)? }
        }
    };
    options.allow_insecure_base_url = args.allow_insecure_base_url;
    if args.base_url.is_some() {
        options.base_url.clone_from(&args.base_url);
    }
    options.api_version.clone_from(&args.api_version);
    options.ca_file.clone_from(&args.ca_file);
    options.requests_per_minute = args.requests_per_minute;
    options.tokens_per_minute = args.tokens_per_minute;
    options.timeout = Duration::from_secs(u64::from(args.timeout));
    options.retries = usize::from(args.retries);
    Ok(options)
}

fn price(provider: Provider, model: &str, args: &ServiceArgs) -> Result<Option<Price>, Failure> {
    let prices = match &args.prices {
        Some(path) => Prices::with_file(path)?,
        None => Prices::built_in(),
    };
    Ok(prices.find(provider, model).cloned())
}

/// Returns a sentence with the price that `dollars` computes from the model's price.
pub fn shown_cost(
    provider: Provider,
    model: &str,
    args: &ServiceArgs,
    dollars: impl Fn(&Price) -> f64,
) -> Result<String, Failure> {
    Ok(match price(provider, model, args)? {
        Some(price) => format!(
            "{} at most (${} per million tokens sent, ${} answered{}; {})",
            money(dollars(&price)),
            price.input,
            price.output,
            if price.searches > 0.0 { format!(", ${} per thousand searches", price.searches) } else { String::new() },
            price.origin(),
        ),
        None => "unknown; give the price with --prices".to_owned(),
    })
}

/// Prints the requests and their cost, if a service was used.
pub fn summarize(args: &ModelArgs, session: &Session) {
    let Some(meter) = session.used_meter().filter(|_| session.talk > Talk::Quiet) else { return };
    let ServiceUsage { requests, from_recording, from_cache, tries, tokens, dollars, .. } = meter.usage();
    if requests + from_cache + tries == 0 {
        return;
    }
    let name = args.service_name().map_or("services", |_| args.name());
    let mut said = format!("{name}: {requests} requests");
    let failed = (tries + from_recording).saturating_sub(requests);
    for (number, what) in
        [(failed, "further tries"), (from_recording, "of them recorded"), (from_cache, "answers from the cache")]
    {
        if number > 0 {
            said += &format!(", {number} {what}");
        }
    }
    if tokens.search_units > 0 {
        said += &format!(", {} search units", tokens.search_units);
    }
    if tokens.input > 0 || tokens.search_units == 0 {
        said += &format!(", {} tokens sent", tokens.input);
    }
    if tokens.output > 0 {
        said += &format!(", {} answered", tokens.output);
    }
    said += &match dollars {
        Some(dollars) => format!(", {}", money(dollars)),
        None => ", cost unknown (give the price with --prices)".to_owned(),
    };
    say(format_args!("{said}"));
}

/// Returns the summary as fields of a JSON answer. A replay has those of the recorded run.
pub fn usage(session: &Session, used: &Usage) -> Option<Map<String, Value>> {
    let ServiceUsage { requests, from_cache, tokens, dollars, .. } = session.used_meter()?.usage();
    let fields = json!({
        "requests": requests,
        "input_tokens": tokens.input,
        "cached_input_tokens": tokens.cached_input,
        "output_tokens": tokens.output,
        "cost_dollars": dollars,
        "cache_hits": from_cache + used.cached,
    });
    let mut fields = fields.as_object().cloned()?;
    if tokens.search_units > 0 {
        fields.insert("search_units".into(), tokens.search_units.into());
    }
    Some(fields)
}

/// The texts that a run would send, counted instead of sent.
pub struct DryRun {
    estimate: Estimate,
    price: Option<Price>,
    args: ModelArgs,
}

impl DryRun {
    /// Returns `None` if the run is not dry.
    pub fn of(args: &ModelArgs) -> Result<Option<Self>, Failure> {
        if !args.service.dry_run {
            return Ok(None);
        }
        let Some((provider, model)) = args.service_name() else {
            return Err(Failure::Error(format!(
                "--dry-run is for models of services, and '{}' costs nothing",
                args.name()
            )));
        };
        provider.check_offers(ServiceKind::Embeddings)?;
        let options = RemoteOptions { max_tokens: args.max_tokens, ..RemoteOptions::default() };
        let estimate = Estimate::new(provider, model, &options);
        Ok(Some(Self { estimate, price: price(provider, model, &args.service)?, args: args.clone() }))
    }

    pub fn queries<'a>(&mut self, texts: impl IntoIterator<Item = &'a str>) {
        let texts: Vec<&str> = texts.into_iter().collect();
        self.estimate.add(&texts, self.args.query_prompt.as_deref().unwrap_or_default());
    }

    pub fn documents(&mut self, rows: &[Row]) {
        let passages: Vec<_> = rows.iter().map(Row::passage).collect();
        let texts: Vec<&str> = passages.iter().map(AsRef::as_ref).collect();
        self.estimate.add(&texts, self.args.document_prompt.as_deref().unwrap_or_default());
    }

    /// Counts all rows of an input.
    pub fn rows(&mut self, rows: &mut Rows) -> Result<(), Failure> {
        loop {
            let chunk = rows.next_chunk(CHUNK_ROWS)?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.documents(&chunk);
        }
    }

    /// Prints the estimate.
    pub fn print(self) -> Run {
        let estimate = &self.estimate;
        let cost = match &self.price {
            Some(price) => {
                let (dollars, rate) = (money(estimate.dollars(price)), price.input);
                format!("{dollars} (${rate} per million tokens; {})", price.origin())
            }
            None => "unknown; give the price with --prices".to_owned(),
        };
        let at_most = if estimate.is_exact() { "" } else { " at most" };
        let lines = [
            ("model", self.args.name().to_owned()),
            ("requests", estimate.requests.to_string()),
            ("texts", format!("{} ({} of them cut)", estimate.texts, estimate.truncated)),
            ("tokens", format!("{}{at_most}", estimate.tokens)),
            ("cost", cost),
        ];
        let text: String = lines.iter().map(|(name, value)| format!("{name:9} {}\n", visible(value))).collect();
        io::stdout().write_all(text.as_bytes())?;
        Ok(Outcome::Done)
    }
}

/// Formats dollars with four digits after the point. Tiny amounts have three significant digits.
fn money(dollars: f64) -> String {
    let digits = if dollars > 0.0 && dollars < 0.0005 { 2.0 - dollars.log10().floor() } else { 4.0 };
    format!("${dollars:.*}", digits as usize)
}
