//! Files that a workflow or an operator names.
//!
//! Its author chose the path, so what is there may be anything: a pipe that never ends, a device, a
//! file that fills the memory. Only files are opened, and only so much of them is read.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The longest text: a workflow or a manifest. What a workflow may have is less.
pub(crate) const TEXT_MAX_BYTES: u64 = 1 << 20;

/// The bytes of a file, at most so many.
pub(crate) fn read(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let about = path.metadata()?;
    if !about.is_file() && !about.is_dir() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(io::Error::other(format!("it is longer than {max_bytes} bytes")));
    }
    Ok(bytes)
}

/// The text of a file of at most 1 MiB. What is no file, a pipe or a device, is not opened.
pub fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(read(path, TEXT_MAX_BYTES)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_or_too_long_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().to_string(), "it is longer than 4 bytes");
        // It would be read for ever.
        assert_eq!(read(Path::new("/dev/zero"), 4).unwrap_err().to_string(), "it is not a file");
        assert!(read(folder.path(), 4).is_err());
        std::fs::write(&path, vec![b' '; usize::try_from(TEXT_MAX_BYTES).unwrap()]).unwrap();
        assert!(read_text(&path).is_ok());
        std::fs::write(&path, vec![b' '; usize::try_from(TEXT_MAX_BYTES).unwrap() + 1]).unwrap();
        assert!(read_text(&path).is_err());
    }
}
