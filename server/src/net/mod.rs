//! Sockets: addresses, the accept loop, and the time-outs of connections.

mod accept;
mod activity;
mod io;
mod listen;

pub(crate) use accept::{Accept, Phase};
pub use listen::Listen;
pub(crate) use listen::Listener;
