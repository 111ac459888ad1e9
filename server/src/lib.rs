//! The server of nearsort: a local endpoint for rerank and embedding clients.
//!
//! [`Server::bind`] opens the sockets, [`Server::run`] serves until a shutdown is requested, and
//! [`serve`] does both on the calling thread. [`Settings`] configure a server. Flags, environment
//! and a TOML file are three ways to write the same fields; [`Options`] is their checked result.
//!
//! The modules: [`wire`] has the bodies of all dialects as pure data; `net` accepts connections and
//! ends slow ones; `http` has the routes and the layers of every request (keys, ids, limits, log);
//! `handle` has one file per endpoint; `models` loads models by name; `admission` bounds the work;
//! `ops` has health and metrics; `page` has the pages, `openapi` the description of the API, `mcp`
//! the tools for language models.

#![deny(missing_docs)]

mod admission;
mod app;
mod context;
mod demand;
mod environment;
mod error;
mod files;
mod handle;
mod http;
mod indexes;
mod mcp;
mod models;
mod net;
mod openapi;
mod ops;
mod options;
mod page;
mod server;
mod settings;
mod turns;
mod upkeep;
#[allow(missing_docs)] // Plain data, documented where a name does not say it.
pub mod wire;
mod work;

pub use app::App;
pub use context::Context;
pub use error::{Error, Result};
pub use mcp::stdio as serve_mcp;
pub use net::Listen;
pub use options::{ApiKey, Limits, Options, TimeOuts};
pub use server::{Server, serve};
pub use settings::{CascadeSettings, Settings};
