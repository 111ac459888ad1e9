//! Page headers of a Parquet file, read before anything is unpacked.
//!
//! A page of a few bytes may unpack to gigabytes. A batch of rows may repeat a megabyte in each row
//! although the file has it once. So the page headers are read first. They bound the memory for
//! reading and give the number of rows per batch.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use parquet::basic::{Compression, Type};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};

/// Bytes that a batch of rows should have at most.
const BATCH_BYTES: u64 = 16 << 20;
/// Maximum number of rows of a batch.
const BATCH_ROWS: u64 = 1024;
/// Unpacked bytes that pages may always have together, however small they are in the file.
const FREE_BYTES: u64 = 256 << 20;
/// Maximum ratio of unpacked to packed bytes of pages that have more than `FREE_BYTES`.
const MAX_RATIO: u64 = 64;
/// Number of values of nested columns that a row group may always have, however small they are.
const FREE_VALUES: u64 = 16 << 20;
/// Bytes of memory of a value of a nested column, in addition to its content.
const VALUE_BYTES: u64 = 16;
/// Bytes of the file that are read at a time, and maximum bytes of a header.
const WINDOW_BYTES: [usize; 2] = [4 << 10, 16 << 20];
/// Encoding in which a value may share the start of the previous one. The content of such a page
/// may grow with the square of its length.
const DELTA_BYTE_ARRAY: i64 = 7;

/// A header of a page.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PageHeader {
    is_dictionary: bool,
    unpacked_bytes: u64,
    packed_bytes: u64,
    values: u64,
    encoding: i64,
}

/// The reason why a row group is not read.
#[derive(Debug)]
pub(super) enum PageFault {
    Io(io::Error),
    Damaged(String),
    /// A message about an unsupported feature or a limit, with a remedy.
    Refused(String),
}

/// Returns the number of rows of the group that may be read together. `columns`: those that are
/// read. `views`: a string that a page holds once is not copied for each row.
pub(super) fn batch_rows(
    file: &File,
    group: &RowGroupMetaData,
    columns: &[usize],
    views: bool,
) -> Result<usize, PageFault> {
    let mut needs = Needs::default();
    for &column in columns {
        let column = group.column(column);
        check_codec(column)?;
        needs.add(column, &pages(file, column)?, group.num_rows().max(1) as u64, views)?;
    }
    needs.check()?;
    Ok((BATCH_BYTES / needs.row_bytes.max(1)).clamp(1, BATCH_ROWS) as usize)
}

fn check_codec(column: &ColumnChunkMetaData) -> Result<(), PageFault> {
    let codec = match column.compression() {
        Compression::BROTLI(_) => "Brotli",
        Compression::LZO => "LZO",
        _ => return Ok(()),
    };
    Err(PageFault::Refused(format!(
        "the column '{}' is compressed with {codec}, which is not read here; write it with zstd, e.g. python3 -c \"import pyarrow.parquet as p; \
         p.write_table(p.read_table('FILE'), 'NEW.parquet', compression='zstd')\"",
        column.column_path().string()
    )))
}

/// Memory for reading a row group.
#[derive(Default)]
struct Needs {
    /// The largest page and the dictionary of every column, summed.
    unpacked_bytes: u64,
    packed_bytes: u64,
    /// Maximum bytes of a row over all columns.
    row_bytes: u64,
}

/// Totals over the pages of a column in a row group.
#[derive(Debug, Default)]
struct Pages {
    /// Bytes of the dictionary, unpacked and in the file.
    dictionary: [u64; 2],
    /// Bytes of the largest data page, unpacked and in the file.
    largest: [u64; 2],
    /// Maximum bytes of a value.
    value_bytes: u64,
    values: u64,
    bytes: u64,
    /// Maximum bytes of values that share their starts, together.
    grown: u64,
}

impl Pages {
    fn add(&mut self, page: &PageHeader) {
        let sizes = [page.unpacked_bytes, page.packed_bytes];
        if page.is_dictionary {
            self.dictionary = self.dictionary.max(sizes);
            return;
        }
        self.largest = self.largest.max(sizes);
        self.values = self.values.saturating_add(page.values);
        self.bytes = self.bytes.saturating_add(page.unpacked_bytes);
        let shares = page.encoding == DELTA_BYTE_ARRAY;
        let value_bytes = if shares { page.unpacked_bytes } else { page.unpacked_bytes / page.values.max(1) };
        self.value_bytes = self.value_bytes.max(value_bytes);
        let grown = if shares { page.values.saturating_mul(page.unpacked_bytes) } else { 0 };
        self.grown = self.grown.saturating_add(grown);
    }
}

