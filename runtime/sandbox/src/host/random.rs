//! `random`: a sequence that follows from the attempt's seed.
//!
//! Block n is SHA-256 of the seed, the sequence's name and n. This never changes: replays of old
//! runs depend on it. Not for secrets.

use std::convert::Infallible;

use pawl_core::Digest;

use crate::bindings::host::random::Host;
use crate::state::HostState;

impl Host for HostState {
    fn next(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.draw())
    }
}

/// Numbers that follow from a seed and a name.
#[derive(Debug)]
pub(crate) struct Sequence {
    seed: [u8; 32],
    name: &'static str,
    /// The next block's number.
    next: u64,
    block: [u8; 32],
    /// How many bytes of the block are used up.
    used: usize,
}

impl Sequence {
    pub(crate) const fn new(seed: [u8; 32], name: &'static str) -> Self {
        Self { seed, name, next: 0, block: [0; 32], used: 32 }
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    fn fill(&mut self, target: &mut [u8]) {
        for byte in target {
            if self.used == self.block.len() {
                let parts: [&[u8]; 3] = [&self.seed, self.name.as_bytes(), &self.next.to_le_bytes()];
                self.block = *Digest::of_parts(&parts).as_bytes();
                self.next += 1;
                self.used = 0;
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }

    pub(crate) fn draw(&mut self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    pub(crate) fn draw_wide(&mut self) -> u128 {
        u128::from_le_bytes(self.bytes())
    }
}

impl rand_core::TryRng for Sequence {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_le_bytes(self.bytes()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.draw())
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Infallible> {
        self.fill(target);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_frozen() {
        let mut sequence = Sequence::new([7; 32], "pawl:plugin/random");
        let drawn: Vec<u64> = (0..5).map(|_| sequence.draw()).collect();
        assert_eq!(drawn, FROZEN, "replays of old runs depend on these numbers");
    }

    /// Computed independently, with Python's hashlib.
    const FROZEN: [u64; 5] = [
        5_552_025_942_457_202_759,
        6_063_423_787_284_024_652,
        15_948_124_927_059_525_479,
        14_491_086_652_746_606_411,
        6_147_166_246_468_864_885,
    ];
}
