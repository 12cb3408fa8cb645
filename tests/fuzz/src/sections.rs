//! Changes of a component by whole sections, so that what follows is still read as what it was.

use std::ops::Range;

use rand::RngExt as _;
use rand::rngs::StdRng;

/// Behind `\0asm` and the version.
const HEADER_BYTES: usize = 8;
/// The sections of a component that hold a module or a component.
const NESTED: [u8; 2] = [1, 4];

/// One section, with its id and its length.
#[derive(Debug, Clone)]
struct Section {
    id: u8,
    body: Vec<u8>,
}

/// The sections of what begins like WebAssembly; nothing where the framing is broken.
fn read(bytes: &[u8]) -> Option<Vec<Section>> {
    let mut rest = bytes.strip_prefix(b"\0asm")?.get(4..)?;
    let mut sections = Vec::new();
    while let Some((id, after)) = rest.split_first() {
        let (length, after) = read_length(after)?;
        let (body, after) = after.split_at_checked(length)?;
        sections.push(Section { id: *id, body: body.to_vec() });
        rest = after;
    }
    Some(sections)
}

fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0;
    for (place, byte) in bytes.iter().enumerate().take(5) {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some((length, &bytes[place + 1..]));
        }
    }
    None
}

fn write(header: &[u8], sections: &[Section]) -> Vec<u8> {
    let mut bytes = header.to_vec();
    for Section { id, body } in sections {
        bytes.push(*id);
        let mut left = body.len();
        while left > 0x7f {
            bytes.push(u8::try_from(left & 0x7f).unwrap_or_default() | 0x80);
            left >>= 7;
        }
        bytes.push(u8::try_from(left).unwrap_or_default());
        bytes.extend_from_slice(body);
    }
    bytes
}

/// Swaps, drops, doubles, nests or changes sections, at any depth; takes some of another input.
pub(crate) fn change(case: &mut Vec<u8>, other: &[u8], rng: &mut StdRng) {
    let (Some(mut sections), Some(header)) = (read(case), case.get(..HEADER_BYTES)) else { return };
    if sections.is_empty() {
        return;
    }
    let header = header.to_vec();
    let at = rng.random_range(0..sections.len());
    match rng.random_range(0..7) {
        0 => {
            let with = rng.random_range(0..sections.len());
            sections.swap(at, with);
        }
        1 => {
            sections.remove(at);
        }
        2 => {
            let doubled = vec![sections[at].clone(); rng.random_range(1..=40)];
            sections.splice(at..at, doubled);
        }
        3 => {
            if let Some(taken) = any(other, rng) {
                sections.insert(at, taken);
            }
        }
        // The whole within itself.
        4 => sections.push(Section { id: NESTED[1], body: case.clone() }),
        5 => {
            let body = &mut sections[at].body;
            let range = part(body.len(), rng);
            body.splice(range, [rng.random()]);
        }
        _ => {
            let nested: Vec<_> =
                (0..sections.len()).filter(|at| NESTED.contains(&sections[*at].id)).collect();
            if !nested.is_empty() {
                change(&mut sections[nested[rng.random_range(0..nested.len())]].body, other, rng);
            }
        }
    }
    *case = write(&header, &sections);
}

fn any(bytes: &[u8], rng: &mut StdRng) -> Option<Section> {
    let mut sections = read(bytes)?;
    if sections.is_empty() {
        return None;
    }
    Some(sections.swap_remove(rng.random_range(0..sections.len())))
}

fn part(length: usize, rng: &mut StdRng) -> Range<usize> {
    let start = rng.random_range(0..=length);
    start..(start + rng.random_range(0..=4)).min(length)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn what_is_read_is_written_the_same_and_changes_keep_the_framing() {
        let path = crate::project().join("tests/guests/crash.wasm");
        let component = std::fs::read(path).unwrap();
        let sections = read(&component).unwrap();
        assert!(sections.len() > 5);
        assert_eq!(write(&component[..HEADER_BYTES], &sections), component);
        let mut changed = 0;
        for seed in 0..100 {
            let mut case = component.clone();
            change(&mut case, &component, &mut StdRng::seed_from_u64(seed));
            assert!(read(&case).is_some(), "{seed}");
            changed += usize::from(case != component);
        }
        assert!(changed > 80, "{changed}");
        assert!(read(b"\0asm\x0d\0\x01\0\x01\x05").is_none());
    }
}
