//! The time of a forward pass, by layer and operation.

use std::fmt;
use std::time::{Duration, Instant};

/// A part of a forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Adding rows of the embedding tables, and their norm.
    Embeddings,
    /// Quantising or rounding the input of the products.
    Quantize,
    /// The product that gives queries, keys and values.
    Qkv,
    /// Rotary positions.
    Rope,
    /// Scores, softmax and context.
    Attention,
    /// The product behind attention, with bias and residual.
    AttentionOutput,
    /// Layer norms.
    Norm,
    /// The first product of the feed-forward part, with bias and activation.
    Up,
    /// Activation and gate, where they are a step of their own.
    Gate,
    /// The second product of the feed-forward part, with bias and residual.
    Down,
}

impl Operation {
    /// All operations, in the order of the forward pass.
    pub const ALL: [Operation; 10] = [
        Operation::Embeddings,
        Operation::Quantize,
        Operation::Qkv,
        Operation::Rope,
        Operation::Attention,
        Operation::AttentionOutput,
        Operation::Norm,
        Operation::Up,
        Operation::Gate,
        Operation::Down,
    ];
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Operation::Embeddings => "embeddings",
            Operation::Quantize => "quantize",
            Operation::Qkv => "qkv",
            Operation::Rope => "rope",
            Operation::Attention => "attention",
            Operation::AttentionOutput => "attention output",
            Operation::Norm => "norm",
            Operation::Up => "up",
            Operation::Gate => "gate",
            Operation::Down => "down",
        })
    }
}

/// The times of one or more forward passes, by layer and operation.
#[derive(Debug, Clone, Default)]
pub struct PassTimes {
    /// Per layer, the times of [`Operation::ALL`]. Work before the first layer counts to the first,
    /// work after the last layer to the last.
    pub layers: Vec<[Duration; Operation::ALL.len()]>,
    /// Arithmetic operations (a multiply-add is two) for each of [`Operation::ALL`] in all layers;
    /// 0 where they are not counted.
    pub operations: [u64; Operation::ALL.len()],
}

impl PassTimes {
    /// Returns the time of one operation in all layers.
    pub fn total(&self, operation: Operation) -> Duration {
        self.layers.iter().map(|layer| layer[operation as usize]).sum()
    }
}

/// A stopwatch for a forward pass. When it is off, it costs nothing.
pub(super) struct Laps {
    watch: Option<(Instant, PassTimes)>,
    layer: usize,
}

impl Laps {
    pub(super) fn off() -> Self {
        Self { watch: None, layer: 0 }
    }

    pub(super) fn started() -> Self {
        Self { watch: Some((Instant::now(), PassTimes::default())), layer: 0 }
    }

    /// Sets the layer of the next laps.
    pub(super) fn layer(&mut self, layer: usize) {
        self.layer = layer;
    }

    /// Adds the time since the last lap to `operation`.
    pub(super) fn lap(&mut self, operation: Operation) {
        let Some((last, profile)) = &mut self.watch else { return };
        let now = Instant::now();
        if profile.layers.len() <= self.layer {
            profile.layers.resize(self.layer + 1, Default::default());
        }
        profile.layers[self.layer][operation as usize] += now - *last;
        *last = now;
    }

    /// Returns the laps of a product.
    pub(super) fn of(&mut self, operation: Operation) -> LapsOf<'_> {
        LapsOf { laps: self, operation }
    }

    pub(super) fn profile(self) -> PassTimes {
        self.watch.map(|(_, profile)| profile).unwrap_or_default()
    }
}

/// The two laps of a product: preparing its operand, and the product itself.
pub(super) struct LapsOf<'a> {
    laps: &'a mut Laps,
    operation: Operation,
}

impl LapsOf<'_> {
    pub(super) fn prepared(&mut self) {
        self.laps.lap(Operation::Quantize);
    }

    pub(super) fn computed(&mut self) {
        self.laps.lap(self.operation);
    }
}
