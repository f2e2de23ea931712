//! Pages as PostgreSQL keeps them, as far as it takes to know which places of a table an index points to, and which places there are.
//!
//! The format is that of `storage/bufpage.h`, `itemptr.h`, `nbtree.h`, `hash.h`, `gist.h`, `spgist_private.h`, `brin_page.h` and `ginblock.h`, the same
//! since PostgreSQL 13; numbers are little-endian, as on every machine that images are built for.

use std::collections::HashMap;

/// Bytes before the line pointers.
pub(super) const HEADER: usize = 24;
const FLAG_UNUSED: u32 = 0;
const FLAG_REDIRECT: u32 = 2;

/// A place in a table: block and line pointer, which count from 0 and from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Tid {
    pub block: u32,
    pub item: u16,
}

/// An access method whose pages are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Btree,
    Hash,
    Gist,
    Spgist,
    Gin,
    Brin,
}

impl Method {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "btree" => Method::Btree,
            "hash" => Method::Hash,
            "gist" => Method::Gist,
            "spgist" => Method::Spgist,
            "gin" => Method::Gin,
            "brin" => Method::Brin,
            _ => return None,
        })
    }

    /// Whether its pages say which places it points to.
    pub(super) fn points(self) -> bool {
        matches!(self, Method::Btree | Method::Hash | Method::Gist | Method::Spgist)
    }
}

/// The line pointers of all pages of a table. Memory: 2 bytes a page, and what is not in use.
#[derive(Debug, Default)]
pub(super) struct Places {
    numbers: Vec<u16>,
    unused: HashMap<u32, Vec<u16>>,
    /// As [`Items::rows`].
    pub rows: u64,
}

impl Places {
    pub(super) fn push(&mut self, items: Items) {
        if !items.unused.is_empty() {
            self.unused.insert(self.blocks(), items.unused);
        }
        self.numbers.push(items.number);
        self.rows += items.rows;
    }

    pub(super) fn blocks(&self) -> u32 {
        u32::try_from(self.numbers.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn has(&self, tid: Tid) -> bool {
        let number = self.numbers.get(tid.block as usize).copied().unwrap_or_default();
        let used =
            || self.unused.get(&tid.block).is_none_or(|unused| unused.binary_search(&tid.item).is_err());
        (1..=number).contains(&tid.item) && used()
    }
}

/// Which line pointers of one page of a table are in use.
#[derive(Debug, Clone, Default)]
pub(super) struct Items {
    /// How many there are, used or not.
    number: u16,
    /// Which are not in use, in order. There are few where a table is not bloated.
    unused: Vec<u16>,
    /// That hold a row, or held one that is dead: not those that only lead to another.
    pub rows: u64,
}

impl Items {
    /// Of the bytes of a page after its header, until the end of its line pointers.
    pub(super) fn of(pointers: &[u8]) -> Items {
        let (pointers, _) = pointers.as_chunks::<4>();
        let mut items = Items::default();
        for pointer in pointers {
            items.number += 1;
            match flags(u32::from_le_bytes(*pointer)) {
                FLAG_UNUSED => items.unused.push(items.number),
                FLAG_REDIRECT => {}
                _ => items.rows += 1,
            }
        }
        items
    }

    pub(super) fn has(&self, item: u16) -> bool {
        (1..=self.number).contains(&item) && self.unused.binary_search(&item).is_err()
    }
}

fn flags(pointer: u32) -> u32 {
    pointer >> 15 & 3
}

fn u16_at(page: &[u8], place: usize) -> Result<u16, String> {
    let bytes = page.get(place..place + 2).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u16::from_le_bytes).ok_or_else(|| format!("it ends before byte {place}"))
}

fn u32_at(page: &[u8], place: usize) -> Result<u32, String> {
    let bytes = page.get(place..place + 4).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_le_bytes).ok_or_else(|| format!("it ends before byte {place}"))
}

fn tid_at(page: &[u8], place: usize) -> Result<Tid, String> {
    let (high, low) = (u16_at(page, place)?, u16_at(page, place + 2)?);
    Ok(Tid { block: u32::from(high) << 16 | u32::from(low), item: u16_at(page, place + 4)? })
}

