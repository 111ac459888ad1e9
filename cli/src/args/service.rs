//! The options of a service.

use std::path::PathBuf;

use clap::Args;

/// Address, key, limits and budget of a service.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Services (openai:, azure:, anthropic:, cohere:, jina:, voyage:, tei:)")]
pub struct ServiceArgs {
    /// Address of the service or of a compatible server, such as http://localhost:8000/v1
    ///
    /// [env: OPENAI_BASE_URL, AZURE_OPENAI_ENDPOINT, ANTHROPIC_BASE_URL, COHERE_BASE_URL,
    /// JINA_BASE_URL, VOYAGE_BASE_URL, TEI_BASE_URL]
    #[arg(long, value_name = "URL")]
    pub base_url: Option<String>,
    /// Read the key from a file instead of the environment
    ///
    /// [env: OPENAI_API_KEY, AZURE_OPENAI_API_KEY, ANTHROPIC_API_KEY, COHERE_API_KEY or CO_API_KEY,
    /// JINA_API_KEY, VOYAGE_API_KEY; for another address: NEARSORT_API_KEY]
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub api_key_file: Option<PathBuf>,
    /// Allow the key over http:// to another machine; anyone on the way can read it
    #[arg(long, hide_short_help = true)]
    pub allow_insecure_base_url: bool,
    /// Azure's api-version [default: 2024-10-21] or anthropic-version [default: 2023-06-01]
    #[arg(long, value_name = "VERSION", hide_short_help = true)]
    pub api_version: Option<String>,
    /// Trust the certificates of a PEM file in addition to the machine's own
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub ca_file: Option<PathBuf>,
    /// Maximum number of requests at once, 1 to 256
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    #[arg(hide_short_help = true)]
    pub concurrency: u16,
    /// Maximum number of requests in any minute [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    pub requests_per_minute: Option<u32>,
    /// Maximum number of tokens in any minute, as estimated before sending [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), hide_short_help = true)]
    pub tokens_per_minute: Option<u32>,
    /// Maximum seconds of one try of a request, from connecting to the last byte
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    #[arg(hide_short_help = true)]
    pub timeout: u32,
    /// Number of tries after the first, for errors that may be temporary; 0 to 100
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(..=100))]
    #[arg(hide_short_help = true)]
    pub retries: u16,
    /// Stop before the estimated cost exceeds this many US dollars [default: no limit]
    #[arg(long, value_name = "DOLLARS", value_parser = dollars)]
    pub budget: Option<f64>,
    /// Print the number of requests, tokens and the price; send nothing; needs no key
    #[arg(long, hide_short_help = true)]
    pub dry_run: bool,
    /// A file of model prices, which take precedence over nearsort's own
    ///
    /// TOML with [[model]]: name, input and output (dollars per million tokens), searches (dollars
    /// per thousand search units).
    #[arg(long, value_name = "FILE.toml", hide_short_help = true)]
    pub prices: Option<PathBuf>,
    /// Record every request and answer in a folder; recorded requests are not sent again
    #[arg(long, value_name = "DIR", conflicts_with = "replay", hide_short_help = true)]
    pub record: Option<PathBuf>,
    /// Answer from a folder that --record wrote, without the service
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    pub replay: Option<PathBuf>,
}

impl ServiceArgs {
    /// Returns true if answers are recorded or replayed. The cache is off then, because the
    /// recording would miss cached texts.
    pub fn is_recorded(&self) -> bool {
        self.record.is_some() || self.replay.is_some()
    }

    /// Returns a given option that has no effect on a local model.
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
        _ => Err("expected a number of dollars, such as 2.00".into()),
    }
}