impl Needs {
    fn add(&mut self, column: &ColumnChunkMetaData, pages: &Pages, rows: u64, views: bool) -> Result<(), PageFault> {
        for [unpacked, packed] in [pages.dictionary, pages.largest] {
            self.unpacked_bytes = self.unpacked_bytes.saturating_add(unpacked);
            self.packed_bytes = self.packed_bytes.saturating_add(packed);
        }
        let descriptor = column.column_descr();
        let copied = match descriptor.physical_type() {
            Type::BYTE_ARRAY if !views => pages.dictionary[0],
            Type::FIXED_LEN_BYTE_ARRAY => u64::try_from(descriptor.type_length()).unwrap_or(0),
            _ => 0,
        };
        self.row_bytes = self.row_bytes.saturating_add(match descriptor.max_rep_level() > 0 {
            true => nested_row_bytes(column, pages, rows, copied)?,
            false => pages.value_bytes.max(copied) + VALUE_BYTES,
        });
        Ok(())
    }

    fn check(&self) -> Result<(), PageFault> {
        let limit = FREE_BYTES.max(self.packed_bytes.saturating_mul(MAX_RATIO));
        if self.unpacked_bytes <= limit {
            return Ok(());
        }
        Err(PageFault::Refused(format!(
            "pages of {} bytes unpack to {}, more than {FREE_BYTES} bytes and {MAX_RATIO} times their size; write it with smaller pages",
            self.packed_bytes, self.unpacked_bytes
        )))
    }
}

/// Returns the bytes of a row of a column with lists. The number of values per row is unknown
/// there.
fn nested_row_bytes(column: &ColumnChunkMetaData, pages: &Pages, rows: u64, copied: u64) -> Result<u64, PageFault> {
    let Pages { values, bytes, .. } = *pages;
    let name = column.column_path().string();
    if values > FREE_VALUES.max(bytes.saturating_mul(MAX_RATIO)) {
        return Err(PageFault::Refused(format!(
            "the lists of the column '{name}' have {values} values in {bytes} bytes; write it with fewer rows per group"
        )));
    }
    let expanded = pages.grown.max(copied.saturating_mul(values));
    if expanded > FREE_BYTES.max(bytes.saturating_mul(MAX_RATIO)) {
        return Err(PageFault::Refused(format!(
            "the lists of the column '{name}' may take {expanded} bytes, because their values share bytes; write it with fewer rows per group, \
             or without DELTA_BYTE_ARRAY"
        )));
    }
    Ok(bytes.saturating_add(values.saturating_mul(VALUE_BYTES)) / rows)
}

/// Reads the headers of a column's pages and returns the totals.
fn pages(file: &File, column: &ColumnChunkMetaData) -> Result<Pages, PageFault> {
    let (start, length) = column.byte_range();
    let end = start.saturating_add(length);
    let mut reader = Window { file, start: 0, bytes: Vec::new() };
    let mut pages = Pages::default();
    let mut at = start;
    while at < end {
        let (header, header_bytes) = reader.header(at, end).map_err(|fault| match fault {
            HeaderFault::Io(error) => PageFault::Io(error),
            HeaderFault::Broken => no_header(file, column),
        })?;
        pages.add(&header);
        at = at.saturating_add(header_bytes as u64).saturating_add(header.packed_bytes);
    }
    Ok(pages)
}

/// Returns the reason why a page has no header. Encrypted pages have none either, even if the
/// directory is not encrypted.
fn no_header(file: &File, column: &ColumnChunkMetaData) -> PageFault {
    let name = column.column_path().string();
    match is_encrypted(file) {
        Ok(true) => PageFault::Refused(format!(
            "the column '{name}' is encrypted, which is not read here; write the file anew without encryption"
        )),
        Ok(false) => PageFault::Damaged(format!("a page of the column '{name}' has no header")),
        Err(error) => PageFault::Io(error),
    }
}

/// True if the directory names an encryption algorithm.
fn is_encrypted(mut file: &File) -> io::Result<bool> {
    let end = file.seek(SeekFrom::End(-8))?;
    let mut length = [0; 4];
    file.read_exact(&mut length)?;
    let length = u64::from(u32::from_le_bytes(length)).min(end);
    file.seek(SeekFrom::Start(end - length))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    let mut is_encrypted = false;
    Thrift { bytes: &bytes, at: 0 }.fields(0, &mut |thrift, field, kind, depth| {
        is_encrypted |= (field, kind) == (8, STRUCT);
        thrift.skip(kind, depth)
    });
    Ok(is_encrypted)
}

enum HeaderFault {
    Io(io::Error),
    Broken,
}

