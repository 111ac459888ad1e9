//! Values of columns as JSON. They equal those of pyarrow's `to_pylist`; dates and times are
//! formatted as by `isoformat`.
//!
//! | type | JSON |
//! |---|---|
//! | strings, dictionaries of them | a string |
//! | integers, floats, decimals | a number with all its digits; NaN and infinities, which JSON has not, are strings |
//! | booleans, nulls | the same |
//! | dates, times, timestamps, durations | strings as of ISO 8601 |
//! | lists of every kind | an array |
//! | structs | an object |
//! | maps | an object where keys are strings, else an array of pairs |
//! | binary | a string if it is UTF-8, else its bytes as hexadecimal digits; UUIDs with hyphens |
//! | intervals | an array of months, days and nanoseconds |

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowDictionaryKeyType, ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type,
    Decimal256Type, DurationMicrosecondType, DurationMillisecondType, DurationNanosecondType, DurationSecondType,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, IntervalDayTimeType,
    IntervalMonthDayNanoType, IntervalYearMonthType, RunEndIndexType, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, MapArray, StructArray, UnionArray};
use arrow_schema::{DataType, Field, IntervalUnit, TimeUnit};

use super::{calendar, json};
use crate::hex::hex;

/// Maximum depth of nested types.
const MAX_DEPTH: usize = 100;

/// Returns the string at `at` if the column holds strings, or bytes that are UTF-8.
pub(super) fn text(column: &dyn Array, at: usize) -> Option<&str> {
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().value(at)),
        DataType::LargeUtf8 => Some(column.as_string::<i64>().value(at)),
        DataType::Utf8View => Some(column.as_string_view().value(at)),
        DataType::Dictionary(..) => {
            let (values, key) = dictionary_value(column, at)?;
            if values.is_null(key) { None } else { text(values, key) }
        }
        _ => bytes(column, at).and_then(|bytes| std::str::from_utf8(bytes).ok()),
    }
}

fn bytes(column: &dyn Array, at: usize) -> Option<&[u8]> {
    match column.data_type() {
        DataType::Binary => Some(column.as_binary::<i32>().value(at)),
        DataType::LargeBinary => Some(column.as_binary::<i64>().value(at)),
        DataType::BinaryView => Some(column.as_binary_view().value(at)),
        DataType::FixedSizeBinary(_) => Some(column.as_fixed_size_binary().value(at)),
        _ => None,
    }
}

/// Returns the values of a dictionary, and the index of the value at `at`.
fn dictionary_value(column: &dyn Array, at: usize) -> Option<(&dyn Array, usize)> {
    let dictionary = column.as_any_dictionary_opt()?;
    fn key<K: ArrowDictionaryKeyType>(keys: &dyn Array, at: usize) -> Option<usize>
    where
        K::Native: TryInto<usize>,
    {
        keys.as_primitive_opt::<K>()?.value(at).try_into().ok()
    }
    let keys = dictionary.keys();
    let place = match keys.data_type() {
        DataType::Int8 => key::<Int8Type>(keys, at),
        DataType::Int16 => key::<Int16Type>(keys, at),
        DataType::Int32 => key::<Int32Type>(keys, at),
        DataType::Int64 => key::<Int64Type>(keys, at),
        DataType::UInt8 => key::<UInt8Type>(keys, at),
        DataType::UInt16 => key::<UInt16Type>(keys, at),
        DataType::UInt32 => key::<UInt32Type>(keys, at),
        DataType::UInt64 => key::<UInt64Type>(keys, at),
        _ => None,
    };
    Some((dictionary.values().as_ref(), place?)).filter(|(values, place)| *place < values.len())
}

/// Writer of values to one text of limited length.
pub(super) struct JsonWriter {
    pub out: String,
    max_bytes: usize,
}

/// The error for a value that is longer than the writer's limit or nested too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

impl JsonWriter {
    pub fn new(max_bytes: usize) -> Self {
        Self { out: String::new(), max_bytes }
    }

    /// Writes the value at `at`.
    pub fn write(&mut self, field: &Field, column: &dyn Array, at: usize) -> Result<(), TooLarge> {
        self.value(field, column, at, 0)
    }

