//! The lines of a record, as strace writes them with `-f -y -xx`: texts and paths are hexadecimal, so
//! no comma or bracket stands in them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

/// A system call's text, and what stands behind it when it has ended.
#[derive(Debug)]
pub(super) struct Call {
    /// The thread.
    pub(super) thread: u32,
    /// `pwrite64`.
    pub(super) name: String,
    /// Its arguments.
    pub(super) arguments: Vec<Argument>,
}

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Argument {
    /// `5</path>`, the path of an open file.
    Descriptor(u32, Option<PathBuf>),
    /// A text, or several that are one write.
    Bytes(Vec<u8>),
    /// Anything else, as it stands.
    Word(String),
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// What it gave; -1 for an error.
    pub(super) value: i64,
    /// The path of the descriptor that it gave.
    pub(super) path: Option<PathBuf>,
    /// Whether strace gave this in the system's place: nothing was done.
    pub(super) injected: bool,
}

/// What a line says.
#[derive(Debug)]
pub(super) enum Said {
    /// A call begins, and ends later.
    Begun(Call),
    /// The call that this thread had begun has ended.
    Ended(u32, Outcome),
    /// A call that nothing came between.
    Whole(Call, Outcome),
    /// A thread is gone; what it had begun may have been done or not.
    Gone(u32),
    /// Nothing of interest.
    Nothing,
}

/// Texts of calls that have begun, by thread.
#[derive(Debug, Default)]
pub(super) struct Lines {
    open: HashMap<u32, String>,
}

impl Lines {
    /// Takes a line in.
    pub(super) fn read(&mut self, line: &str) -> Result<Said> {
        let (thread, rest) = line.split_once(' ').context("a thread")?;
        let thread: u32 = thread.parse().context("a thread")?;
        let text = rest.trim_start();
        if text.starts_with("+++") {
            self.open.remove(&thread);
            return Ok(Said::Gone(thread));
        }
        if text.starts_with("---") {
            return Ok(Said::Nothing);
        }
        if let Some(resumed) = text.strip_prefix("<... ") {
            let (_, behind) = resumed.split_once(" resumed>").context("a call that goes on")?;
            self.open.remove(&thread).context("a call that goes on, and never began")?;
            return Ok(outcome(behind)?.map_or(Said::Nothing, |outcome| Said::Ended(thread, outcome)));
        }
        let (name, behind) = text.split_once('(').context("a call")?;
        if let Some(begun) = behind.strip_suffix("<unfinished ...>") {
            self.open.insert(thread, name.to_owned());
            let arguments = arguments(begun.trim_end().trim_end_matches(','))?;
            return Ok(Said::Begun(Call { thread, name: name.to_owned(), arguments }));
        }
        let end = behind.rfind(" = ").context("a call's end")?;
        let inner = behind[..end].trim_end().strip_suffix(')').context("a call's end")?;
        let call = Call { thread, name: name.to_owned(), arguments: arguments(inner)? };
        Ok(match outcome(&behind[end..])? {
            Some(outcome) => Said::Whole(call, outcome),
            // It ended the thread, or the thread ended in it.
            None => Said::Begun(call),
        })
    }
}

/// What stands behind ` = `; nothing for a call that never ended.
fn outcome(text: &str) -> Result<Option<Outcome>> {
    let (_, text) = text.rsplit_once(" = ").context("an outcome")?;
    if text.starts_with('?') {
        return Ok(None);
    }
    let end = text.find([' ', '<']).unwrap_or(text.len());
    let value = match text[..end].strip_prefix("0x") {
        // Where memory was mapped is of no interest.
        Some(_) => 0,
        None => text[..end].parse().with_context(|| format!("an outcome, not '{text}'"))?,
    };
    let path = text[end..].starts_with('<').then(|| path(&text[end..])).transpose()?;
    Ok(Some(Outcome { value, path, injected: text.ends_with("(INJECTED)") }))
}

