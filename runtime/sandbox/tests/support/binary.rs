//! WebAssembly by the byte, for components that are too large or too strange for the text format.

/// An unsigned number as WebAssembly writes it.
pub(crate) fn leb(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// Something with its length before it.
pub(crate) fn sized(bytes: &[u8]) -> Vec<u8> {
    [&leb(bytes.len()), bytes].concat()
}

/// A section, of a module or a component.
pub(crate) fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &sized(content)].concat()
}

/// Items with their number before them.
pub(crate) fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [leb(items.len()), items.concat()].concat()
}

/// The type of a function of so many numbers, which gives so many.
pub(crate) fn signature(params: usize, results: usize) -> Vec<u8> {
    const I32: u8 = 0x7f;
    [vec![0x60], leb(params), vec![I32; params], leb(results), vec![I32; results]].concat()
}

/// A module of functions, each with the number of its type, its locals and its code without the last `end`.
pub(crate) fn module(types: &[Vec<u8>], functions: &[(usize, usize, Vec<u8>)]) -> Vec<u8> {
    let indices: Vec<_> = functions.iter().map(|(of, ..)| leb(*of)).collect();
    let bodies: Vec<_> = functions
        .iter()
        .map(|(_, locals, code)| {
            let locals = if *locals == 0 { vec![0] } else { [vec![1], leb(*locals), vec![0x7f]].concat() };
            sized(&[&locals, code, &vec![0x0b]].map(Vec::as_slice).concat())
        })
        .collect();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &list(types)),
        section(3, &list(&indices)),
        section(10, &list(&bodies)),
    ]
    .concat()
}

/// A component that holds modules and does nothing with them.
pub(crate) fn component(modules: &[Vec<u8>]) -> Vec<u8> {
    let modules = modules.iter().flat_map(|module| section(1, module));
    b"\0asm\x0d\0\x01\0".iter().copied().chain(modules).collect()
}
