//! Detection of texts that are not UTF-8, and advice for a conversion that keeps every character.

use super::format;
use super::source::Compression;

/// Number of UTF-16 units (or UTF-32 units) that are examined.
const LOOKED_AT: usize = 2048;

/// Encodings with two or four bytes per unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wide {
    Utf16Le,
    Utf16Be,
    Utf32Le,
    Utf32Be,
}

impl Wide {
    fn iconv_name(self) -> &'static str {
        match self {
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
            Self::Utf32Le => "UTF-32LE",
            Self::Utf32Be => "UTF-32BE",
        }
    }
}

/// Returns the reason why an input that begins with `head` cannot be read as text, `None` if it may
/// be text.
///
/// Reasons are the format of another kind of file, and UTF-16 or UTF-32, with or without a
/// byte-order mark.
pub(super) fn refusal(head: &[u8], compression: Option<Compression>) -> Option<String> {
    if let Some(message) = format::refusal(head) {
        return Some(message.to_owned());
    }
    // The mark of UTF-32 begins with that of UTF-16.
    let marked = match head {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some("UTF-32"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("UTF-16"),
        _ => None,
    };
    let (what, name) = match marked {
        Some(name) => (name.to_owned(), name),
        None => {
            let found = wide(head)?;
            let name = found.iconv_name();
            (format!("{} without a byte-order mark ({name})", &name[..6]), name)
        }
    };
    let convert = match compression {
        Some(Compression::Gzip) => format!("gzip -dc FILE | iconv -f {name} -t UTF-8 > NEW"),
        Some(Compression::Zstd) => format!("zstd -dc FILE | iconv -f {name} -t UTF-8 > NEW"),
        None => format!("iconv -f {name} -t UTF-8 FILE > NEW"),
    };
    Some(format!("this is {what}; convert it first: {convert}"))
}

/// Detects the encoding of a text with more than one byte per unit and no byte-order mark.
fn wide(head: &[u8]) -> Option<Wide> {
    // Without zeros and other control characters, a text is not UTF-16 or UTF-32, or cannot be
    // distinguished from other encodings.
    if !head.iter().take(2 * LOOKED_AT).any(|&byte| is_control(u32::from(byte))) {
        return None;
    }
    let utf32 = [Wide::Utf32Le, Wide::Utf32Be].into_iter().find(|&wide| is_utf32(head, wide));
    utf32.or_else(|| utf16(head))
}

fn is_utf32(head: &[u8], wide: Wide) -> bool {
    let (units, _) = head.as_chunks::<4>();
    let unit =
        |&bytes: &[u8; 4]| if wide == Wide::Utf32Le { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) };
    !units.is_empty() && units.iter().take(LOOKED_AT).all(|bytes| char::from_u32(unit(bytes)).is_some_and(is_text))
}

/// Detects UTF-16. Returns the byte order in which the bytes look more like text, `None` if they
/// look like text in neither.
fn utf16(head: &[u8]) -> Option<Wide> {
    let (pairs, _) = head.as_chunks::<2>();
    let pairs = &pairs[..pairs.len().min(LOOKED_AT)];
    let little: Vec<u16> = pairs.iter().map(|&pair| u16::from_le_bytes(pair)).collect();
    let big: Vec<u16> = pairs.iter().map(|&pair| u16::from_be_bytes(pair)).collect();
    let is_utf8 = is_utf8(head);
    let [little, big] = [little, big].map(|units| Looks::of(&units, is_utf8));
    match (little, big) {
        (Some(little), Some(big)) => Some(if big > little { Wide::Utf16Be } else { Wide::Utf16Le }),
        (Some(_), None) => Some(Wide::Utf16Le),
        (None, Some(_)) => Some(Wide::Utf16Be),
        (None, None) => None,
    }
}

/// Score of how much units look like text: first by the number of ASCII characters, then by how few
/// Unicode blocks they use.
#[derive(PartialEq, PartialOrd)]
struct Looks {
    ascii: usize,
    fewness: usize,
}

impl Looks {
    /// Returns the score, or `None` if these units are not text.
    fn of(units: &[u16], is_utf8: bool) -> Option<Self> {
        // The last unit may be half of a character.
        let cut = units.last().is_some_and(|last| (0xD800..0xDC00).contains(last));
        let units = &units[..units.len() - usize::from(cut)];
        let is_all_text = char::decode_utf16(units.iter().copied()).all(|decoded| decoded.is_ok_and(is_text));
        let mut low: Vec<u16> = units.iter().map(|unit| unit >> 8).filter(|&block| block < 0x20).collect();
        // Bytes that are valid UTF-8 too must be far from ordinary UTF-8: most of every other byte
        // is below the first printable one.
        let enough = if is_utf8 { units.len().div_ceil(2) } else { 1 };
        if units.is_empty() || !is_all_text || low.len() < enough {
            return None;
        }
        // Those bytes must also be nearly the same, one script beside ASCII. In UTF-8 with control
        // characters they differ.
        low.retain(|&block| block > 0);
        let most = (1..0x20).map(|block| low.iter().filter(|&&other| other == block).count()).max().unwrap_or(0);
        if is_utf8 && most * 4 < low.len() * 3 {
            return None;
        }
        let ascii = units.iter().filter(|&&unit| unit < 0x80).count();
        let mut blocks: Vec<u16> = units.iter().map(|unit| unit >> 8).collect();
        blocks.sort_unstable();
        blocks.dedup();
        Some(Self { ascii, fewness: usize::MAX - blocks.len() })
    }
}

