//! What can be said about a model of a service.

use std::path::PathBuf;

use clap::Args;

/// How a service is reached, and what it may cost.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Services (openai:, azure:, anthropic:, cohere:, jina:, voyage:, tei:)")]
pub struct ServiceArgs {
    /// Address of the service, or of a server that speaks its formats
    ///
    /// Such as http://localhost:8000/v1. [env: OPENAI_BASE_URL, AZURE_OPENAI_ENDPOINT,
    /// ANTHROPIC_BASE_URL, COHERE_BASE_URL, JINA_BASE_URL, VOYAGE_BASE_URL, TEI_BASE_URL]
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Read the key from a file instead of the environment
    ///
    /// [env: OPENAI_API_KEY, AZURE_OPENAI_API_KEY, ANTHROPIC_API_KEY, COHERE_API_KEY or CO_API_KEY,
    /// JINA_API_KEY, VOYAGE_API_KEY; for another address: NEARSORT_API_KEY]
    #[arg(long, value_name = "FILE")]
    #[arg(hide_short_help = true)]
    pub api_key_file: Option<PathBuf>,
    /// Send the key over http:// to another machine, where anybody on the way can read it
    #[arg(long)]
    #[arg(hide_short_help = true)]
    pub allow_insecure_base_url: bool,
    /// Azure's api-version or Anthropic's anthropic-version [default: 2024-10-21, 2023-06-01]
    #[arg(long, value_name = "VERSION")]
    #[arg(hide_short_help = true)]
    pub api_version: Option<String>,
    /// Trust these certificates (PEM) beside the machine's own
    #[arg(long, value_name = "FILE")]
    #[arg(hide_short_help = true)]
    pub ca_file: Option<PathBuf>,
    /// Requests under way at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    #[arg(hide_short_help = true)]
    pub concurrency: u16,
    /// Send at most so many requests in any minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(hide_short_help = true)]
    pub requests_per_minute: Option<u32>,
    /// Send at most so many tokens in any minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(hide_short_help = true)]
    pub tokens_per_minute: Option<u32>,
    /// Give a request up after so many seconds, and try again
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(hide_short_help = true)]
    pub timeout: u32,
    /// Tries after the first, where another can help
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(..=100))]
    #[arg(hide_short_help = true)]
    pub retries: u16,
    /// Stop before more dollars are spent
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    pub budget: Option<f64>,
    /// Print requests, tokens and price, and send nothing; needs no key
    #[arg(long)]
    #[arg(hide_short_help = true)]
    pub dry_run: bool,
    /// Prices of models, before those that nearsort knows: TOML with [[model]], name, input, output (dollars per million tokens), searches (dollars per thousand search units)
    #[arg(long, value_name = "FILE.toml")]
    #[arg(hide_short_help = true)]
    pub prices: Option<PathBuf>,
    /// Keep every request and answer in a folder; what it has already is not asked again
    #[arg(long, value_name = "DIR", conflicts_with = "replay")]
    #[arg(hide_short_help = true)]
    pub record: Option<PathBuf>,
    /// Answer from a folder that --record filled, without the service
    #[arg(long, value_name = "DIR")]
    #[arg(hide_short_help = true)]
    pub replay: Option<PathBuf>,
}

impl ServiceArgs {
    /// Whether answers come from a recording or go into one, which the cache would keep from being whole.
    pub fn is_recorded(&self) -> bool {
        self.record.is_some() || self.replay.is_some()
    }

    /// An option that is given and means nothing to a local model.
    pub fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--base-url", self.base_url.is_some()),
            ("--api-key-file", self.api_key_file.is_some()),
            ("--allow-insecure-base-url", self.allow_insecure_base_url),
            ("--budget", self.budget.is_some()),
            ("--dry-run", self.dry_run),
            ("--record", self.record.is_some()),
            ("--replay", self.replay.is_some()),
        ];
        given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }
}

fn dollars(text: &str) -> Result<f64, String> {
    match text.trim_start_matches('$').parse::<f64>() {
        Ok(dollars) if dollars.is_finite() && dollars >= 0.0 => Ok(dollars),
        _ => Err("a number of dollars is wanted, such as 2.00".into()),
    }
}
