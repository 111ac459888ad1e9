//! Health and metrics.

mod health;
mod log;
mod metrics;
mod self_test;

pub(crate) use health::{Heart, Proofs};
pub(crate) use log::log_to_stderr;
pub(crate) use metrics::{Figures, Metrics};
pub(crate) use self_test::{Proof, check, golden_request};