    fn value(&mut self, field: &Field, column: &dyn Array, at: usize, depth: usize) -> Result<(), TooLarge> {
        if self.out.len() > self.max_bytes || depth > MAX_DEPTH {
            return Err(TooLarge);
        }
        if column.is_null(at) {
            self.out.push_str("null");
            return Ok(());
        }
        match column.data_type() {
            DataType::List(item) => self.array(item, &column.as_list::<i32>().value(at), depth),
            DataType::LargeList(item) => self.array(item, &column.as_list::<i64>().value(at), depth),
            DataType::ListView(item) => self.array(item, &column.as_list_view::<i32>().value(at), depth),
            DataType::LargeListView(item) => self.array(item, &column.as_list_view::<i64>().value(at), depth),
            DataType::FixedSizeList(item, _) => self.array(item, &column.as_fixed_size_list().value(at), depth),
            DataType::Struct(_) => self.object(column.as_struct(), at, depth),
            DataType::Map(..) => self.map(column.as_map(), at, depth),
            DataType::Union(..) => self.union(column, at, depth),
            DataType::Dictionary(..) => match dictionary_value(column, at) {
                Some((values, place)) => self.value(field, values, place, depth + 1),
                None => self.push("null"),
            },
            DataType::RunEndEncoded(ends, values) => self.run(ends, values, column, at, depth),
            _ => self.scalar(field, column, at),
        }
    }

    fn push(&mut self, json: &str) -> Result<(), TooLarge> {
        self.out.push_str(json);
        Ok(())
    }

    fn array(&mut self, item: &Field, elements: &ArrayRef, depth: usize) -> Result<(), TooLarge> {
        self.out.push('[');
        for at in 0..elements.len() {
            self.separate(at);
            self.value(item, elements, at, depth + 1)?;
        }
        self.push("]")
    }

    fn separate(&mut self, at: usize) {
        if at > 0 {
            self.out.push(',');
        }
    }

    fn object(&mut self, column: &StructArray, at: usize, depth: usize) -> Result<(), TooLarge> {
        self.out.push('{');
        for (number, (field, values)) in column.fields().iter().zip(column.columns()).enumerate() {
            self.separate(number);
            self.out.push_str(&json::quoted(field.name()));
            self.out.push(':');
            self.value(field, values, at, depth + 1)?;
        }
        self.push("}")
    }

    fn map(&mut self, column: &MapArray, at: usize, depth: usize) -> Result<(), TooLarge> {
        let entries = column.value(at);
        let [keys, values] = entries.columns() else { return self.push("null") };
        let [key, value] = &entries.fields()[..] else { return self.push("null") };
        let is_object = is_text(keys.data_type()) && keys.null_count() == 0;
        self.out.push(if is_object { '{' } else { '[' });
        for at in 0..entries.len() {
            self.separate(at);
            self.out.push_str(if is_object { "" } else { "[" });
            self.value(key, keys, at, depth + 1)?;
            self.out.push(if is_object { ':' } else { ',' });
            self.value(value, values, at, depth + 1)?;
            self.out.push_str(if is_object { "" } else { "]" });
        }
        self.push(if is_object { "}" } else { "]" })
    }

    fn union(&mut self, column: &dyn Array, at: usize, depth: usize) -> Result<(), TooLarge> {
        let Some(column) = column.as_any().downcast_ref::<UnionArray>() else { return self.push("null") };
        let value = column.value(at);
        let field = Field::new("", value.data_type().clone(), true);
        self.value(&field, &value, 0, depth + 1)
    }

    /// Writes a value of a run-end encoded column.
    fn run(&mut self, ends: &Field, item: &Field, column: &dyn Array, at: usize, depth: usize) -> Result<(), TooLarge> {
        fn place<R: RunEndIndexType>(column: &dyn Array, at: usize) -> Option<(&ArrayRef, usize)> {
            let runs = column.as_run_opt::<R>()?;
            Some((runs.values(), runs.get_physical_index(at)))
        }
        let place = match ends.data_type() {
            DataType::Int16 => place::<Int16Type>(column, at),
            DataType::Int32 => place::<Int32Type>(column, at),
            _ => place::<Int64Type>(column, at),
        };
        match place {
            Some((values, place)) => self.value(item, values, place, depth + 1),
            None => self.push("null"),
        }
    }

    fn scalar(&mut self, field: &Field, column: &dyn Array, at: usize) -> Result<(), TooLarge> {
        if let Some(bytes) = bytes(column, at).filter(|bytes| is_uuid(field) && bytes.len() == 16) {
            let digits = hex(bytes);
            let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
            return self.push(&json::quoted(&parts.join("-")));
        }
        if let Some(text) = text(column, at) {
            return self.push(&json::quoted(text));
        }
        let json = match bytes(column, at) {
            Some(bytes) => json::quoted(&hex(bytes)),
            None => number(column, at).or_else(|| moment(column, at)).unwrap_or_else(|| "null".to_owned()),
        };
        self.push(&json)
    }
}

/// True if values of this type are strings.
fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// True if the bytes of this column are UUIDs.
pub(super) fn is_uuid(field: &Field) -> bool {
    field.metadata().get("ARROW:extension:name").is_some_and(|name| name == "arrow.uuid")
}

