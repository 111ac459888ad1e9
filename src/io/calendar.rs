//! Dates, times and durations as text, in the forms of Python's `isoformat` and pandas'
//! `Timedelta.isoformat`.

use std::fmt::Write;

const SECONDS_PER_DAY: i64 = 86_400;
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Formats a date as `2024-02-29`; years have at least four digits. `days`: since 1970-01-01.
pub(super) fn date(days: i64) -> String {
    // Days since 0000-03-01 in eras of 400 years (Howard Hinnant, "chrono-compatible low-level date
    // algorithms").
    let shifted = i128::from(days) + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i128::from(month <= 2);
    let sign = if year < 0 { "-" } else { "" };
    format!("{sign}{:04}-{month:02}-{day:02}", year.abs())
}

/// Formats a time as `03:04:05`, with the fraction if there is one: six digits, or nine if six lose
/// precision.
pub(super) fn time(nanos_of_day: i128) -> String {
    let (seconds, nanos) = (nanos_of_day.div_euclid(NANOS_PER_SECOND), nanos_of_day.rem_euclid(NANOS_PER_SECOND));
    let mut text = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    push_fraction(&mut text, nanos);
    text
}

/// Formats a point in time as `2024-02-29T03:04:05`, followed by the offset (`+01:00`) if the
/// column has a zone.
///
/// A `zone` that is a name, such as Europe/Berlin, is written in UTC, which is the same point in
/// time. Its offset depends on tables that are not part of the file.
pub(super) fn timestamp(nanos: i128, zone: Option<&str>) -> String {
    let offset = zone.map(|zone| offset_seconds(zone).unwrap_or(0));
    let nanos = nanos + i128::from(offset.unwrap_or(0)) * NANOS_PER_SECOND;
    let per_day = i128::from(SECONDS_PER_DAY) * NANOS_PER_SECOND;
    let days = i64::try_from(nanos.div_euclid(per_day)).unwrap_or_default();
    let mut text = format!("{}T{}", date(days), time(nanos.rem_euclid(per_day)));
    if let Some(offset) = offset {
        let sign = if offset < 0 { '-' } else { '+' };
        let _ = write!(text, "{sign}{:02}:{:02}", offset.abs() / 3600, offset.abs() / 60 % 60);
    }
    text
}

/// Returns the offset in seconds of a zone such as `+01:00` or `-0530`, `None` for other zones.
fn offset_seconds(zone: &str) -> Option<i64> {
    let (sign, digits) = match zone.as_bytes().first()? {
        b'+' => (1, &zone[1..]),
        b'-' => (-1, &zone[1..]),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    let is_offset = digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let [hours, minutes] = if is_offset { [&digits[..2], &digits[2..]] } else { return None };
    Some(sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60))
}

/// Formats a duration as `P1DT2H3M4.5S`: whole days, negative for negative durations, then the rest
/// of the day.
pub(super) fn duration(nanos: i128) -> String {
    let per_day = i128::from(SECONDS_PER_DAY) * NANOS_PER_SECOND;
    let (days, rest) = (nanos.div_euclid(per_day), nanos.rem_euclid(per_day));
    let (seconds, nanos) = (rest / NANOS_PER_SECOND, rest % NANOS_PER_SECOND);
    let mut text = format!("P{days}DT{}H{}M{}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if nanos != 0 {
        text.push_str(format!(".{nanos:09}").trim_end_matches('0'));
    }
    text.push('S');
    text
}

fn push_fraction(text: &mut String, nanos: i128) {
    if nanos % 1000 != 0 {
        let _ = write!(text, ".{nanos:09}");
    } else if nanos != 0 {
        let _ = write!(text, ".{:06}", nanos / 1000);
    }
}
