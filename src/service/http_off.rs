//! Replaces `http` in a build without the feature `remote`: the same names, which return a typed
//! error.

use super::{Account, Provider, Reply, Request, Service, ServiceError, ServiceOptions};
use crate::call::Call;

/// A service over HTTP. This build cannot reach any.
pub struct HttpService(std::convert::Infallible);

impl HttpService {
    /// Fails: this build cannot reach services.
    ///
    /// # Errors
    /// Always.
    pub fn new(_: ServiceOptions, _: Account) -> Result<Self, ServiceError> {
        let message = "this build of nearsort has no remote support; rebuild with `--features remote`";
        Err(ServiceError::Setup(message.into()))
    }
}

impl Service for HttpService {
    fn provider(&self) -> Provider {
        match self.0 {}
    }

    fn model(&self) -> &str {
        match self.0 {}
    }

    fn host(&self) -> String {
        match self.0 {}
    }

    fn send(&self, _: &Request, _: &Call<'_>) -> Result<Reply, ServiceError> {
        match self.0 {}
    }
}
