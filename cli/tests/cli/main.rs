//! The command as its users meet it: every test runs the built binary and reads what it prints.
//!
//! Where the model does not matter a committed tiny one is used, which answers in milliseconds. The
//! tests of the Eiffel Tower example need the default model: they fail when it cannot be had, they
//! are never skipped.

#[cfg(unix)]
mod batch;
mod cache;
mod compare;
mod cross_encoder;
mod diagnose;
#[cfg(unix)]
mod docs;
mod embed;
mod eval;
mod index;
mod input;
mod judge;
mod late_interaction;
#[cfg(unix)]
mod lists;
mod manners;
#[cfg(feature = "serve")]
mod mcp;
mod models;
mod not_finite;
mod options;
mod output;
mod queries;
mod rerank_service;
mod scores;
#[cfg(unix)]
mod serve;
#[path = "../../../tests/service/server.rs"]
mod server;
mod service;
mod stages;
mod static_models;
mod support;
#[cfg(unix)]
mod terminal;
#[cfg(unix)]
mod transcripts;
mod tune;
