//! Prices and limits of models: `prices.toml`, and a user's own file that takes precedence.

use std::path::Path;

use serde::Deserialize;

use super::{Provider, ServiceError, ServiceTokens};
use crate::store::read_small;

/// The file that is part of nearsort.
const BUILT_IN: &str = include_str!("prices.toml");
/// Number of tokens that a price is for.
const PER: f64 = 1e6;
/// Number of search units that a price is for.
const PER_SEARCHES: f64 = 1e3;
/// Maximum of a price, so that sums stay finite.
const MAX_RATE: f64 = 1e9;
/// Maximum size of a file of prices, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// The price of one model, in dollars per million tokens or thousand searches, and its limits.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// The model's name; a `*` at its end matches any ending.
    pub name: String,
    /// The provider of the model; `None`: any provider.
    #[serde(default)]
    pub provider: Option<String>,
    /// Price of tokens sent.
    pub input: f64,
    /// Price of tokens sent that the service had in its cache; `None`: as `input`.
    #[serde(default)]
    pub cached_input: Option<f64>,
    /// Price of tokens of the answer.
    #[serde(default)]
    pub output: f64,
    /// Dollars per thousand search units, by which some services bill.
    #[serde(default)]
    pub searches: f64,
    /// Maximum input in tokens, answer included; `None`: not known.
    #[serde(default)]
    pub context_tokens: Option<u64>,
    /// Maximum answer in tokens; `None`: not known.
    #[serde(default)]
    pub max_output_tokens: Option<u64>,
    /// Number of components of an embedding by default; `None`: not known, or not an embedding
    /// model.
    #[serde(default)]
    pub dimensions: Option<usize>,
    /// The date of the price, `YYYY-MM-DD`.
    #[serde(default)]
    pub date: String,
    /// The source of the price.
    #[serde(default)]
    pub source: String,
    /// True if no readable source has some part of the price.
    #[serde(default)]
    pub estimate: bool,
}

impl Price {
    /// Returns the price of tokens and searches, in dollars.
    pub fn dollars(&self, usage: ServiceTokens) -> f64 {
        let cached = usage.cached_input.min(usage.input);
        let fresh = (usage.input - cached) as f64 * self.input;
        let kept = cached as f64 * self.cached_input.unwrap_or(self.input);
        let tokens = (fresh + kept + usage.output as f64 * self.output) / PER;
        tokens + usage.search_units as f64 * self.searches / PER_SEARCHES
    }

    /// Returns date and source of the price for a message, `-` for an unknown one. Marks an
    /// estimate.
    pub fn origin(&self) -> String {
        let known = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let estimate = if self.estimate { "an estimate, " } else { "" };
        format!("{estimate}{}, {}", known(&self.date), known(&self.source))
    }

    fn covers(&self, provider: Provider, model: &str) -> bool {
        let facts = provider.wire().facts();
        let named = |name: &String| [facts.prices_of, facts.name].contains(&name.as_str());
        let fits = match self.name.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning),
            None => model == self.name,
        };
        fits && self.provider.as_ref().is_none_or(named)
    }

    fn is_sound(&self) -> bool {
        let rates = [self.input, self.output, self.cached_input.unwrap_or(0.0), self.searches];
        !self.name.is_empty() && rates.iter().all(|rate| (0.0..=MAX_RATE).contains(rate))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    model: Vec<Price>,
}

/// The known prices.
#[derive(Debug, Clone)]
pub struct Prices {
    own: Vec<Price>,
    built_in: Vec<Price>,
}

impl Prices {
    /// Returns the prices that are part of nearsort, each with its date and source. They are list
    /// prices; a gateway or a contract may have others.
    ///
    /// # Panics
    /// Never: a test reads the file.
    pub fn built_in() -> Self {
        let built_in = parse(BUILT_IN).expect("the file of prices is part of the program");
        Self { own: Vec::new(), built_in }
    }

    /// Reads the prices of a user's TOML file. Models that it does not name have the built-in
    /// prices. The file has one `[[model]]` per price, with the fields of [`Price`].
    ///
    /// # Errors
    /// [`ServiceError::Setup`] if the file cannot be read or does not have this form.
    pub fn with_file(path: &Path) -> Result<Self, ServiceError> {
        let failed = |message: String| ServiceError::Setup(format!("the prices in {}: {message}", path.display()));
        let bytes = read_small(path, MAX_BYTES).map_err(|error| failed(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|error| failed(error.to_string()))?;
        Ok(Self { own: parse(&text).map_err(failed)?, ..Self::built_in() })
    }

    /// Returns the price of a model. The user's prices take precedence over the built-in ones, and
    /// longer names over shorter ones.
    pub fn find(&self, provider: Provider, model: &str) -> Option<&Price> {
        let longest = |prices: &'_ [Price]| {
            let known = prices.iter().enumerate().filter(|(_, price)| price.covers(provider, model));
            known.max_by_key(|(_, price)| price.name.trim_end_matches('*').len()).map(|(index, _)| index)
        };
        longest(&self.own)
            .map(|index| &self.own[index])
            .or_else(|| longest(&self.built_in).map(|index| &self.built_in[index]))
    }
}