/// The places that one page of an index points to; none of a page that is new or does not hold any.
///
/// # Errors
/// Why it is no page of such an index.
pub(super) fn pointed_to(method: Method, page: &[u8], into: &mut Vec<Tid>) -> Result<(), String> {
    if page.iter().all(|byte| *byte == 0) {
        // So it is where an index was made longer and nothing was written.
        return Ok(());
    }
    let (lower, special) = (usize::from(u16_at(page, 12)?), usize::from(u16_at(page, 16)?));
    if lower < HEADER || special > page.len() || lower > special {
        return Err("its header is wrong".to_owned());
    }
    let own = page.len() - special;
    let expect = |size: usize, mark: Option<(usize, u16)>| match mark {
        _ if own != size => Err(format!("it keeps {own} bytes of its own, not {size}")),
        Some((place, mark)) if u16_at(page, special + place)? != mark => {
            Err("its mark is another kind's".to_owned())
        }
        _ => Ok(()),
    };
    match method {
        Method::Btree => {
            expect(16, None)?;
            btree(page, lower, special, into)
        }
        Method::Hash => {
            expect(16, Some((14, 0xff80)))?;
            let kind = u16_at(page, special + 12)?;
            // Overflow and bucket pages.
            if kind & 3 == 0 {
                Ok(())
            } else {
                each(page, lower, special, 1, |tuple| tid_at(page, tuple).map(Some), into)
            }
        }
        Method::Gist => {
            expect(16, Some((14, 0xff81)))?;
            let kind = u16_at(page, special + 12)?;
            // A leaf that is not deleted.
            if kind & 3 == 1 {
                each(page, lower, special, 1, |tuple| tid_at(page, tuple).map(Some), into)
            } else {
                Ok(())
            }
        }
        Method::Spgist => {
            expect(8, Some((6, 0xff82)))?;
            let kind = u16_at(page, special)?;
            let live = |tuple| match u32_at(page, tuple)? & 3 {
                0 => tid_at(page, tuple + 6).map(Some),
                _ => Ok(None),
            };
            // A leaf that is neither the index's first page nor deleted.
            if kind & 7 == 4 { each(page, lower, special, 1, live, into) } else { Ok(()) }
        }
        Method::Gin => expect(8, None),
        Method::Brin => {
            expect(8, None)?;
            match u16_at(page, special + 6)? {
                0xf091..=0xf093 => Ok(()),
                _ => Err("its mark is another kind's".to_owned()),
            }
        }
    }
}

fn btree(page: &[u8], lower: usize, special: usize, into: &mut Vec<Tid>) -> Result<(), String> {
    const LEAF: u16 = 1;
    const NO_ENTRIES: u16 = 4 | 8 | 16;
    let kind = u16_at(page, special + 12)?;
    if kind & LEAF == 0 || kind & NO_ENTRIES != 0 {
        return Ok(());
    }
    // The first item of a page with one on its right is the bound between both.
    let first = if u32_at(page, special + 4)? == 0 { 1 } else { 2 };
    let mut lists = Vec::new();
    let single = |tuple| {
        let (other, item) = (u16_at(page, tuple + 6)? & 0x2000 != 0, u16_at(page, tuple + 4)?);
        if !other {
            return tid_at(page, tuple).map(Some);
        }
        if item & 0x2000 != 0 {
            let Tid { block, .. } = tid_at(page, tuple)?;
            lists.push((tuple + block as usize, usize::from(item & 0x0fff)));
        }
        Ok(None)
    };
    each(page, lower, special, first, single, into)?;
    for (start, number) in lists {
        for place in 0..number {
            into.push(tid_at(page, start + place * 6)?);
        }
    }
    Ok(())
}

/// Every tuple from the line pointer `first` on.
fn each(
    page: &[u8],
    lower: usize,
    special: usize,
    first: usize,
    mut points: impl FnMut(usize) -> Result<Option<Tid>, String>,
    into: &mut Vec<Tid>,
) -> Result<(), String> {
    for place in (HEADER + 4 * (first - 1)..lower).step_by(4) {
        let pointer = u32_at(page, place)?;
        if flags(pointer) == FLAG_UNUSED || pointer >> 17 == 0 {
            continue;
        }
        let tuple = (pointer & 0x7fff) as usize;
        if tuple < lower || tuple >= special {
            return Err(format!("item {} lies outside of it", (place - HEADER) / 4 + 1));
        }
        into.extend(points(tuple)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_use_are_told_from_those_that_are_not() {
        let pointer = |flags: u32| (8000 | flags << 15 | 28 << 17).to_le_bytes();
        let items = Items::of(&[pointer(1), pointer(0), pointer(3), pointer(2)].concat());
        let used: Vec<bool> = (0..=5).map(|item| items.has(item)).collect();
        assert_eq!(used, [false, true, false, true, true, false]);
        assert_eq!(items.rows, 2);
        assert!(!Items::of(&[]).has(1));
    }

    #[test]
    fn garbage_is_no_page_and_an_empty_page_is_one() {
        let mut found = Vec::new();
        for method in ["btree", "hash", "gist", "spgist", "gin", "brin"] {
            let method = Method::of(method).unwrap();
            pointed_to(method, &[0; 8192], &mut found).unwrap();
            assert!(pointed_to(method, &[0x5a; 8192], &mut found).is_err(), "{method:?}");
            assert!(pointed_to(method, &[1; 20], &mut found).is_err(), "{method:?}");
        }
        assert!(found.is_empty() && Method::of("bloom").is_none());
    }
}
