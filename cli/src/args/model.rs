//! The options of a model, and of `models`.

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
            .map_err(|error: nearsort::Error| format!("{error}, or auto")),
    }
}

/// Parses a number of threads. A number that no machine can start would hang the program.
fn threads(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MAX_THREADS).contains(number));
    number.ok_or_else(|| format!("expected 1 to {MAX_THREADS}"))
}

/// Returns the library's default of `--batch-tokens`.
pub fn default_batch_tokens() -> usize {
    LocalEncoderOptions::default().batch_tokens
}

/// The model, its settings, and where it runs.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// A registered name, org/name[@revision], a folder, or PROVIDER:MODEL [default:
    /// all-MiniLM-L6-v2]
    ///
    /// `nearsort models list` prints the registered names; org/name is a repository of the Hugging
    /// Face hub. Services: openai:MODEL and azure:DEPLOYMENT embed or judge, anthropic:MODEL
    /// judges, cohere:MODEL, jina:MODEL, voyage:MODEL and tei:NAME rerank.
    #[arg(long = "model", value_name = "MODEL")]
    pub name: Option<String>,
    /// Device of the model: cpu, cuda, cuda:N or metal
    #[arg(long, default_value = "cpu", value_name = "DEVICE", value_parser = Device::from_str)]
    pub device: Device,
    /// Engine of the model: native (nearsort's own, CPU) or candle (GPUs, more architectures)
    ///
    /// auto takes native if it knows the architecture and the device is the CPU.
    #[arg(long, default_value = "auto", value_name = "auto|native|candle", value_parser = or_auto::<Engine>)]
    #[arg(hide_short_help = true)]
    pub engine: OrAuto<Engine>,
    /// Arithmetic of the forward pass
    ///
    /// auto is the fastest precision whose embeddings keep a mean cosine of 0.999 to those of f32.
    #[arg(long, default_value = "auto", value_name = "auto|f32|bf16|i8", value_parser = or_auto::<Precision>)]
    pub precision: OrAuto<Precision>,
    /// Number of threads, up to 1024 [default: one per core]
    #[arg(long, value_name = "N", value_parser = threads)]
    pub threads: Option<usize>,
    /// Maximum tokens per batch; bounds the memory of a forward pass
    #[arg(long, value_name = "N", default_value_t = default_batch_tokens(), hide_short_help = true)]
    pub batch_tokens: usize,
    /// Prompt before every query, in place of the model's own
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub query_prompt: Option<String>,
    /// Prompt before every document, in place of the model's own
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    pub document_prompt: Option<String>,
    /// Pooling of token vectors into an embedding, in place of the model's own
    #[arg(long, value_name = "cls|mean|lasttoken", value_parser = Pooling::from_str, hide_short_help = true)]
    pub pooling: Option<Pooling>,
    /// Maximum tokens of a text, in place of the model's own limit
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<usize>,
    /// Keep only the first N components of each vector (for Matryoshka models)
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub dim: Option<usize>,
    #[command(flatten)]
    pub store: StoreArgs,
    #[command(flatten)]
    pub service: ServiceArgs,
}

impl ModelArgs {
    /// Returns the model's name.
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(nearsort::DEFAULT_MODEL)
    }

    /// Returns provider and model, if the model is a service's.
    pub fn service_name(&self) -> Option<(Provider, &str)> {
        Provider::of_name(self.name())
    }
}

/// Access to models that are not on this machine.
#[derive(Args, Debug, Clone)]
pub struct StoreArgs {
    /// Open no network connection; use only models on this machine [env: NEARSORT_OFFLINE=1]
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
    /// List the registered models, and which of them are on this machine
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model and verify its files
    Pull {
        /// A registered name, or org/name[@revision]
        name: String,
        #[command(flatten)]
        store: StoreArgs,
    },
    /// Print the folder of a model that is on this machine
    Path {
        /// A registered name, or org/name[@revision]
        name: String,
    },
    /// Check a model: files, contract, padding, NaN, golden vectors
    Verify {
        /// A registered name, org/name[@revision], or a folder
        #[arg(value_name = "NAME|DIR")]
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        store: StoreArgs,
    },
}
