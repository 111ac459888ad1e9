//! Stand-in for `network` in a build without the feature `hub`: the same functions, which always
//! fail with a typed error.

use super::cache::FetchTarget;
use super::failure::Failure;
use super::options::StoreOptions;
use super::registry::Mirror;
use crate::Error;

/// Fails, because this build cannot fetch.
pub(super) fn from_hub(_: &StoreOptions, _: &FetchTarget) -> Result<(), Failure> {
    Err(Error::FeatureOff { feature: "hub" }.into())
}

/// Fails, because this build cannot fetch.
pub(super) fn from_mirror(_: &StoreOptions, _: &FetchTarget, _: &Mirror) -> Result<(), Failure> {
    Err(Error::FeatureOff { feature: "hub" }.into())
}
