//! Stand-in for `network` in a build without the feature `hub`: the same functions, which always
//! fail with a typed error.

use super::cache::Target;
use super::failure::Failure;
use super::options::StoreOptions;
use super::registry::Mirror;
use crate::Error;

/// Fails, because this build cannot fetch.
pub(super) fn from_hub(_: &StoreOptions, _: &Target) -> Result<(), Failure> {
    Err(Error::FeatureOff { feature: "hub" }.into())
}

/// Fails, because this build cannot fetch.
pub(super) fn from_mirror(_: &StoreOptions, _: &Target, _: &Mirror) -> Result<(), Failure> {
    Err(Error::FeatureOff { feature: "hub" }.into())
}