/// True if the bytes are UTF-8, except for a character that is cut at the end.
fn is_utf8(head: &[u8]) -> bool {
    std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// True for control characters that do not occur in text.
fn is_control(code: u32) -> bool {
    code < 0x20 && !matches!(code, 0x09 | 0x0A | 0x0C | 0x0D | 0x1B)
}

/// True if a text may have this character: not a control character, private-use character or
/// noncharacter, and below U+40000.
fn is_text(c: char) -> bool {
    let code = u32::from(c);
    !is_control(code) && code & 0xFFFE != 0xFFFE && !(0xE000..0xF900).contains(&code) && code < 0x4_0000
}

/// Returns advice about a row whose byte `at` is not UTF-8.
pub(super) fn advice(row: &[u8], at: usize) -> String {
    if row[at..].starts_with(b"\xED") && row.get(at + 1).is_some_and(|byte| (0xA0..0xC0).contains(byte)) {
        return "it begins half of a character (a surrogate), which UTF-8 does not have; repair it where it was written".to_owned();
    }
    // Other multi-byte UTF-8 characters would be destroyed by another conversion.
    let (before, after) = (&row[..at], row.get(at + 1..).unwrap_or_default());
    let has_others = !before.is_ascii() || after.utf8_chunks().any(|chunk| !chunk.valid().is_ascii());
    if has_others {
        return "the rest of it is UTF-8, so a character was cut or damaged here; repair the row, or leave it out with `bad_rows=skip`".to_owned();
    }
    let undefined = row.iter().any(|byte| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D));
    match undefined {
        // Windows-1252 does not have these bytes; one row does not reveal the encoding.
        true => "convert the file from its encoding, which `file -i FILE` may tell: iconv -f ENCODING -t UTF-8 FILE > NEW".to_owned(),
        false => "convert the file; if it is Windows-1252 or Latin-1 (Western European): iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 10] = [
        "The Eiffel Tower is in Paris.\nSome bread\n",
        "{\"text\": \"caf\u{e9}\"}\n",
        "Эйфелева башня находится в Париже.\nХлеб\n",
        "Эйфелева",
        "埃菲尔铁塔在巴黎。\n面包一\n",
        "エッフェル塔はパリにあります。\n",
        "برج إيفل في باريس\n",
        "หอไอเฟลอยู่ในปารีส\n",
        "एफिल टॉवर पेरिस में है\n",
        "🗼 in Paris\n",
    ];

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn utf16_without_a_mark_is_found_in_any_script() {
        for text in TEXTS {
            for (order, expected) in
                [(u16::to_le_bytes as fn(u16) -> [u8; 2], Wide::Utf16Le), (u16::to_be_bytes, Wide::Utf16Be)]
            {
                for copies in [1, 300] {
                    let mut bytes = utf16(&text.repeat(copies), order);
                    assert_eq!(wide(&bytes), Some(expected), "{text}");
                    // Without its line end nothing may be left to tell a short one by.
                    bytes.truncate(if copies == 1 { bytes.len() } else { 4095 });
                    assert_eq!(wide(&bytes), Some(expected), "{text}, cut");
                }
            }
            let utf32 = |order: fn(u32) -> [u8; 4]| text.chars().flat_map(|c| order(u32::from(c))).collect::<Vec<u8>>();
            assert_eq!(wide(&utf32(u32::to_le_bytes)), Some(Wide::Utf32Le), "{text}");
            assert_eq!(wide(&utf32(u32::to_be_bytes)), Some(Wide::Utf32Be), "{text}");
        }
    }

    #[test]
    fn other_texts_are_not_taken_for_it() {
        let others: [&[u8]; 8] = [
            b"",
            b"a",
            b"caf\xE9 and na\xEFve, in Latin-1\n",
            b"Bush hid the facts",
            b"one\0two\0three\0four\0five\0",
            b"one line\nanother \x01 line\n",
            b"id\ttext\n\"\x01\"\t\"a\"\n",
            b"\0\0\0\0\0\0\0\0",
        ];
        for bytes in others {
            assert_eq!(wide(bytes), None, "{}", bytes.escape_ascii());
        }
        for text in TEXTS {
            assert_eq!(wide(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn the_advice_about_a_byte_does_not_destroy_the_rest() {
        assert!(advice(b"caf\xE9", 3).contains("WINDOWS-1252"));
        assert!(advice("d\u{e9}j\u{e0} \u{e9}t".as_bytes().split_last().unwrap().1, 0).contains("UTF-8"));
        assert!(advice(b"\xC3\xA9 and \xE9.", 7).contains("the rest of it is UTF-8"));
        assert!(advice(b"a \x81 b", 2).contains("file -i"));
        assert!(advice(b"a \xED\xA0\x80", 2).contains("surrogate"));
    }
}
