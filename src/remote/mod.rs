//! Scores from models that services compute.

pub mod judge;
