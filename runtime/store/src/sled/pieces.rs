//! Values as sled is given them: whole, or in pieces.
//!
//! A page of sled that is larger than a quarter of a segment of its log, 131,052 bytes, becomes a file
//! under `blobs/`, and no `flush` syncs that file: after a power cut the log would name what is not there.
//! A leaf is split when it has more than 16 rows, whatever their size, and may take in a neighbour of 3
//! before that. So no row is larger than a piece and the longest key, 516 bytes: then 28 rows
//! have room in a page.

use super::rows::Change;
use crate::StoreError;
use crate::embedded::Table;

/// The largest piece of a value, and the largest value that is kept whole.
pub(super) const PIECE_MAX_BYTES: usize = 4_096 - 64;

/// What a stored value begins with: the value follows, or the number of its pieces.
const WHOLE: u8 = 0;
const IN_PIECES: u8 = 1;

/// What is stored for a key.
pub(super) enum Stored<'a> {
    Whole(&'a [u8]),
    /// How many pieces there are.
    Pieces(u32),
}

/// What the bytes at a key say.
pub(super) fn read(bytes: &[u8]) -> Result<Stored<'_>, StoreError> {
    match bytes {
        [WHOLE, value @ ..] => Ok(Stored::Whole(value)),
        &[IN_PIECES, a, b, c, d] => Ok(Stored::Pieces(u32::from_be_bytes([a, b, c, d]))),
        _ => Err(StoreError::Damaged("a value is neither whole nor in pieces".into())),
    }
}

/// The key of a piece. No two pieces have the same: those of one length differ in table, key or number.
pub(super) fn key(table: Table, key: &[u8], number: u32) -> Vec<u8> {
    [&[table as u8], key, &number.to_be_bytes()].concat()
}

/// The changes that put a value in the place of one that had `before` pieces, or remove that one.
pub(super) fn changes(
    table: Table,
    at: Vec<u8>,
    value: Option<&[u8]>,
    before: u32,
) -> Result<Vec<Change>, StoreError> {
    let pieces: Vec<&[u8]> = match value {
        Some(value) if value.len() > PIECE_MAX_BYTES => value.chunks(PIECE_MAX_BYTES).collect(),
        _ => Vec::new(),
    };
    let count = u32::try_from(pieces.len())
        .map_err(|_| StoreError::Engine("a value has more pieces than can be counted".into()))?;
    let head = value.map(|value| match count {
        0 => [&[WHOLE], value].concat(),
        count => [&[IN_PIECES][..], &count.to_be_bytes()].concat(),
    });
    let written =
        (0..).zip(&pieces).map(|(number, &piece)| Change::piece(key(table, &at, number), Some(piece)));
    let removed = (count..before).map(|number| Change::piece(key(table, &at, number), None));
    let mut changes: Vec<_> = written.chain(removed).collect();
    changes.push(Change::row(table, at, head));
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pieces a change writes and how many it removes, and what stands at the key itself.
    fn changed(value: Option<usize>, before: u32) -> (usize, usize, Option<Vec<u8>>) {
        let value = value.map(|bytes| vec![7; bytes]);
        let mut changes = changes(Table::Runs, b"key".to_vec(), value.as_deref(), before).unwrap();
        let row = changes.pop().unwrap();
        assert_eq!((row.tree, &row.key[..]), (Table::Runs as usize, &b"key"[..]));
        let written = changes.iter().filter(|change| change.value.is_some()).count();
        (written, changes.len() - written, row.value.map(|value| value[..value.len().min(5)].to_vec()))
    }

    #[test]
    fn a_value_takes_the_place_of_one_with_more_or_fewer_pieces() {
        let pieces = |count: u32| Some([&[IN_PIECES][..], &count.to_be_bytes()].concat());
        let most = PIECE_MAX_BYTES;
        assert_eq!(changed(Some(0), 0), (0, 0, Some(vec![WHOLE])));
        assert_eq!(changed(Some(most), 3), (0, 3, Some(vec![WHOLE, 7, 7, 7, 7])));
        assert_eq!(changed(Some(most + 1), 0), (2, 0, pieces(2)));
        assert_eq!(changed(Some(most * 2), 5), (2, 3, pieces(2)));
        assert_eq!(changed(Some(most * 3), 2), (3, 0, pieces(3)));
        assert_eq!(changed(None, 2), (0, 2, None));
    }

    #[test]
    fn what_is_stored_says_whether_it_is_whole() {
        assert!(matches!(read(&[WHOLE]), Ok(Stored::Whole(&[]))));
        assert!(matches!(read(&[WHOLE, 1, 2]), Ok(Stored::Whole(&[1, 2]))));
        assert!(matches!(read(&[IN_PIECES, 0, 0, 1, 2]), Ok(Stored::Pieces(258))));
        for broken in [&[][..], &[2, 0], &[IN_PIECES, 0, 0, 1], &[IN_PIECES, 0, 0, 0, 1, 0]] {
            assert!(matches!(read(broken), Err(StoreError::Damaged(_))), "{broken:?}");
        }
    }
}
