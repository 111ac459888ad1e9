//! Parses sizes with units.

/// Units in bytes: powers of 1000, and with an `i` powers of 1024.
const UNITS: [(&str, u64); 9] = [
    ("", 1),
    ("B", 1),
    ("KB", 1000),
    ("MB", 1000 * 1000),
    ("GB", 1000 * 1000 * 1000),
    ("TB", 1000 * 1000 * 1000 * 1000),
    ("MIB", 1 << 20),
    ("GIB", 1 << 30),
    ("TIB", 1 << 40),
];

/// Parses a size into bytes: `500MB`, `1.5 GiB`, `1000000`.
pub fn parse(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is not a size; write it like 500MB, 4GB or 1.5GiB");
    let digits = text.trim().find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.trim().len());
    let (number, unit) = text.trim().split_at(digits);
    let unit = unit.trim().to_ascii_uppercase();
    let &(_, bytes) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let size = number.parse::<f64>().map_err(|_| wrong())? * bytes as f64;
    if size < u64::MAX as f64 { Ok(size as u64) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("1000000", 1_000_000),
            ("500MB", 500_000_000),
            ("4GB", 4_000_000_000),
            ("4 gb", 4_000_000_000),
            ("1.5GiB", 3 << 29),
            ("2TiB", 2 << 40),
            (" 7 B ", 7),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "GB", "-1GB", "4XB", "1.2.3GB", "1e9", "99999999999999999999TB", "4 G B"] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("not a size") && error.contains("4GB"), "{text}: {error}");
        }
    }
}
