//! Stands in for `network` in a build without the feature `hub`: the same functions, each a typed failure.

use super::cache::Target;
use super::failure::Failure;
use super::options::StoreOptions;
use super::registry::Mirror;
use crate::Error;

/// Fails: this build cannot fetch.
pub(super) fn from_hub(_: &StoreOptions, _: &Target) -> Result<(), Failure> {
    Err(Error::FeatureOff { feature: "hub" }.into())
}

/// Fails: this build cannot fetch.
pub(super) fn from_mirror(_: &StoreOptions, _: &Target, _: &Mirror) -> Result<(), Failure> {
    Err(Error::FeatureOff { feature: "hub" }.into())
}
