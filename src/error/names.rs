//! Replaces the names of options in messages.

/// Replaces the names of options in a message. A message names an option as `` `max_tokens=` ``,
/// and with a value as `` `blend=none` ``. If `named` knows the option, the name that it returns
/// takes the place, followed by the value. The rest of the message stays as it is.
///
/// ```
/// use nearsort::error::with_names;
///
/// let flag = |name: &str| (name == "blend").then(|| format!("--{name}"));
/// assert_eq!(with_names("set `blend=none`, or see `ulimit -v`", flag), "set --blend none, or see `ulimit -v`");
/// ```
pub fn with_names(message: &str, named: impl Fn(&str) -> Option<String>) -> String {
    let mut renamed = String::with_capacity(message.len());
    let mut rest = message;
    while let Some((before, after)) = rest.split_once('`') {
        renamed.push_str(before);
        let found = after.split_once('`').and_then(|(span, after)| {
            let (name, value) = span.split_once('=')?;
            Some((named(name)?, value, after))
        });
        rest = match found {
            Some((name, value, after)) => {
                renamed.push_str(&name);
                if !value.is_empty() {
                    renamed.push(' ');
                    renamed.push_str(value);
                }
                after
            }
            None => {
                renamed.push('`');
                after
            }
        };
    }
    renamed + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_options_between_backticks_are_replaced() {
        let named = |name: &str| (name == "top_k").then(|| "--top-k".to_owned());
        for (message, renamed) in [
            ("`top_k=` must be at least 1", "--top-k must be at least 1"),
            (
                "top_k; `top_k=3`; `top_ks=`; missing field `top_k`",
                "top_k; --top-k 3; `top_ks=`; missing field `top_k`",
            ),
            ("a`b: `top_k=`", "a`b: --top-k"),
            ("`x` and `top_k=", "`x` and `top_k="),
            ("é`top_k=`", "é--top-k"),
        ] {
            assert_eq!(with_names(message, named), renamed);
        }
    }
}
