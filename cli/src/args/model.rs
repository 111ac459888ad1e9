//! What can be said about a model, and what can be typed after `models`.

use std::str::FromStr;

use clap::{Args, Subcommand};
use nearsort::encoder::MAX_THREADS;
use nearsort::service::Provider;
use nearsort::{Device, Engine, LocalEncoderOptions, Pooling, Precision};

use super::ServiceArgs;

/// A choice that can be left to the program: `auto` is `None`.
#[derive(Debug, Clone, Copy)]
pub struct OrAuto<T>(pub Option<T>);

fn or_auto<T: FromStr<Err = nearsort::Error>>(text: &str) -> Result<OrAuto<T>, String> {
    match text {
        "auto" => Ok(OrAuto(None)),
        chosen => chosen
            .parse()
            .map(|choice| OrAuto(Some(choice)))
            .map_err(|error: nearsort::Error| format!("{error}, and auto")),
    }
}

/// Before anything is loaded, and whatever the model is: a number of threads that no machine starts would hang the program.
fn threads(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX_THREADS).contains(number));
    number.ok_or_else(|| format!("allowed are 1 to {MAX_THREADS}"))
}

/// The library's.
pub fn default_batch_tokens() -> usize {
    LocalEncoderOptions::default().batch_tokens
}

/// Which model, and how it runs.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// A registered name, org/name[@revision], a folder, or PROVIDER:MODEL [default: all-MiniLM-L6-v2]
    ///
    /// `nearsort models list` has the registered names; org/name is on the hub. Services:
    /// openai:MODEL and azure:DEPLOYMENT embed or judge, anthropic:MODEL judges, cohere:MODEL,
    /// jina:MODEL, voyage:MODEL and tei:NAME rerank.
    #[arg(long = "model", value_name = "MODEL")]
    pub name: Option<String>,
    /// Where the model runs: cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "cpu", value_name = "DEVICE", value_parser = Device::from_str)]
    pub device: Device,
    /// What computes the model: nearsort's own engine (CPU), or candle (GPUs, more architectures)
    #[arg(long, default_value = "auto", value_name = "auto|native|candle", value_parser = or_auto::<Engine>)]
    #[arg(hide_short_help = true)]
    pub engine: OrAuto<Engine>,
    /// Arithmetic of the forward pass
    ///
    /// auto is the fastest that keeps a mean cosine of 0.999 to f32.
    #[arg(long, default_value = "auto", value_name = "auto|f32|bf16|i8", value_parser = or_auto::<Precision>)]
    pub precision: OrAuto<Precision>,
    /// Threads, up to 1024 [default: one per core]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Tokens per batch; bounds the memory of a forward pass
    #[arg(long, value_name = "N", default_value_t = default_batch_tokens())]
    #[arg(hide_short_help = true)]
    pub batch_tokens: usize,
    /// Put before every query instead of the model's own prompt
    #[arg(long, value_name = "TEXT")]
    #[arg(hide_short_help = true)]
    pub query_prompt: Option<String>,
    /// Put before every document instead of the model's own prompt
    #[arg(long, value_name = "TEXT")]
    #[arg(hide_short_help = true)]
    pub document_prompt: Option<String>,
    /// How token vectors become one, whatever the model's own files say
    #[arg(long, value_name = "cls|mean|lasttoken", value_parser = Pooling::from_str)]
    #[arg(hide_short_help = true)]
    pub pooling: Option<Pooling>,
    /// Cut texts after so many tokens instead of the model's own limit
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,
    /// Keep the first N components of a vector (Matryoshka models)
    #[arg(long, value_name = "N")]
    #[arg(hide_short_help = true)]
    pub dim: Option<usize>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub service: ServiceArgs,
}

impl ModelArgs {
    /// The model that is asked for.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(nearsort::DEFAULT_MODEL)
    }

    /// Provider and model, where the model is a service's.
    pub fn service_name(&self) -> Option<(Provider, &str)> {
        Provider::of_name(self.name())
    }
}

/// Where models come from.
#[derive(Args, Debug, Clone)]
pub struct StoreArgs {
    /// Open no network connection [env: NEARSORT_OFFLINE=1]
    ///
    /// Only models that are on this machine are used.
    #[arg(long)]
    pub offline: bool,
}

#[derive(Args, Debug)]
pub struct ModelsArgs {
    #[command(subcommand)]
    pub verb: ModelsVerb,
}

#[derive(Subcommand, Debug)]
pub enum ModelsVerb {
    /// The registered models, and which of them are here
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model and verify its files
    Pull {
        name: String,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Print the folder of a model that is here
    Path { name: String },
    /// Check a model: files, contract, padding, NaN, golden vectors
    Verify {
        #[arg(value_name = "NAME|DIR")]
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: StoreArgs,
    },
}