/// A part of the file.
struct Window<'f> {
    file: &'f File,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    /// Returns the header at `at`, and its length.
    fn header(&mut self, at: u64, end: u64) -> Result<(PageHeader, usize), HeaderFault> {
        let skipped = at.checked_sub(self.start).and_then(|skipped| usize::try_from(skipped).ok());
        if let Some(found) = skipped.and_then(|skipped| parse(self.bytes.get(skipped..)?)) {
            return Ok(found);
        }
        let mut length = WINDOW_BYTES[0];
        loop {
            let wanted = (length as u64).min(end - at);
            self.bytes.clear();
            self.start = at;
            let mut file = self.file;
            file.seek(SeekFrom::Start(at)).map_err(HeaderFault::Io)?;
            let read = file.take(wanted).read_to_end(&mut self.bytes).map_err(HeaderFault::Io)?;
            match parse(&self.bytes) {
                Some(found) => return Ok(found),
                None if read == length && length < WINDOW_BYTES[1] => length *= 4,
                None => return Err(HeaderFault::Broken),
            }
        }
    }
}

/// Reads a header in Thrift's compact protocol. Returns `None` if the bytes are not a header or end
/// too early.
fn parse(bytes: &[u8]) -> Option<(PageHeader, usize)> {
    let mut thrift = Thrift { bytes, at: 0 };
    let mut header = PageHeader { is_dictionary: false, unpacked_bytes: 0, packed_bytes: 0, values: 0, encoding: 0 };
    let mut seen = 0;
    thrift.fields(0, &mut |thrift, field, kind, _| {
        match (field, kind) {
            (1..=3, INTEGER) => {
                let value = thrift.zigzag()?;
                match field {
                    1 => header.is_dictionary = value == 2,
                    2 => header.unpacked_bytes = u64::try_from(value).ok()?,
                    _ => header.packed_bytes = u64::try_from(value).ok()?,
                }
                seen += 1;
            }
            // The headers of pages of data (versions 1 and 2) and of dictionaries.
            (5 | 7 | 8, STRUCT) => {
                let place = if field == 8 { 4 } else { 2 };
                thrift.fields(1, &mut |thrift, inner, kind, depth| {
                    match (inner, kind) {
                        (1, INTEGER) => header.values = u64::try_from(thrift.zigzag()?).ok()?,
                        (inner, INTEGER) if inner == place => header.encoding = thrift.zigzag()?,
                        _ => thrift.skip(kind, depth)?,
                    }
                    Some(())
                })?;
            }
            _ => thrift.skip(kind, 1)?,
        }
        Some(())
    })?;
    (seen == 3).then_some((header, thrift.at))
}

const INTEGER: u8 = 5;
const STRUCT: u8 = 12;
/// Maximum depth of nested fields in a header.
const MAX_DEPTH: usize = 8;

struct Thrift<'b> {
    bytes: &'b [u8],
    at: usize,
}

type EachField<'e> = &'e mut dyn FnMut(&mut Thrift<'_>, i64, u8, usize) -> Option<()>;

impl Thrift<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// Passes each field's number and type to `each`, which reads its value.
    fn fields(&mut self, depth: usize, each: EachField<'_>) -> Option<()> {
        let mut field = 0_i64;
        loop {
            let byte = self.byte()?;
            if byte == 0 {
                return Some(());
            }
            field = match byte >> 4 {
                0 => self.zigzag()?,
                step => field.checked_add(i64::from(step))?,
            };
            each(self, field, byte & 0x0F, depth + 1)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match kind {
            1 | 2 => {}
            3 => drop(self.byte()?),
            4..=6 => drop(self.varint()?),
            7 => self.at = self.at.checked_add(8).filter(|at| *at <= self.bytes.len())?,
            8 => {
                let length = usize::try_from(self.varint()?).ok()?;
                self.at = self.at.checked_add(length).filter(|at| *at <= self.bytes.len())?;
            }
            9 | 10 => {
                let head = self.byte()?;
                let length = if head >> 4 == 15 { self.varint()? } else { u64::from(head >> 4) };
                for _ in 0..length {
                    // Booleans of a list have a byte each.
                    let kind = if matches!(head & 0x0F, 1 | 2) { 3 } else { head & 0x0F };
                    self.skip(kind, depth + 1)?;
                }
            }
            STRUCT => self.fields(depth, &mut |thrift, _, kind, depth| thrift.skip(kind, depth))?,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A list gives its number of elements before the elements.
    #[test]
    fn a_header_of_endless_lists_ends() {
        for element in 1..=12_u8 {
            // Field 9, a list of 2^63 elements, of which none follows.
            let mut header = vec![0x99, 0xF0 | element];
            header.extend([0x80; 9].iter().chain(&[1]));
            assert_eq!(parse(&header), None, "elements of kind {element}");
        }
    }
}