fn parse(text: &str) -> Result<Vec<Price>, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    match file.model.iter().find(|price| !price.is_sound()) {
        Some(price) => Err(format!(
            "the prices of '{}' must be numbers of at least 0 and at most {MAX_RATE}, and its name not empty",
            price.name
        )),
        None => Ok(file.model),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_price_has_a_date_and_a_source() {
        let prices = Prices::built_in();
        assert!(prices.built_in.len() >= 10);
        for price in &prices.built_in {
            let date = price.date.split('-').map(|part| part.parse::<u32>().unwrap()).collect::<Vec<_>>();
            assert!(date.len() == 3 && date[0] >= 2024, "{}", price.name);
            assert!(!price.source.is_empty() && price.provider.is_some(), "{}", price.name);
        }
    }

    #[test]
    fn models_are_found_by_name_and_unknown_ones_are_not() {
        let prices = Prices::built_in();
        let find = |provider, model| prices.find(provider, model).map(|price| (price.input, price.output));
        assert_eq!(find(Provider::OpenAi, "gpt-4o"), Some((2.50, 10.0)));
        assert_eq!(find(Provider::Azure, "gpt-4o-mini"), Some((0.15, 0.60)));
        assert_eq!(find(Provider::Anthropic, "claude-3-5-sonnet-20241022"), Some((3.0, 15.0)));
        assert_eq!(find(Provider::OpenAi, "text-embedding-3-large"), Some((0.13, 0.0)));
        for unknown in ["gpt-4o-audio-preview", "BAAI/bge-m3", ""] {
            assert_eq!(find(Provider::OpenAi, unknown), None, "{unknown}");
        }
        assert_eq!(find(Provider::OpenAi, "claude-3-5-sonnet-20241022"), None);
    }

    #[test]
    fn a_million_tokens_cost_the_price() {
        let price = Price { input: 2.5, cached_input: Some(1.25), output: 10.0, ..Price::default() };
        let usage = ServiceTokens { input: 2_000_000, cached_input: 1_000_000, output: 100_000, search_units: 7 };
        assert!((price.dollars(usage) - (2.5 + 1.25 + 1.0)).abs() < 1e-12);
        let searches = Price { searches: 2.0, ..price };
        assert!((searches.dollars(usage) - (2.5 + 1.25 + 1.0 + 0.014)).abs() < 1e-12);
    }

    #[test]
    fn an_estimate_is_called_so() {
        let prices = Prices::built_in();
        let origin = |model| prices.find(Provider::OpenAi, model).unwrap().origin();
        assert_eq!(origin("gpt-4o"), "2025-01-15, https://platform.openai.com/docs/models/gpt-4o");
        assert!(origin("gpt-4o-2024-11-20").starts_with("an estimate, 2025-01-15, "));
        assert_eq!(Price::default().origin(), "-, -");
    }

    #[test]
    fn a_users_file_comes_first_and_a_wrong_one_says_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prices.toml");
        let text = "[[model]]\nname = \"gpt-4o\"\ninput = 1.0\noutput = 4\n[[model]]\nname = \"local/*\"\ninput = 0\n";
        std::fs::write(&path, text).unwrap();
        let prices = Prices::with_file(&path).unwrap();
        assert_eq!(prices.find(Provider::OpenAi, "gpt-4o").unwrap().input, 1.0);
        assert_eq!(prices.find(Provider::OpenAi, "local/x").unwrap().input, 0.0);
        assert_eq!(prices.find(Provider::OpenAi, "gpt-4o-mini").unwrap().input, 0.15);
        for (bad, said) in [
            ("[[model]]\nname = \"m\"\n", "input"),
            ("[[model]]\nname = \"m\"\ninput = -1\n", "at least 0"),
            ("[[model]]\nname = \"m\"\ninput = 0\nsearches = -1\n", "at least 0"),
            ("[[modle]]", "modle"),
        ] {
            std::fs::write(&path, bad).unwrap();
            let error = Prices::with_file(&path).unwrap_err().to_string();
            assert!(error.contains("prices.toml") && error.contains(said), "{error}");
        }
    }
}
