//! The proxy that the environment names.

use std::ffi::OsString;

use ureq::{Proxy, ProxyProtocol};

/// Variables with a proxy, in the order of precedence.
pub(super) const VARIABLES: [&str; 6] =
    ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];
/// Variables with the hosts that are reached without a proxy.
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Returns the proxy of the first variable that names an HTTP proxy. `lookup` returns a variable's
/// value.
///
/// # Errors
/// A message about a variable that cannot be used, without its value, which may hold a password. It
/// is not an address, or it names a SOCKS proxy and no other variable names an HTTP proxy. Without
/// a proxy, requests would go where the user does not want them.
pub(super) fn proxy_of(lookup: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<Proxy>, String> {
    let mut socks = None;
    for name in VARIABLES {
        let Some(value) = lookup(name) else { continue };
        let unusable = || format!("{name} is not the address of a proxy; set it to http://host:port, or unset it");
        let value = value.to_str().ok_or_else(unusable)?.trim();
        if value.is_empty() {
            continue;
        }
        let proxy = Some(value).filter(|value| has_sound_port(value)).ok_or_else(unusable)?;
        let proxy = Proxy::new(proxy).map_err(|_| unusable())?;
        match proxy.protocol() {
            ProxyProtocol::Http | ProxyProtocol::Https => {
                return with_exceptions(&proxy, lookup).map_err(|_| unusable());
            }
            _ => socks = socks.or(Some(name)),
        }
    }
    match socks {
        Some(name) => {
            Err(format!("{name} names a SOCKS proxy, which is not supported; name an HTTP proxy, or unset it"))
        }
        None => Ok(None),
    }
}

/// True if there is no port or it is a number: any other port would silently become the scheme's
/// default.
fn has_sound_port(value: &str) -> bool {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let after_address = host.rsplit(']').next().unwrap_or_default();
    after_address.split_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn with_exceptions(proxy: &Proxy, lookup: &dyn Fn(&str) -> Option<OsString>) -> Result<Option<Proxy>, ureq::Error> {
    let mut builder = Proxy::builder(proxy.protocol()).host(proxy.host()).port(proxy.port());
    if let Some(name) = proxy.username() {
        builder = builder.username(name);
    }
    if let Some(password) = proxy.password() {
        builder = builder.password(password);
    }
    let exceptions = EXCEPTIONS.into_iter().find_map(lookup).unwrap_or_default();
    for host in exceptions.to_string_lossy().split(',').map(str::trim).filter(|host| !host.is_empty()) {
        builder = builder.no_proxy(host);
    }
    builder.build().map(Some)
}

/// Returns the parts of a proxy's address that must not be shown.
pub(crate) fn secrets_of(proxy: Option<&Proxy>) -> Vec<String> {
    let Some((proxy, password)) = proxy.and_then(|proxy| Some((proxy, proxy.password()?))) else { return Vec::new() };
    vec![password.to_owned(), format!("{}:{password}", proxy.username().unwrap_or_default())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy(pairs: &[(&str, &str)]) -> Result<Option<Proxy>, String> {
        proxy_of(&|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)))
    }

    #[test]
    fn a_variable_that_is_no_address_is_an_error_and_its_value_not_shown() {
        for value in ["http://me:hunter2@", "http://[::1", "http://me:hunter2@host:port", "gopher://me:hunter2@host"] {
            for name in VARIABLES {
                let error = proxy(&[(name, value)]).unwrap_err();
                assert!(error.contains(name) && !error.contains("hunter2"), "{value}: {error}");
            }
        }
    }

    #[test]
    fn the_first_http_proxy_counts_with_its_exceptions() {
        assert_eq!(proxy(&[]), Ok(None));
        assert_eq!(proxy(&[("HTTPS_PROXY", " ")]), Ok(None));
        let both = [("ALL_PROXY", "socks5://s:1"), ("https_proxy", "me:p%40ss@host:3128"), ("NO_PROXY", "a.b, .c")];
        let found = proxy(&both).unwrap().unwrap();
        assert_eq!((found.host(), found.port(), found.password()), ("host", 3128, Some("p@ss")));
        assert!(
            found.is_no_proxy(&"http://x.c/".parse().unwrap()) && !found.is_no_proxy(&"http://d/".parse().unwrap())
        );
        assert_eq!(secrets_of(Some(&found)), ["p@ss", "me:p@ss"]);
        assert!(proxy(&both[..1]).unwrap_err().contains("SOCKS"));
    }
}