/// Returns the JSON text of a number or boolean, `None` for other types.
fn number(column: &dyn Array, at: usize) -> Option<String> {
    Some(match column.data_type() {
        DataType::Boolean => column.as_boolean().value(at).to_string(),
        DataType::Int8 => native::<Int8Type>(column, at).to_string(),
        DataType::Int16 => native::<Int16Type>(column, at).to_string(),
        DataType::Int32 => native::<Int32Type>(column, at).to_string(),
        DataType::Int64 => native::<Int64Type>(column, at).to_string(),
        DataType::UInt8 => native::<UInt8Type>(column, at).to_string(),
        DataType::UInt16 => native::<UInt16Type>(column, at).to_string(),
        DataType::UInt32 => native::<UInt32Type>(column, at).to_string(),
        DataType::UInt64 => native::<UInt64Type>(column, at).to_string(),
        DataType::Float16 => float(native::<Float16Type>(column, at).into()),
        DataType::Float32 => float(native::<Float32Type>(column, at).into()),
        DataType::Float64 => float(native::<Float64Type>(column, at)),
        DataType::Decimal32(..) => column.as_primitive::<Decimal32Type>().value_as_string(at),
        DataType::Decimal64(..) => column.as_primitive::<Decimal64Type>().value_as_string(at),
        DataType::Decimal128(..) => column.as_primitive::<Decimal128Type>().value_as_string(at),
        DataType::Decimal256(..) => column.as_primitive::<Decimal256Type>().value_as_string(at),
        _ => return None,
    })
}

fn native<T: ArrowPrimitiveType>(column: &dyn Array, at: usize) -> T::Native {
    column.as_primitive::<T>().value(at)
}

fn float(number: f64) -> String {
    match serde_json::Number::from_f64(number) {
        Some(number) => number.to_string(),
        None => json::quoted(&number.to_string()),
    }
}

/// Returns the text of a date, time, duration or interval.
fn moment(column: &dyn Array, at: usize) -> Option<String> {
    let in_nanos = |unit: &TimeUnit, value: i64| {
        let nanos = match unit {
            TimeUnit::Second => 1_000_000_000,
            TimeUnit::Millisecond => 1_000_000,
            TimeUnit::Microsecond => 1000,
            TimeUnit::Nanosecond => 1,
        };
        i128::from(value) * nanos
    };
    let text = match column.data_type() {
        DataType::Date32 => calendar::date(native::<Date32Type>(column, at).into()),
        DataType::Date64 => calendar::date(native::<Date64Type>(column, at).div_euclid(86_400_000)),
        DataType::Time32(unit) => calendar::time(in_nanos(
            unit,
            match unit {
                TimeUnit::Second => native::<Time32SecondType>(column, at).into(),
                _ => native::<Time32MillisecondType>(column, at).into(),
            },
        )),
        DataType::Time64(unit) => calendar::time(in_nanos(
            unit,
            match unit {
                TimeUnit::Microsecond => native::<Time64MicrosecondType>(column, at),
                _ => native::<Time64NanosecondType>(column, at),
            },
        )),
        DataType::Timestamp(unit, zone) => {
            let value = match unit {
                TimeUnit::Second => native::<TimestampSecondType>(column, at),
                TimeUnit::Millisecond => native::<TimestampMillisecondType>(column, at),
                TimeUnit::Microsecond => native::<TimestampMicrosecondType>(column, at),
                TimeUnit::Nanosecond => native::<TimestampNanosecondType>(column, at),
            };
            calendar::timestamp(in_nanos(unit, value), zone.as_deref())
        }
        DataType::Duration(unit) => {
            let value = match unit {
                TimeUnit::Second => native::<DurationSecondType>(column, at),
                TimeUnit::Millisecond => native::<DurationMillisecondType>(column, at),
                TimeUnit::Microsecond => native::<DurationMicrosecondType>(column, at),
                TimeUnit::Nanosecond => native::<DurationNanosecondType>(column, at),
            };
            calendar::duration(in_nanos(unit, value))
        }
        DataType::Interval(unit) => return Some(interval(*unit, column, at)),
        _ => return None,
    };
    Some(json::quoted(&text))
}

fn interval(unit: IntervalUnit, column: &dyn Array, at: usize) -> String {
    let (months, days, nanos) = match unit {
        IntervalUnit::YearMonth => (native::<IntervalYearMonthType>(column, at), 0, 0),
        IntervalUnit::DayTime => {
            let value = native::<IntervalDayTimeType>(column, at);
            (0, value.days, i64::from(value.milliseconds) * 1_000_000)
        }
        IntervalUnit::MonthDayNano => {
            let value = native::<IntervalMonthDayNanoType>(column, at);
            (value.months, value.days, value.nanoseconds)
        }
    };
    let mut json = String::new();
    let _ = write!(json, "[{months},{days},{nanos}]");
    json
}
