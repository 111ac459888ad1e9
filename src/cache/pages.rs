//! Check of the pages of an LMDB file.
//!
//! LMDB trusts its file. It follows page numbers, offsets and lengths without checking that they
//! lie in the file, so a damaged file ends the process (42 of 360 flipped bits did). Therefore this
//! module first checks everything that LMDB follows, by reads with checked bounds: both meta pages,
//! and every page of the five trees and of the list of free pages that the newest meta page refers
//! to. Each page must have the right kind and occur in one tree once. Its entries must lie in it
//! without overlapping, keys must ascend, and the trees must have the stated numbers of pages and
//! entries. The values are not checked: records have checksums of their own.
//!
//! The caller holds a read transaction of this snapshot, so that no writer reuses its pages.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::io::PositionedFile;

/// The reason why a file is not sound.
pub(super) type Unsound = String;

const HEADER: usize = 16;
const NODE: usize = 8;
const TABLE_BYTES: usize = 48;
const META_BYTES: usize = HEADER + 136;
/// Maximum length of a key, as LMDB is built.
const MAX_KEY: usize = 511;
/// Maximum height of a tree. LMDB's cursors are 32 pages high, and a tree of 16 TiB has 8.
const MAX_DEPTH: usize = 16;
const NONE: u64 = u64::MAX;

const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const OVERFLOW: u16 = 4;
const META: u16 = 8;
/// Flags of a node: the value lies in overflow pages; the value is a table.
const IS_BIG: u16 = 1;
const IS_TABLE: u16 = 2;
/// Flag of a table: keys are numbers.
const INTEGER_KEYS: u16 = 8;

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// A table as its parent describes it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct PageTable {
    flags: u16,
    depth: u16,
    branches: u64,
    leaves: u64,
    overflows: u64,
    entries: u64,
    root: u64,
}

impl PageTable {
    fn read(bytes: &[u8]) -> Self {
        Self {
            flags: u16_at(bytes, 4),
            depth: u16_at(bytes, 6),
            branches: u64_at(bytes, 8),
            leaves: u64_at(bytes, 16),
            overflows: u64_at(bytes, 24),
            entries: u64_at(bytes, 32),
            root: u64_at(bytes, 40),
        }
    }
}

/// The newest state of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Snapshot {
    page_bytes: usize,
    free: PageTable,
    main: PageTable,
    last_page: u64,
    transaction: u64,
}

impl Snapshot {
    /// Reads both meta pages. Returns the state of the newest transaction or of `transaction`,
    /// which another process may be replacing. `max_bytes`: maximum length of the file.
    pub fn read(file: &PositionedFile, transaction: Option<u64>, max_bytes: u64) -> Result<Self, Unsound> {
        let first = Self::meta(file, 0, 0)?;
        let second = Self::meta(file, 1, first.page_bytes as u64)?;
        // Every change writes the older meta page; at first both are 0.
        if first.transaction.abs_diff(second.transaction) > 1 || first.page_bytes != second.page_bytes {
            return Err("its two meta pages do not belong together".to_owned());
        }
        let wanted = transaction.unwrap_or(first.transaction.max(second.transaction));
        let found = [first, second].into_iter().find(|meta| meta.transaction == wanted);
        let found = found.ok_or_else(|| "its meta pages are not those of its transaction".to_owned())?;
        let length = file.len().map_err(|error| error.to_string())?;
        let bytes = found.last_page.checked_add(1).and_then(|pages| pages.checked_mul(found.page_bytes as u64));
        // The last pages may never have been written, if they were freed at once.
        let fits = bytes.is_some_and(|bytes| bytes <= max_bytes.min(length.saturating_add(MAX_UNWRITTEN)));
        match fits && found.last_page >= 1 {
            true => Ok(found),
            false => Err(format!("its last page cannot be {} in {length} bytes", found.last_page)),
        }
    }

    fn meta(file: &PositionedFile, number: u64, at: u64) -> Result<Self, Unsound> {
        let mut page = [0; META_BYTES];
        file.read_at(&mut page, at).map_err(|error| format!("meta page {number}: {error}"))?;
        let meta = &page[HEADER..];
        let found = Self {
            page_bytes: u32_at(meta, 24) as usize,
            free: PageTable::read(&meta[24..]),
            main: PageTable::read(&meta[72..]),
            last_page: u64_at(meta, 120),
            transaction: u64_at(meta, 128),
        };
        let is_meta = u64_at(&page, 0) == number && u16_at(&page, 10) == META;
        let is_ours = u32_at(meta, 0) == 0xBEEF_C0DE && u32_at(meta, 4) == 1;
        let is_placed = found.transaction == 0 || found.transaction & 1 == number;
        let page_bytes = found.page_bytes;
        let is_sized = page_bytes.is_power_of_two() && (512..=32768).contains(&page_bytes);
        match is_meta && is_ours && is_placed && is_sized {
            true => Ok(found),
            false => Err(format!("meta page {number} is none")),
        }
    }
}

