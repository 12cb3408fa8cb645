//! LMDB's file read without LMDB, for one that is damaged: LMDB follows what a page says into memory that is not
//! there, and ends the process.
//!
//! Pages are looked at one by one and believed only within their bounds. A tree is gone through from its root; what
//! hangs below a page that does not read is lost to it, and looked for among all pages of the file, where leaves of
//! no tree stand as well: older ones that were freed. So what is found there must prove itself.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::StoreError;
use crate::embedded::{Table, damaged, unusable};
use crate::maintain::TableRow;

const MAGIC: u32 = 0xBEEF_C0DE;
const HEADER_BYTES: usize = 16;
const NODE_BYTES: usize = 8;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const OVERFLOW: u16 = 0x04;
const META: u16 = 0x08;
/// A node whose value stands on pages of its own.
const BIG: u16 = 0x01;
/// A node that holds a tree.
const TREE: u16 = 0x02;
/// The deepest tree that LMDB makes.
const DEPTH_MAX: usize = 32;
/// The sizes that a page can have.
const PAGE_BYTES: std::ops::RangeInclusive<usize> = 512..=65_536;
/// The largest value that is read, which is the largest that is written.
const VALUE_MAX_BYTES: usize = crate::embedded::VALUE_MAX_BYTES;

/// A data file of LMDB.
#[derive(Debug)]
pub(crate) struct Pages {
    file: File,
    page_bytes: usize,
    count: u64,
}

/// Where a tree begins.
#[derive(Debug, Clone, Copy)]
struct Root(u64);

/// A node of a page.
struct Node {
    flags: u16,
    key: Vec<u8>,
    data: Vec<u8>,
    /// What the page says beside the key: of a branch, the page below; of a leaf, the length of the value.
    number: u64,
}

/// What a page gives, and what is wrong with it.
type Seen<T> = Result<T, String>;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

impl Pages {
    /// Opens the file of a store, to be read only.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let unusable = |error: io::Error| unusable(path, &error);
        let file = File::open(path).map_err(unusable)?;
        let bytes = file.metadata().map_err(unusable)?.len();
        let mut found = None;
        // The second of the two first pages says as well how large pages are, wherever it begins.
        for at in [0, 4_096, 8_192, 16_384, 32_768, 65_536, 512, 1_024, 2_048] {
            let mut head = [0; HEADER_BYTES + 48];
            if file.read_exact_at(&mut head, at).is_err() || u32_at(&head, HEADER_BYTES) != Some(MAGIC) {
                continue;
            }
            let size = u32_at(&head, HEADER_BYTES + 24).map_or(0, |size| size as usize);
            if PAGE_BYTES.contains(&size) && size.is_power_of_two() {
                found = Some(size);
                break;
            }
        }
        let page_bytes = found.ok_or_else(|| damaged(path, "neither of its first pages is LMDB's"))?;
        let count = bytes / page_bytes as u64;
        Ok(Self { file, page_bytes, count })
    }

    fn page(&self, number: u64) -> Seen<Vec<u8>> {
        if number >= self.count {
            return Err(format!("page {number} is beyond the end of the file"));
        }
        let mut page = vec![0; self.page_bytes];
        let read = self.file.read_exact_at(&mut page, number * self.page_bytes as u64);
        read.map_err(|error| format!("page {number} cannot be read: {error}"))?;
        Ok(page)
    }

    /// The tree of all tables, by the newer of the first two pages that reads.
    fn main(&self) -> Seen<Root> {
        let mut newest: Option<(u64, u64)> = None;
        for number in 0..2 {
            let Ok(page) = self.page(number) else { continue };
            let body = page.get(HEADER_BYTES..).unwrap_or_default();
            let is_meta = u16_at(&page, 10).is_some_and(|flags| flags & META != 0);
            // Magic, version, address and size of the map; the tree of free pages, the main one; last page, number.
            let (Some(MAGIC), Some(root), Some(transaction), true) =
                (u32_at(body, 0), u64_at(body, 24 + 48 + 40), u64_at(body, 24 + 96 + 8), is_meta)
            else {
                continue;
            };
            if newest.is_none_or(|(before, _)| transaction > before) {
                newest = Some((transaction, root));
            }
        }
        newest.map(|(_, root)| Root(root)).ok_or_else(|| "neither of the first two pages reads".to_owned())
    }

    /// The rows of a table in the order of its tree, each with the page it is on, and what is wrong between them.
    pub(crate) fn table(&self, table: Table) -> TreeWalk<'_> {
        let root = self.main().and_then(|main| {
            let mut tables = TreeWalk::of(self, Ok(main));
            tables.wants_trees = true;
            let mut wrong = Vec::new();
            for row in &mut tables {
                match row {
                    Ok(row) if row.key == table.name().as_bytes() => {
                        let root = u64_at(&row.value, 40).ok_or("the tree of the table does not read")?;
                        return Ok(Root(root));
                    }
                    Ok(_) => {}
                    Err(error) => wrong.push(error),
                }
            }
            Err(format!("the table {} is not found: {}", table.name(), wrong.join("; ")))
        });
        TreeWalk::of(self, root)
    }

    /// The value of a leaf's node.
    fn value(&self, node: &Node) -> Seen<Vec<u8>> {
        if node.flags & BIG == 0 {
            return Ok(node.data.clone());
        }
        let first = u64_at(&node.data, 0).ok_or("the place of a value does not read")?;
        let bytes = usize::try_from(node.number).unwrap_or(usize::MAX);
        let page = self.page(first)?;
        let (flags, pages) = (u16_at(&page, 10).unwrap_or(0), u32_at(&page, 12).unwrap_or(0));
        let room = (pages as usize).saturating_mul(self.page_bytes);
        let fits = bytes <= VALUE_MAX_BYTES && bytes.saturating_add(HEADER_BYTES) <= room;
        if flags & OVERFLOW == 0 || u64_at(&page, 0) != Some(first) || !fits {
            return Err(format!("page {first}, with a large value, is damaged"));
        }
        let mut value = vec![0; bytes];
        let at = first * self.page_bytes as u64 + HEADER_BYTES as u64;
        let read = self.file.read_exact_at(&mut value, at);
        read.map_err(|_| format!("a value of page {first} ends beyond the file"))?;
        Ok(value)
    }

    /// All rows of all leaves, whatever tree they are of, or were of.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = TableRow> {
        let rows_of = |number: u64| {
            let page = self.page(number).unwrap_or_default();
            let is_leaf = u16_at(&page, 10).is_some_and(|flags| flags & LEAF != 0 && flags & META == 0);
            let nodes = if is_leaf { self.some_nodes(&page) } else { Vec::new() };
            let plain = nodes.into_iter().filter(|node| node.flags & TREE == 0);
            plain
                .filter_map(|node| Some(TableRow { value: self.value(&node).ok()?, key: node.key }))
                .collect::<Vec<_>>()
        };
        (0..self.count).flat_map(rows_of)
    }

    /// Those nodes of a leaf that read, on a page that may not.
    fn some_nodes(&self, page: &[u8]) -> Vec<Node> {
        let lower = usize::from(u16_at(page, 12).unwrap_or(0)).min(self.page_bytes);
        let places = lower.saturating_sub(HEADER_BYTES) / 2;
        let place = |place: usize| u16_at(page, HEADER_BYTES + place * 2).map(usize::from);
        (0..places).filter_map(|number| node(page, place(number)?, true)).collect()
    }
}

