//! What holds for every request: routes, keys, ids, limits, log.

mod access;
mod body;
mod dispatch;
mod metrics;
mod respond;
mod routes;

pub(crate) use routes::{metrics_router, router};
