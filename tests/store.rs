//! The store against a local server that speaks the hub's protocol, with faults on demand, and
//! against a fake pip. Nothing here leaves 127.0.0.1.
// Without the network most of the server and of the kit has no user.
#![cfg_attr(not(all(feature = "hub", unix)), allow(dead_code))]

#[path = "store/cache.rs"]
mod cache;
#[cfg(feature = "hub")]
#[path = "store/hub.rs"]
mod hub;
#[path = "store/kit.rs"]
mod kit;
#[cfg(all(feature = "hub", unix))]
#[path = "store/mirror.rs"]
mod mirror;
#[path = "store/server.rs"]
mod server;