/// The nodes of a leaf or branch, in order.
fn nodes(number: u64, page: &[u8]) -> Seen<Vec<Node>> {
    let broken = || format!("page {number} is damaged");
    if u64_at(page, 0) != Some(number) {
        return Err(broken());
    }
    let flags = u16_at(page, 10).ok_or_else(broken)?;
    let lower = usize::from(u16_at(page, 12).ok_or_else(broken)?);
    let is_leaf = flags & LEAF != 0;
    if lower < HEADER_BYTES || lower > page.len() || flags & (BRANCH | LEAF) == 0 {
        return Err(broken());
    }
    let mut nodes = Vec::new();
    for place in 0..(lower - HEADER_BYTES) / 2 {
        let at = usize::from(u16_at(page, HEADER_BYTES + place * 2).ok_or_else(broken)?);
        nodes.push(node(page, at, is_leaf).ok_or_else(broken)?);
    }
    Ok(nodes)
}

fn node(page: &[u8], at: usize, is_leaf: bool) -> Option<Node> {
    let head = page.get(at..at.checked_add(NODE_BYTES)?).filter(|_| at >= HEADER_BYTES)?;
    let low = u64::from(u32_at(head, 0)?);
    let (flags, key_bytes) = (u16_at(head, 4)?, usize::from(u16_at(head, 6)?));
    let key_at = at + NODE_BYTES;
    let key = page.get(key_at..key_at + key_bytes)?.to_vec();
    if !is_leaf {
        // The flags of a branch's node are the high part of the page below.
        let number = low | u64::from(flags) << 32;
        return Some(Node { flags: 0, key, data: Vec::new(), number });
    }
    let bytes = if flags & BIG == 0 { usize::try_from(low).ok()? } else { 8 };
    let data = page.get(key_at + key_bytes..(key_at + key_bytes).checked_add(bytes)?)?.to_vec();
    Some(Node { flags, key, data, number: low })
}

/// A tree, gone through leaf by leaf.
#[derive(Debug)]
pub(crate) struct TreeWalk<'p> {
    pages: &'p Pages,
    /// Pages that are still to be looked at, the next one last, each with its depth.
    waiting: Vec<(u64, usize)>,
    /// What was read of the leaf in hand, the next row last.
    rows: Vec<Seen<TableRow>>,
    /// Rows that hold a tree are given, and no others.
    wants_trees: bool,
    /// How many pages may still be looked at: a damaged tree may lead in a circle.
    left: u64,
}

impl<'p> TreeWalk<'p> {
    fn of(pages: &'p Pages, root: Seen<Root>) -> Self {
        let mut walk =
            Self { pages, waiting: Vec::new(), rows: Vec::new(), wants_trees: false, left: pages.count };
        match root {
            // All ones: an empty tree.
            Ok(Root(u64::MAX)) => {}
            Ok(Root(number)) => walk.waiting.push((number, 0)),
            Err(error) => walk.rows.push(Err(error)),
        }
        walk
    }

    fn look(&mut self, number: u64, depth: usize) -> Seen<()> {
        if depth > DEPTH_MAX || self.left == 0 {
            return Err(format!("page {number} is reached in a circle"));
        }
        self.left -= 1;
        let page = self.pages.page(number)?;
        let nodes = nodes(number, &page)?;
        let is_leaf = u16_at(&page, 10).is_some_and(|flags| flags & LEAF != 0);
        for node in nodes.into_iter().rev() {
            if !is_leaf {
                self.waiting.push((node.number, depth + 1));
            } else if (node.flags & TREE != 0) == self.wants_trees {
                let value = self.pages.value(&node);
                self.rows.push(value.map(|value| TableRow { key: node.key, value }));
            }
        }
        Ok(())
    }
}

impl Iterator for TreeWalk<'_> {
    type Item = Seen<TableRow>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.pop() {
                return Some(row);
            }
            let (number, depth) = self.waiting.pop()?;
            if let Err(error) = self.look(number, depth) {
                return Some(Err(error));
            }
        }
    }
}
