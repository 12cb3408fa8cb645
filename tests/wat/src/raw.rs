//! WebAssembly byte by byte, for what is too large to be written as text.

/// How a component begins.
pub const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// How a core module begins.
pub const MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// The id of a section of a component that holds a module.
pub const MODULES: u8 = 1;
/// And of one that holds a component.
pub const COMPONENTS: u8 = 4;

fn length(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while length > 0x7f {
        bytes.push(u8::try_from(length & 0x7f).unwrap() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap());
    bytes
}

/// A section of a module or a component.
pub fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [&[id], length(body.len()).as_slice(), body].concat()
}

/// A module of so many functions, each with so many instructions.
pub fn functions(count: usize, instructions: usize) -> Vec<u8> {
    // No locals, `nop`s, and the end.
    let body = [&[0][..], &vec![1; instructions], &[0x0b]].concat();
    let code = [length(body.len()), body].concat();
    let types = section(1, &[1, 0x60, 0, 0]);
    let of = section(3, &[length(count), vec![0; count]].concat());
    let code = section(10, &[length(count), code.repeat(count)].concat());
    [MODULE, &types, &of, &code].concat()
}

/// A module whose one segment of data has so many bytes.
pub fn data(bytes: usize) -> Vec<u8> {
    let pages = bytes / 65_536 + 1;
    let memory = section(5, &[&[1, 0][..], &length(pages)].concat());
    let offset = [0, 0x41, 0, 0x0b];
    let segment = section(11, &[&[1][..], &offset, &length(bytes), &vec![7; bytes]].concat());
    [MODULE, &memory, &segment].concat()
}

/// A component of so many modules or components.
pub fn component(id: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let sections = parts.iter().map(|part| section(id, part));
    [COMPONENT.to_vec(), sections.collect::<Vec<_>>().concat()].concat()
}
