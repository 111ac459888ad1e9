//! JinaBERT v2 with a position bias no larger than the texts need.
//!
//! candle builds the ALiBi bias of all heads for `max_position_embeddings` at once: at 8,192
//! positions and 8 heads this is 2 GiB, for texts of any length. Here the model is built for the
//! longest text so far, rounded up to a power of two. It is built again for a longer text; the
//! weights are read from the same mapping.

use std::sync::{Arc, RwLock};

use candle_core::{Module, Result as CandleResult, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::jina_bert::{BertModel, Config};

/// The initial number of positions. It is small, because growing is cheap and rare, and so that
/// short texts test growing too.
const MIN_POSITIONS: usize = 32;

pub(super) struct JinaBert {
    config: Config,
    weights: VarBuilder<'static>,
    built: RwLock<Arc<Built>>,
}

struct Built {
    model: BertModel,
    positions: usize,
}

impl JinaBert {
    pub(super) fn new(weights: VarBuilder<'static>, config: Config) -> CandleResult<Self> {
        let built = Built::new(&weights, &config, MIN_POSITIONS)?;
        Ok(Self { config, weights, built: RwLock::new(Arc::new(built)) })
    }

    /// Computes hidden states. `ids` is `[batch, tokens]` without padding, because this
    /// architecture takes no mask.
    pub(super) fn forward(&self, ids: &Tensor) -> CandleResult<Tensor> {
        self.at_least(ids.dim(1)?)?.model.forward(ids)
    }

    fn at_least(&self, tokens: usize) -> CandleResult<Arc<Built>> {
        // A panic elsewhere leaves a whole `Arc` behind, so a poisoned lock holds nothing
        // half-written.
        let built = Arc::clone(&self.built.read().unwrap_or_else(|poisoned| poisoned.into_inner()));
        if built.positions >= tokens {
            return Ok(built);
        }
        let mut slot = self.built.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        if slot.positions < tokens {
            *slot = Arc::new(Built::new(&self.weights, &self.config, tokens)?);
        }
        Ok(Arc::clone(&slot))
    }
}

impl Built {
    fn new(weights: &VarBuilder<'static>, config: &Config, tokens: usize) -> CandleResult<Self> {
        let positions = tokens.next_power_of_two().min(config.max_position_embeddings.max(tokens));
        let config = Config { max_position_embeddings: positions, ..config.clone() };
        Ok(Self { model: BertModel::new(weights.clone(), &config)?, positions })
    }
}
