//! The layers of every request: routes, keys, ids, limits, log.

mod access;
mod body;
mod dispatch;
mod metrics;
mod pages;
mod respond;
mod routes;

pub(crate) use routes::{metrics_router, router};
