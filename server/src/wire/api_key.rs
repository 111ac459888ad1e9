//! API keys as clients send them.

/// The headers that carry a key, by their names in lower case.
pub const KEY_HEADERS: [&str; 3] = ["authorization", "x-api-key", "api-key"];

/// Lists the keys that a request presents; `headers` are its names in lower case and values.
///
/// Most SDKs send `Authorization: Bearer KEY`, LlamaIndex's TEI reranker the bare key, Azure's
/// clients `api-key`. A client may send several, such as huggingface_hub a hub token of its own, so
/// the server has to compare each of them. This function compares nothing.
pub fn presented_keys<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> impl Iterator<Item = &'a str> {
    headers.filter(|(name, _)| KEY_HEADERS.contains(name)).map(|(_, value)| bare(value)).filter(|key| !key.is_empty())
}

/// The key behind "Bearer", in any case.
fn bare(value: &str) -> &str {
    let value = value.trim();
    let (scheme, key) = value.split_once(' ').unwrap_or((value, ""));
    if scheme.eq_ignore_ascii_case("bearer") { key.trim_start() } else { value }
}
