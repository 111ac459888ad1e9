//! One test program: every file beside this one is a module of it, so that the library is linked
//! once.

mod allocations;
mod architecture;
mod audit;
mod cache;
mod calls;
mod compare;
mod contract;
mod cross_encoder;
mod damaged_models;
mod determinism;
mod device;
mod diagnose;
mod engine;
mod eval;
mod feedback;
#[cfg(unix)]
mod fork;
mod index;
mod io;
mod job;
mod late_interaction;
mod model;
mod not_finite;
mod parity;
mod partial;
mod reading;
mod reranking;
mod scoring;
mod service;
mod static_models;
mod store;
mod support;
mod variants;