/// Maximum bytes of pages at the end of a file that were never written: more than one of nearsort's
/// transactions has.
const MAX_UNWRITTEN: u64 = 64 << 20;

/// The constraints of a table.
#[derive(Clone, Copy)]
struct TableShape {
    /// Lengths of its keys and its values; `None`: any.
    key: Option<usize>,
    value: Option<usize>,
    /// All its keys, if they are known.
    keys: &'static [&'static [u8]],
}

const ANY: TableShape = TableShape { key: None, value: None, keys: &[] };

/// The tables by name, in their order.
const TABLES: [(&[u8], TableShape); 4] = [
    (b"about", TableShape { keys: &[b"format", b"max_bytes"], ..ANY }),
    (b"index", TableShape { key: Some(super::key::KEY_BYTES), value: Some(16), ..ANY }),
    (b"models", TableShape { key: Some(super::key::MODEL_BYTES), ..ANY }),
    (b"vectors", TableShape { key: Some(8), ..ANY }),
];

/// Checks every page of a snapshot.
pub(super) fn check(file: &PositionedFile, snapshot: &Snapshot) -> Result<(), Unsound> {
    let mut walk = Walk::new(file, snapshot);
    let (mut tables, mut free) = (BTreeMap::new(), Vec::new());
    let names = TableShape { value: Some(TABLE_BYTES), ..ANY };
    walk.table("the list of tables", &snapshot.main, names, &mut |key, flags, value| {
        tables.insert(key.to_vec(), PageTable::read(value));
        if flags == IS_TABLE { Ok(()) } else { Err("a name without a table".to_owned()) }
    })?;
    walk.table("the list of free pages", &snapshot.free, TableShape { key: Some(8), ..ANY }, &mut |key, _, value| {
        free.push((u64_at(key, 0), value.to_vec()));
        Ok(())
    })?;
    for (name, table) in &tables {
        let known = TABLES.iter().find(|(known, _)| *known == name.as_slice());
        let shown = String::from_utf8_lossy(name);
        let (_, shape) = known.ok_or_else(|| format!("an unknown table '{shown}'"))?;
        walk.table(&shown, table, *shape, &mut |_, flags, _| match flags {
            0 => Ok(()),
            flags => Err(format!("a value of kind {flags}")),
        })?;
    }
    free.iter().try_for_each(|(transaction, pages)| walk.free(*transaction, pages))
}

/// Visitor of an entry: its key, its kind and its value.
type Visit<'a> = dyn FnMut(&[u8], u16, &[u8]) -> Result<(), Unsound> + 'a;

struct Walk<'a> {
    file: &'a PositionedFile,
    snapshot: &'a Snapshot,
    /// A bit for each page, set once the page was found in a tree or list.
    seen: Vec<u64>,
    /// Buffers for pages, one for each height.
    pages: Vec<Vec<u8>>,
}

/// A tree that is being walked.
struct Tree<'a> {
    is_free_list: bool,
    shape: TableShape,
    last_key: Option<Vec<u8>>,
    branches: u64,
    leaves: u64,
    overflows: u64,
    entries: u64,
    visit: &'a mut Visit<'a>,
}

/// An entry of a page.
struct Node {
    flags: u16,
    key: Range<usize>,
    /// In a leaf: the range of the value, or of the number of its overflow page.
    data: Range<usize>,
    /// In a leaf: the length of the value in bytes.
    bytes: usize,
    /// In a branch: the child's page.
    child: u64,
}

impl<'a> Walk<'a> {
    fn new(file: &'a PositionedFile, snapshot: &'a Snapshot) -> Self {
        let mut seen = vec![0; (snapshot.last_page / 64 + 1) as usize];
        seen[0] = 0b11;
        Self { file, snapshot, seen, pages: Vec::new() }
    }

    fn table(
        &mut self,
        name: &str,
        table: &PageTable,
        shape: TableShape,
        visit: &mut Visit<'_>,
    ) -> Result<(), Unsound> {
        self.walk_table(table, shape, visit).map_err(|why| format!("{name}: {why}"))
    }

