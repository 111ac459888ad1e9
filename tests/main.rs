//! One test program: every file beside this one is a module of it, so that the library is linked once.

mod architecture;
mod cache;
mod contract;
mod cross_encoder;
mod determinism;
mod engine;
mod eval;
mod index;
mod io;
mod parity;
mod reranking;
mod scoring;
mod service;
mod store;
mod support;
