//! What embedding would take, without a service.

use super::options::RemoteOptions;
use super::requests::Limits;
use crate::service::{Price, Provider, ServiceTokens};

/// What embedding texts would take, without a key and without sending anything. Texts that a cache has are counted too.
pub struct Estimate {
    limits: Limits,
    /// Requests.
    pub requests: u64,
    /// Texts, without empty ones.
    pub texts: u64,
    /// Texts that would be cut.
    pub truncated: u64,
    /// Tokens, at most.
    pub tokens: u64,
}

impl Estimate {
    /// Of a model with the limits of [`super::RemoteOptions`].
    pub fn new(provider: Provider, model: &str, options: &RemoteOptions) -> Self {
        Self { limits: options.limits(provider, model), requests: 0, texts: 0, truncated: 0, tokens: 0 }
    }

    /// Adds what one call of [`crate::Encoder::encode`] would send.
    pub fn add(&mut self, texts: &[&str], prompt: &str) {
        let inputs = self.limits.inputs(texts, prompt);
        self.requests += self.limits.batches(&inputs).len() as u64;
        self.texts += inputs.len() as u64;
        self.truncated += inputs.iter().filter(|input| input.truncated).count() as u64;
        self.tokens += inputs.iter().map(|input| input.tokens as u64).sum::<u64>();
    }

    /// Whether the tokens are counted as the service counts them; else they are an estimate from above.
    pub fn is_exact(&self) -> bool {
        self.limits.counter.is_exact()
    }

    /// What it would cost, in dollars.
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
