//! The server over real sockets, with the real model.

mod access;
mod faults;
mod load;
mod models;
mod operations;
mod rules;
mod search;
mod shutdown;
mod sockets;
mod support;
