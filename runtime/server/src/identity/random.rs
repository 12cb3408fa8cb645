//! Secrets: made of the system's randomness, compared in constant time.

use ring::rand::{SecureRandom as _, SystemRandom};

use super::IdentityError;

/// Bytes that nobody can guess.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], IdentityError> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| IdentityError::Randomness)?;
    Ok(bytes)
}

/// Whether two digests are the same, in a time that says nothing of where they differ.
pub(crate) fn same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let difference =
        one.iter().zip(other).fold(0, |sum, (one, other)| std::hint::black_box(sum | (one ^ other)));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_same_only_in_every_bit() {
        let bytes = random_bytes::<32>().unwrap();
        assert!(same(&bytes, &bytes));
        for bit in 0..256 {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!same(&bytes, &other), "{bit}");
        }
    }
}
