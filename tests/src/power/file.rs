//! A file on a disk that may forget: what is on it for good, and what was written since.
//!
//! The unit is a sector of 512 bytes, which disks write whole or not at all. After a power cut each holds
//! what it held at some moment since it was made durable; which moment is another one for each sector. A
//! file's length goes its own way, and what was never written below it is zeros.

use std::collections::BTreeMap;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::image::Fate;

/// What disks write whole.
const SECTOR_BYTES: u64 = 512;

/// Something done to a file since it was made durable.
#[derive(Debug, Clone)]
struct Change {
    /// Its place among all changes of all files.
    number: u64,
    kind: Kind,
    /// Whether it was made durable by itself, as a write through an `O_DSYNC` descriptor is.
    durable: bool,
}

#[derive(Debug, Clone)]
enum Kind {
    Write { at: u64, bytes: Vec<u8> },
    Length(u64),
}

/// A file.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    base: Vec<u8>,
    changes: Vec<Change>,
    /// Its length as programs see it.
    length: u64,
}

/// What a power cut leaves of a file.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) bytes: Vec<u8>,
    /// Sectors that are not what they were before the cut.
    pub(super) sectors_lost: usize,
}

impl Content {
    /// A file that is durable.
    pub(super) fn durable(base: Vec<u8>) -> Self {
        Self { length: base.len() as u64, base, changes: Vec::new() }
    }

    pub(super) const fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn write(&mut self, number: u64, at: u64, bytes: Vec<u8>, durable: bool) {
        self.length = self.length.max(at + bytes.len() as u64);
        self.changes.push(Change { number, kind: Kind::Write { at, bytes }, durable });
    }

    pub(super) fn resize(&mut self, number: u64, length: u64) {
        self.length = length;
        self.changes.push(Change { number, kind: Kind::Length(length), durable: false });
    }

    /// Makes durable what was done before a number.
    pub(super) fn sync(&mut self, before: u64) {
        let later = self.changes.iter().position(|change| change.number >= before);
        let later = later.unwrap_or(self.changes.len());
        for change in self.changes.drain(..later) {
            apply(&mut self.base, &change.kind, None);
        }
    }

    /// The file as programs see it.
    pub(super) fn now(&self) -> Vec<u8> {
        let mut bytes = self.base.clone();
        for change in &self.changes {
            apply(&mut bytes, &change.kind, None);
        }
        bytes
    }

    /// The file as a power cut leaves it.
    pub(super) fn cut(&self, fate: Fate, rng: &mut StdRng) -> Left {
        if self.changes.is_empty() {
            return Left { bytes: self.base.clone(), sectors_lost: 0 };
        }
        let sectors = self.sectors();
        let mut bytes = self.base.clone();
        // Longer than it can become, so that a sector has a place whatever the length.
        let most = self.lengths().max().unwrap_or_default();
        bytes.resize(usize::try_from(most).unwrap_or(usize::MAX), 0);
        let mut sectors_lost = 0;
        for (sector, touching) in sectors {
            let least = touching.iter().rposition(|change| change.durable).map_or(0, |at| at + 1);
            let kept =
                fate.keep(least, &touching.iter().map(|change| change.number).collect::<Vec<_>>(), rng);
            sectors_lost += usize::from(kept < touching.len());
            for change in &touching[..kept] {
                apply(&mut bytes, &change.kind, Some(sector));
            }
        }
        let length = self.cut_length(fate, rng);
        bytes.resize(usize::try_from(length).unwrap_or(usize::MAX), 0);
        Left { bytes, sectors_lost }
    }

    /// What changes each sector, in order.
    fn sectors(&self) -> BTreeMap<u64, Vec<&Change>> {
        let mut sectors = BTreeMap::<u64, Vec<&Change>>::new();
        let mut length = self.base.len() as u64;
        for change in &self.changes {
            let (from, to) = match &change.kind {
                Kind::Write { at, bytes } => (*at, at + bytes.len() as u64),
                // What is cut off and comes back is zeros.
                Kind::Length(new) => (*new, length),
            };
            length = length_after(length, &change.kind);
            if from < to {
                for sector in from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES) {
                    sectors.entry(sector).or_default().push(change);
                }
            }
        }
        sectors
    }

    /// The lengths that it had since it was made durable, the last one last.
    fn lengths(&self) -> impl Iterator<Item = u64> {
        let first = self.base.len() as u64;
        let later = self.changes.iter().scan(first, |length, change| {
            *length = length_after(*length, &change.kind);
            Some(*length)
        });
        std::iter::once(first).chain(later)
    }

    fn cut_length(&self, fate: Fate, rng: &mut StdRng) -> u64 {
        let numbers: Vec<u64> = self.changes.iter().map(|change| change.number).collect();
        let kept = fate.keep(0, &numbers, rng);
        let drawn = self.lengths().nth(kept).unwrap_or_default();
        let written = self.changes.iter().filter(|change| change.durable).map(|change| match &change.kind {
            Kind::Write { at, bytes } => at + bytes.len() as u64,
            Kind::Length(length) => *length,
        });
        written.fold(drawn, u64::max)
    }
}

