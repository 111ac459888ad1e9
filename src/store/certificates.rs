//! The certificates that a server's identity is checked with.

#[cfg(feature = "remote")]
use std::path::Path;

use ureq::tls::{Certificate, RootCerts};
#[cfg(feature = "remote")]
use ureq::tls::{PemItem, parse_pem};

#[cfg(feature = "remote")]
use crate::{Error, Result};

/// Maximum bytes of a file of certificates. A system's whole bundle has some 250 KB.
#[cfg(feature = "remote")]
const MAX_BYTES: u64 = 16 << 20;

/// Returns the machine's own certificates, because a company's network may re-sign TLS with its
/// own, and the `extra` ones. If there are none, as in small containers, it returns the well-known
/// ones.
pub(crate) fn root_certs(extra: Vec<Certificate<'static>>) -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    let own = found.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
    let certificates: Vec<Certificate<'static>> = own.chain(extra).collect();
    if certificates.is_empty() { RootCerts::WebPki } else { RootCerts::new_with_certs(&certificates) }
}

/// Reads a file of certificates in PEM form.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::InvalidArgument`] when there is no
/// certificate in it.
#[cfg(feature = "remote")]
pub(crate) fn read_certificates(path: &Path) -> Result<Vec<Certificate<'static>>> {
    let pem = super::read_small(path, MAX_BYTES).map_err(Error::io("read", path))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(no_certificate(path, &error.to_string())),
        }
    }
    match certificates.is_empty() {
        true => Err(no_certificate(path, "it has no certificate")),
        false => Ok(certificates),
    }
}

#[cfg(feature = "remote")]
fn no_certificate(path: &Path, why: &str) -> Error {
    Error::InvalidArgument(format!("{}: {why}; it must hold certificates in PEM form", path.display()))
}

#[cfg(all(test, feature = "remote"))]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        assert!(read_certificates(&path).unwrap_err().to_string().contains("ca.pem"));
        for content in ["", "no PEM", "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, content).unwrap();
            let error = read_certificates(&path).unwrap_err().to_string();
            assert!(error.contains("ca.pem") && error.contains("PEM"), "{error}");
        }
    }
}