    fn walk_table(&mut self, table: &PageTable, shape: TableShape, visit: &mut Visit<'_>) -> Result<(), Unsound> {
        let is_free_list = std::ptr::eq(table, &self.snapshot.free);
        if table.flags != if is_free_list { INTEGER_KEYS } else { 0 } || usize::from(table.depth) > MAX_DEPTH {
            return Err("its description is impossible".to_owned());
        }
        let mut tree =
            Tree { is_free_list, shape, last_key: None, branches: 0, leaves: 0, overflows: 0, entries: 0, visit };
        match table.root {
            NONE if table.depth == 0 => {}
            NONE => return Err("it has no root".to_owned()),
            root => self.page(&mut tree, root, usize::from(table.depth), None)?,
        }
        let found = PageTable {
            branches: tree.branches,
            leaves: tree.leaves,
            overflows: tree.overflows,
            entries: tree.entries,
            ..*table
        };
        if found == *table { Ok(()) } else { Err("it has a wrong number of pages".to_owned()) }
    }

    /// Marks pages as used in one place. A page in two places is damage.
    fn take(&mut self, first: u64, count: u64) -> Result<(), Unsound> {
        let end = first.checked_add(count).filter(|&end| end <= self.snapshot.last_page + 1);
        let end = end.ok_or_else(|| format!("page {first} is beyond the end"))?;
        for page in first..end {
            let (word, bit) = (&mut self.seen[(page / 64) as usize], 1 << (page % 64));
            if *word & bit != 0 {
                return Err(format!("page {page} is in two places"));
            }
            *word |= bit;
        }
        Ok(())
    }

    fn read(&self, page: u64, bytes: &mut [u8]) -> Result<(), Unsound> {
        let at = page * self.snapshot.page_bytes as u64;
        self.file.read_at(bytes, at).map_err(|error| format!("page {page}: {error}"))
    }

    /// Checks a page of a tree and the pages below. `height`: 1 for a leaf; `end`: all keys must be
    /// smaller.
    fn page(&mut self, tree: &mut Tree<'_>, number: u64, height: usize, end: Option<&[u8]>) -> Result<(), Unsound> {
        self.take(number, 1)?;
        let mut page = self.pages.pop().unwrap_or_default();
        page.resize(self.snapshot.page_bytes, 0);
        self.read(number, &mut page)?;
        let kind = if height > 1 { BRANCH } else { LEAF };
        if u64_at(&page, 0) != number || u16_at(&page, 10) != kind || height == 0 {
            return Err(format!("page {number} is of another kind"));
        }
        let nodes = nodes(&page, kind).ok_or_else(|| format!("page {number} has entries outside of it"))?;
        let least = if kind == BRANCH && !tree.is_free_list { 2 } else { 1 };
        if nodes.len() < least {
            return Err(format!("page {number} has too few entries"));
        }
        match kind {
            BRANCH => self.branch(tree, number, &page, &nodes, height, end)?,
            _ => {
                tree.leaves += 1;
                nodes.iter().try_for_each(|node| self.entry(tree, number, &page, node, end))?;
            }
        }
        self.pages.push(page);
        Ok(())
    }

