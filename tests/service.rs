//! Services against a local server that speaks their formats, with faults on demand. Nothing here
//! leaves 127.0.0.1.
#![cfg(feature = "remote")]

#[path = "service/calls.rs"]
mod calls;
#[path = "service/http.rs"]
mod http;
#[path = "service/judge.rs"]
mod judge;
#[path = "service/real.rs"]
mod real;
#[path = "service/recording.rs"]
mod recording;
#[path = "service/remote.rs"]
mod remote;
#[path = "service/rerank.rs"]
mod rerank;
#[path = "service/server.rs"]
pub mod server;
