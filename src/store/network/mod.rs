//! Everything that leaves this machine: the hub over HTTP, and the package mirror through pip.

mod archive;
mod download;
mod http;
mod hub;
mod mirror;
mod program;

pub(super) use hub::from_hub;
pub(super) use mirror::from_mirror;