    fn branch(
        &mut self,
        tree: &mut Tree<'_>,
        number: u64,
        page: &[u8],
        nodes: &[Node],
        height: usize,
        end: Option<&[u8]>,
    ) -> Result<(), Unsound> {
        tree.branches += 1;
        for (at, node) in nodes.iter().enumerate() {
            let start = &page[node.key.clone()];
            // The first child has all keys below the second's key.
            if at > 0 && !tree.is_free_list && tree.last_key.as_deref().is_some_and(|last| last >= start) {
                return Err(format!("page {number} has keys in a wrong order"));
            }
            let next = nodes.get(at + 1).map(|next| &page[next.key.clone()]);
            self.page(tree, node.child, height - 1, next.or(end))?;
            let first_is_below =
                at > 0 && !tree.is_free_list && tree.last_key.as_deref().is_some_and(|last| last < start);
            if first_is_below {
                return Err(format!("page {number} leads to wrong keys"));
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        tree: &mut Tree<'_>,
        page_number: u64,
        page: &[u8],
        node: &Node,
        end: Option<&[u8]>,
    ) -> Result<(), Unsound> {
        let key = &page[node.key.clone()];
        let wrong = |why: &str| Err(format!("page {page_number} has {why}"));
        let TableShape { key: key_bytes, value: value_bytes, keys } = tree.shape;
        let is_ours =
            key_bytes.is_none_or(|bytes| bytes == key.len()) && value_bytes.is_none_or(|bytes| bytes == node.bytes);
        if !is_ours || key.is_empty() || !(keys.is_empty() || keys.contains(&key)) {
            return wrong("an entry that is not ours");
        }
        let number = |key: &[u8]| u64_at(key, 0);
        let last = tree.last_key.as_deref();
        let (ascends, is_below) = match tree.is_free_list {
            true => (last.is_none_or(|last| number(last) < number(key)), true),
            false => (last.is_none_or(|last| last < key), end.is_none_or(|end| key < end)),
        };
        if !ascends || !is_below {
            return wrong("keys in a wrong order");
        }
        tree.entries += 1;
        if node.flags & IS_BIG == 0 {
            (tree.visit)(key, node.flags, &page[node.data.clone()])?;
        } else {
            let (value, pages) = self.overflow(u64_at(page, node.data.start), node.bytes, tree.is_free_list)?;
            tree.overflows += pages;
            (tree.visit)(key, node.flags & !IS_BIG, &value)?;
        }
        let last = tree.last_key.get_or_insert_default();
        last.clear();
        last.extend_from_slice(key);
        Ok(())
    }

    /// Checks a value in overflow pages. Returns its content, if wanted, and the number of its
    /// pages.
    fn overflow(&mut self, first: u64, bytes: usize, is_wanted: bool) -> Result<(Vec<u8>, u64), Unsound> {
        let pages = (HEADER - 1 + bytes) / self.snapshot.page_bytes + 1;
        self.take(first, pages as u64)?;
        let mut value = vec![0; if is_wanted { HEADER + bytes } else { HEADER }];
        self.read(first, &mut value)?;
        let is_one =
            u64_at(&value, 0) == first && u16_at(&value, 10) == OVERFLOW && u32_at(&value, 12) as usize == pages;
        if !is_one {
            return Err(format!("page {first} is of another kind"));
        }
        Ok((value.split_off(HEADER), pages as u64))
    }

    /// Checks the pages that a transaction freed: their number, then each, descending.
    fn free(&mut self, transaction: u64, list: &[u8]) -> Result<(), Unsound> {
        let (numbers, rest) = list.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes));
        let count = numbers.next();
        let is_whole = rest.is_empty() && count.is_some_and(|count| count as usize == numbers.len());
        if !is_whole || transaction > self.snapshot.transaction {
            return Err("the list of free pages: an entry of another length".to_owned());
        }
        let mut last = u64::MAX;
        for page in numbers {
            if page >= last {
                return Err("the list of free pages: not in its order".to_owned());
            }
            self.take(page, 1).map_err(|why| format!("the list of free pages: {why}"))?;
            last = page;
        }
        Ok(())
    }
}

/// Returns the entries of a page; `None` if one is not in it, or overlaps another.
fn nodes(page: &[u8], kind: u16) -> Option<Vec<Node>> {
    let (lower, upper) = (usize::from(u16_at(page, 12)), usize::from(u16_at(page, 14)));
    if lower < HEADER || !lower.is_multiple_of(2) || lower > upper || upper > page.len() {
        return None;
    }
    let mut places = Vec::with_capacity((lower - HEADER) / 2);
    let mut nodes = Vec::with_capacity(places.capacity());
    for at in (HEADER..lower).step_by(2) {
        let start = usize::from(u16_at(page, at));
        if start < upper || start + NODE > page.len() {
            return None;
        }
        let [low, high, flags, key] = [0, 2, 4, 6].map(|field| u16_at(page, start + field));
        let key = start + NODE..start + NODE + usize::from(key);
        let bytes = if kind == LEAF { usize::from(low) | usize::from(high) << 16 } else { 0 };
        let stored = if kind == LEAF && flags & IS_BIG != 0 { size_of::<u64>() } else { bytes };
        let data = key.end..key.end.checked_add(stored)?;
        if data.end > page.len() || key.len() > MAX_KEY {
            return None;
        }
        places.push(start..data.end.next_multiple_of(2));
        let child = u64::from(low) | u64::from(high) << 16 | u64::from(flags) << 32;
        nodes.push(Node { flags, key, data, bytes, child });
    }
    places.sort_unstable_by_key(|place| place.start);
    let is_apart = places.windows(2).all(|pair| pair[0].end <= pair[1].start);
    (is_apart && places.last().is_none_or(|last| last.end <= page.len())).then_some(nodes)
}
