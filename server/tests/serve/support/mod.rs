//! A server on a port of its own, and a client of plain sockets.

mod client;
mod gate;
mod running;

pub use client::{Answer, Client, EIFFEL, eiffel};
pub use gate::gated;
pub use running::{Running, metric};
