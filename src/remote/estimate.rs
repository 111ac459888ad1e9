//! Estimates the cost of embedding, without a service.

use super::options::RemoteOptions;
use super::requests::ModelLimits;
use crate::service::{Price, Provider, ServiceTokens};

/// The estimated cost of embedding texts. Needs no key and sends nothing. Texts that a cache has
/// are counted too.
pub struct Estimate {
    limits: ModelLimits,
    /// The number of requests.
    pub requests: u64,
    /// The number of texts, without empty ones.
    pub texts: u64,
    /// The number of texts that would be truncated.
    pub truncated: u64,
    /// The maximum number of tokens.
    pub tokens: u64,
}

impl Estimate {
    /// Creates an empty estimate for a model with the limits of [`super::RemoteOptions`].
    pub fn new(provider: Provider, model: &str, options: &RemoteOptions) -> Self {
        Self { limits: options.limits(provider, model), requests: 0, texts: 0, truncated: 0, tokens: 0 }
    }

    /// Adds the requests that one call of [`crate::Encoder::encode`] would send.
    pub fn add(&mut self, texts: &[&str], prompt: &str) {
        let inputs = self.limits.inputs(texts, prompt);
        self.requests += self.limits.batches(&inputs).len() as u64;
        self.texts += inputs.len() as u64;
        self.truncated += inputs.iter().filter(|input| input.truncated).count() as u64;
        self.tokens += inputs.iter().map(|input| input.tokens as u64).sum::<u64>();
    }

    /// Returns true if the tokens are counted as the service counts them; else the count is an
    /// upper estimate.
    pub fn is_exact(&self) -> bool {
        self.limits.counter.is_exact()
    }

    /// Returns the estimated price, in dollars.
    pub fn dollars(&self, price: &Price) -> f64 {
        price.dollars(ServiceTokens { input: self.tokens, ..ServiceTokens::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_counts_what_would_be_sent() {
        let mut estimate = Estimate::new(Provider::OpenAi, "text-embedding-3-large", &RemoteOptions::default());
        let texts = vec!["antidisestablishmentarianism"; 3_000];
        estimate.add(&texts, "");
        assert_eq!((estimate.requests, estimate.texts, estimate.tokens), (2, 3_000, 18_000));
        let price = Price { input: 0.13, ..Price::default() };
        assert!((estimate.dollars(&price) - 0.00234).abs() < 1e-9 && estimate.is_exact());
    }
}
