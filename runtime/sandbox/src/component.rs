//! What a file is, before it is compiled.
//!
//! Only the outermost framing is read here, so that the common mistakes (a core module, text, a
//! cut-off file) get an answer of their own. Validation proper is wasmtime's.

use crate::SandboxError;

const MAGIC: &[u8] = b"\0asm";
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];
const HEADER_BYTES: usize = 8;

/// Refuses what cannot be a whole component.
pub(crate) fn check(bytes: &[u8], max_bytes: u64) -> Result<(), SandboxError> {
    let size = bytes.len() as u64;
    if size > max_bytes {
        return Err(SandboxError::TooLarge { size, limit: max_bytes });
    }
    if !bytes.starts_with(MAGIC) {
        return Err(foreign(bytes));
    }
    match bytes.get(MAGIC.len()..HEADER_BYTES) {
        None => Err(SandboxError::Truncated {
            what: "the header".into(),
            needed: HEADER_BYTES as u64,
            available: size,
        }),
        Some(COMPONENT) => sections(bytes),
        Some(CORE_MODULE) => Err(SandboxError::NotComponent {
            found: "a core module",
            hint: "link it with wasm-component-ld, or turn it into a component with `wasm-tools component new`",
        }),
        Some(_) => Err(SandboxError::NotComponent {
            found: "WebAssembly of an unknown version",
            hint: "rebuild it with a current toolchain",
        }),
    }
}

fn foreign(bytes: &[u8]) -> SandboxError {
    let (found, hint) = if bytes.is_empty() {
        ("an empty file", "build the plugin again")
    } else if MAGIC.starts_with(bytes) {
        ("the beginning of one", "copy or download the file again")
    } else if bytes.starts_with(b"\x7fELF") {
        ("native or precompiled code", "give the .wasm file itself; pawl compiles it and keeps the result")
    } else if bytes.trim_ascii_start().starts_with(b"(") {
        ("the text format", "assemble it with `wasm-tools parse`")
    } else {
        ("another kind of file", "give the .wasm file that the build wrote")
    };
    SandboxError::NotComponent { found, hint }
}

/// Walks over the sections; each says how long it is.
fn sections(bytes: &[u8]) -> Result<(), SandboxError> {
    let mut at = HEADER_BYTES;
    while at < bytes.len() {
        let section = at;
        let cut = |needed: u64, available: usize| SandboxError::Truncated {
            what: format!("the section at byte {section}"),
            needed,
            available: available as u64,
        };
        at += 1;
        let mut length = 0_u64;
        let mut shift = 0;
        loop {
            let byte = *bytes.get(at).ok_or_else(|| cut(2, bytes.len() - section))?;
            at += 1;
            length |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
            if shift > 28 {
                return Err(SandboxError::Invalid {
                    reason: format!("bad length of the section at byte {section}"),
                });
            }
        }
        let left = bytes.len() - at;
        at = match usize::try_from(length) {
            Ok(length) if length <= left => at + length,
            _ => return Err(cut(length, left)),
        };
    }
    Ok(())
}