/// The path in `<\x2f…>`, with or without something behind it.
fn path(text: &str) -> Result<PathBuf> {
    let inner = text.strip_prefix('<').and_then(|text| text.split_once('>')).context("a path")?.0;
    // Pipes and sockets stand there as they are.
    if !inner.starts_with('\\') {
        return Ok(PathBuf::from(inner));
    }
    Ok(PathBuf::from(OsString::from_vec(hexadecimal(inner)?)))
}

/// The bytes of `\x61\x62`.
fn hexadecimal(text: &str) -> Result<Vec<u8>> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Ok(byte - b'0'),
        b'a'..=b'f' => Ok(byte - b'a' + 10),
        other => bail!("a hexadecimal digit, not byte {other}"),
    };
    ensure!(text.len().is_multiple_of(4), "a text in hexadecimal");
    let mut bytes = Vec::with_capacity(text.len() / 4);
    for part in text.as_bytes().chunks_exact(4) {
        bytes.push(digit(part[2])? << 4 | digit(part[3])?);
    }
    Ok(bytes)
}

/// The arguments between the brackets of a call.
fn arguments(text: &str) -> Result<Vec<Argument>> {
    let (mut found, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (one, behind) = argument(rest)?;
        found.push(one);
        rest = behind.strip_prefix(", ").unwrap_or(behind).trim_start();
    }
    Ok(found)
}

fn argument(text: &str) -> Result<(Argument, &str)> {
    if text.starts_with('"') {
        let (bytes, behind) = quoted(text)?;
        return Ok((Argument::Bytes(bytes), behind));
    }
    if text.starts_with("[{iov_base=") {
        return vectored(text);
    }
    // Anything else in brackets is of calls that are not looked at.
    let mut depth = 0_u32;
    let end = text.find(|letter| {
        match letter {
            '[' | '{' | '(' => depth += 1,
            ']' | '}' | ')' => depth = depth.saturating_sub(1),
            ',' => return depth == 0,
            _ => {}
        }
        false
    });
    let (word, behind) = text.split_at(end.unwrap_or(text.len()));
    if let Some((number, rest)) = word.split_once('<') {
        let path = path(&format!("<{rest}"))?;
        let gone = rest.ends_with("(deleted)");
        // `AT_FDCWD` has no number, and a path all the same.
        let number = number.parse().unwrap_or(u32::MAX);
        return Ok((Argument::Descriptor(number, (!gone).then_some(path)), behind));
    }
    Ok((Argument::Word(word.to_owned()), behind))
}

/// A text in quotes, and what stands behind it.
fn quoted(text: &str) -> Result<(Vec<u8>, &str)> {
    let inner = text.strip_prefix('"').context("a text")?;
    let (inner, behind) = inner.split_once('"').context("the end of a text")?;
    ensure!(
        !behind.starts_with("..."),
        "a write is longer than {STRING_MAX} bytes",
        STRING_MAX = inner.len() / 4
    );
    Ok((hexadecimal(inner)?, behind))
}

/// The bytes of `[{iov_base="…", iov_len=1}, …]`, one after the other.
fn vectored(text: &str) -> Result<(Argument, &str)> {
    let (mut bytes, mut rest) = (Vec::new(), text.strip_prefix('[').context("a list")?);
    loop {
        let inner = rest.strip_prefix("{iov_base=").context("a piece of a write")?;
        let (piece, behind) = quoted(inner)?;
        bytes.extend(piece);
        let (_, behind) = behind.split_once('}').context("the end of a piece")?;
        match behind.strip_prefix(", ") {
            Some(next) => rest = next,
            None => {
                return Ok((Argument::Bytes(bytes), behind.strip_prefix(']').context("the end of a list")?));
            }
        }
    }
}

impl Call {
    fn argument(&self, at: usize) -> Result<&Argument> {
        self.arguments.get(at).with_context(|| format!("argument {at} of {}", self.name))
    }