fn length_after(length: u64, kind: &Kind) -> u64 {
    match kind {
        Kind::Write { at, bytes } => length.max(at + bytes.len() as u64),
        Kind::Length(length) => *length,
    }
}

/// Does a change, or what it does to one sector. The length is changed only where all of it is done.
fn apply(bytes: &mut Vec<u8>, kind: &Kind, sector: Option<u64>) {
    let index = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
    match kind {
        Kind::Write { at, bytes: written } => {
            let end = at + written.len() as u64;
            let (from, to) = within(*at, end, sector);
            if bytes.len() < index(end) {
                bytes.resize(index(end), 0);
            }
            bytes[index(from)..index(to)].copy_from_slice(&written[index(from - at)..index(to - at)]);
        }
        Kind::Length(length) if sector.is_none() => bytes.resize(index(*length), 0),
        Kind::Length(length) => {
            let (from, to) = within(*length, bytes.len() as u64, sector);
            if from < to {
                bytes[index(from)..index(to)].fill(0);
            }
        }
    }
}

fn within(from: u64, to: u64, sector: Option<u64>) -> (u64, u64) {
    sector.map_or((from, to), |sector| (from.max(sector * SECTOR_BYTES), to.min((sector + 1) * SECTOR_BYTES)))
}

impl Fate {
    /// How many of the changes with these numbers are kept, the first ones, and at least `least`.
    pub(super) fn keep(self, least: usize, numbers: &[u64], rng: &mut StdRng) -> usize {
        match self {
            Self::Lost => least,
            Self::Kept => numbers.len(),
            Self::Until(number) => least.max(numbers.iter().take_while(|one| **one < number).count()),
            Self::Torn(kept) if rng.random_bool(kept) => numbers.len(),
            Self::Torn(_) => rng.random_range(least..=numbers.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    fn left(content: &Content, fate: Fate) -> Vec<u8> {
        content.cut(fate, &mut StdRng::seed_from_u64(1)).bytes
    }

    #[test]
    fn what_was_synced_is_there_and_what_came_later_may_be() {
        let mut file = Content::durable(vec![1; 600]);
        file.write(0, 0, vec![2; 10], false);
        file.sync(1);
        file.write(1, 590, vec![3; 1_000], false);
        let lost = left(&file, Fate::Lost);
        assert_eq!((lost.len(), lost[0], lost[599]), (600, 2, 1));
        let kept = left(&file, Fate::Kept);
        assert_eq!((kept.len(), kept[589], kept[590]), (1_590, 1, 3));
        assert_eq!(kept, file.now());
        assert_eq!(left(&file, Fate::Until(1)), lost);
        assert_eq!(left(&file, Fate::Until(2)), kept);
    }

    #[test]
    fn sectors_are_lost_each_for_itself_and_never_in_part() {
        let mut file = Content::durable(vec![0; 8_192]);
        file.write(0, 0, vec![1; 8_192], false);
        file.write(1, 0, vec![2; 8_192], false);
        let torn = left(&file, Fate::Torn(0.3));
        let sectors: Vec<u8> = torn.chunks(512).map(|sector| sector[0]).collect();
        assert!(torn.chunks(512).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        assert!([0, 1, 2].iter().all(|version| sectors.contains(version)), "{sectors:?}");
    }

    #[test]
    fn a_write_that_is_durable_by_itself_is_kept_and_nothing_else_for_it() {
        let mut file = Content::durable(Vec::new());
        file.write(0, 1_024, vec![1; 512], false);
        file.write(1, 0, vec![2; 512], true);
        assert_eq!(left(&file, Fate::Lost), [2; 512]);
        file.write(2, 2_048, vec![3; 512], true);
        let lost = left(&file, Fate::Lost);
        // Below the length that the second one needs, what was lost is zeros.
        assert_eq!((lost.len(), lost[1_024], lost[2_048]), (2_560, 0, 3));
    }

    #[test]
    fn what_is_cut_off_and_comes_back_is_zeros() {
        let mut file = Content::durable(vec![1; 1_000]);
        file.resize(0, 100);
        file.resize(1, 1_000);
        let kept = left(&file, Fate::Kept);
        assert_eq!((kept.len(), kept[99], kept[100]), (1_000, 1, 0));
        assert_eq!(left(&file, Fate::Lost), [1; 1_000]);
    }
}