    /// An open file: its number, and its path if it has one.
    pub(super) fn descriptor(&self, at: usize) -> Result<(u32, Option<&Path>)> {
        match self.argument(at)? {
            Argument::Descriptor(number, path) => Ok((*number, path.as_deref())),
            // Closed already, or never open.
            _ => Ok((u32::MAX, None)),
        }
    }

    /// Bytes.
    pub(super) fn bytes(&mut self, at: usize) -> Result<Vec<u8>> {
        match self.arguments.get_mut(at) {
            Some(Argument::Bytes(bytes)) => Ok(std::mem::take(bytes)),
            other => bail!("bytes of {}, not {other:?}", self.name),
        }
    }

    /// A number.
    pub(super) fn number(&self, at: usize) -> Result<u64> {
        self.word(at)?.parse().with_context(|| format!("a number of {}", self.name))
    }

    /// A word as it stands; an empty one where there is something else.
    pub(super) fn word(&self, at: usize) -> Result<&str> {
        Ok(match self.argument(at)? {
            Argument::Word(word) => word,
            _ => "",
        })
    }

    /// A path that is an argument, under the folder that is the argument before it, if there is one.
    pub(super) fn path(&self, folder: Option<usize>, at: usize) -> Result<PathBuf> {
        let Argument::Bytes(bytes) = self.argument(at)? else { bail!("a path of {}", self.name) };
        let path = PathBuf::from(OsString::from_vec(bytes.clone()));
        if path.is_absolute() {
            return Ok(path);
        }
        let folder = folder.map(|at| self.descriptor(at)).transpose()?.and_then(|(_, path)| path);
        let folder = folder.with_context(|| format!("{} {} has no folder", self.name, path.display()))?;
        Ok(folder.join(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(line: &str) -> Result<(Call, Outcome)> {
        match Lines::default().read(line)? {
            Said::Whole(call, outcome) => Ok((call, outcome)),
            other => bail!("{other:?}"),
        }
    }

    #[test]
    fn a_write_has_its_bytes_its_file_and_its_place() -> Result<()> {
        let (mut call, outcome) = whole(r#"12  pwrite64(3<\x2f\x67>, "\x61\x00\xff", 3, 5) = 3"#)?;
        assert_eq!(call.thread, 12);
        assert_eq!(call.descriptor(0)?, (3, Some(Path::new("/g"))));
        assert_eq!(call.bytes(1)?, [b'a', 0, 255]);
        assert_eq!((call.number(3)?, outcome.value, outcome.injected), (5, 3, false));
        let (mut call, _) = whole(
            r#"12  pwritev(3<\x2f\x67>, [{iov_base="\x78", iov_len=1}, {iov_base="\x79\x7a", iov_len=2}], 2, 9) = 3"#,
        )?;
        assert_eq!((call.bytes(1)?, call.number(3)?), (b"xyz".to_vec(), 9));
        Ok(())
    }

    #[test]
    fn a_call_that_others_come_between_begins_and_ends() -> Result<()> {
        let mut lines = Lines::default();
        let begun = lines.read(r"12 fdatasync(3<\x2f\x67> <unfinished ...>")?;
        assert!(matches!(begun, Said::Begun(call) if call.name == "fdatasync"));
        let other = lines.read(r"13 fsync(4<\x2f\x68>) = -1 EIO (Input/output error) (INJECTED)")?;
        assert!(matches!(other, Said::Whole(_, Outcome { value: -1, injected: true, .. })));
        let ended = lines.read("12 <... fdatasync resumed>) = 0")?;
        assert!(matches!(ended, Said::Ended(12, Outcome { value: 0, .. })));
        Ok(())
    }

    #[test]
    fn what_cannot_be_read_whole_is_refused() {
        for line in [
            r#"12 write(3<\x2f\x67>, "\x61"..., 300) = 300"#,
            r#"12 write(3<\x2f\x67>, "abc", 3) = 3"#,
            "12 <... write resumed>) = 3",
            "twelve",
        ] {
            Lines::default().read(line).expect_err(line);
        }
    }
}
