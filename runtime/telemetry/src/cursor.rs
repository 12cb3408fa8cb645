//! How far each run was sent, in a file beside the store.
//!
//! Lines are only added, each when the collector has taken what it stands for: `RUN SEQ`, `RUN SEQ end` for a run
//! that is over, and `since MS`, before which no run was begun that is not known. A process that dies leaves all lines that it
//! wrote. They are not forced to the disk: after a power cut some spans may be sent again, with the ids that they had.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use pawl_core::{RunId, Timestamp};

/// How many lines the file has before it is written anew, beyond four for each run that is known.
pub const CURSOR_LINES_MAX: usize = 10_000;

/// How far a run was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// All spans that end with an event up to this seq.
    UpTo(u64),
    /// All, up to the end of the run, which this event is.
    End(u64),
}

/// How far each run was sent.
#[derive(Debug)]
pub(crate) struct Cursor {
    known: HashMap<RunId, Sent>,
    /// When runs were begun that are known or were sent whole.
    since: Timestamp,
    /// Nowhere, where nothing is kept.
    file: Option<(PathBuf, File)>,
    lines: usize,
}

impl Cursor {
    /// Reads the file, or begins one: runs that ended before are not sent then.
    pub(crate) fn open(path: Option<&Path>, now: Timestamp) -> io::Result<Self> {
        let mut cursor = Self { known: HashMap::new(), since: now, file: None, lines: 0 };
        let Some(path) = path else { return Ok(cursor) };
        match std::fs::read_to_string(path) {
            Ok(text) => text.lines().for_each(|line| cursor.take(line)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        cursor.write_anew(path)?;
        Ok(cursor)
    }

    /// Takes in a line; one that was cut off says nothing.
    fn take(&mut self, line: &str) {
        let Some((what, how_far)) = line.split_once(' ') else { return };
        match (what, what.parse(), how_far.parse()) {
            ("since", _, Ok(ms)) => self.since = Timestamp(ms),
            (_, Ok(run), Ok(seq)) => drop(self.known.insert(run, Sent::UpTo(seq))),
            (_, Ok(run), _) => {
                let ended = how_far.strip_suffix(" end").and_then(|seq| seq.parse().ok());
                self.known.extend(ended.map(|seq| (run, Sent::End(seq))));
            }
            _ => {}
        }
    }

    /// How far a run was sent; nothing where that is not known.
    pub(crate) fn sent(&self, run: RunId) -> Option<Sent> {
        self.known.get(&run).copied()
    }

    /// No run that was begun before is unknown unless it was sent whole, or came before all this.
    pub(crate) const fn since(&self) -> Timestamp {
        self.since
    }

    /// The runs that are known not to be over.
    pub(crate) fn unfinished(&self) -> Vec<RunId> {
        self.known.iter().filter(|(_, sent)| matches!(sent, Sent::UpTo(_))).map(|(run, _)| *run).collect()
    }

    /// Notes how far runs were sent, and since when all are known.
    pub(crate) fn mark(
        &mut self,
        sent: impl Iterator<Item = (RunId, Sent)>,
        since: Option<Timestamp>,
    ) -> io::Result<()> {
        let mut text = String::new();
        for (run, sent) in sent {
            self.known.insert(run, sent);
            self.lines += 1;
            text.push_str(&line(run, sent));
        }
        if let Some(since) = since.filter(|since| *since > self.since) {
            self.since = since;
            self.lines += 1;
            let _ = writeln!(text, "since {}", since.0);
        }
        if text.is_empty() {
            return Ok(());
        }
        let Some((path, file)) = &mut self.file else {
            self.forget();
            return Ok(());
        };
        if self.lines > CURSOR_LINES_MAX + 4 * self.known.len() {
            let path = path.clone();
            return self.write_anew(&path);
        }
        // In one piece, so that a line is not torn by a process that dies.
        file.write_all(text.as_bytes())
    }

    /// Lets go of a run that is not there any more.
    pub(crate) fn remove(&mut self, run: RunId) {
        self.known.remove(&run);
    }

    /// Lets go of runs that are over and will not be looked for.
    fn forget(&mut self) {
        let since = self.since;
        self.known.retain(|run, sent| matches!(sent, Sent::UpTo(_)) || begun_at(*run) >= since);
    }

    fn write_anew(&mut self, path: &Path) -> io::Result<()> {
        self.forget();
        let mut text = format!("since {}\n", self.since.0);
        self.known.iter().for_each(|(run, sent)| text.push_str(&line(*run, *sent)));
        self.lines = self.known.len() + 1;
        let beside = path.with_extension("new");
        std::fs::write(&beside, text)?;
        std::fs::rename(&beside, path)?;
        let file = OpenOptions::new().append(true).open(path)?;
        self.file = Some((path.to_owned(), file));
        Ok(())
    }
}

fn line(run: RunId, sent: Sent) -> String {
    match sent {
        Sent::UpTo(seq) => format!("{run} {seq}\n"),
        Sent::End(seq) => format!("{run} {seq} end\n"),
    }
}

/// When a run was begun: its id begins with that.
pub(crate) fn begun_at(run: RunId) -> Timestamp {
    let time = &run.as_bytes()[..6];
    Timestamp(time.iter().fold(0, |ms, byte| ms << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(begun: u64) -> RunId {
        RunId::at(Timestamp(begun), 7)
    }

    #[test]
    fn what_was_noted_is_known_to_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent");
        let mut cursor = Cursor::open(Some(&path), Timestamp(50)).unwrap();
        let sent = [(run(10), Sent::UpTo(7)), (run(20), Sent::End(8)), (run(90), Sent::End(9))];
        cursor.mark(sent.into_iter(), Some(Timestamp(60))).unwrap();
        drop(cursor);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"0000").unwrap();
        let cursor = Cursor::open(Some(&path), Timestamp(1_000)).unwrap();
        assert_eq!(cursor.since(), Timestamp(60));
        assert_eq!(cursor.unfinished(), [run(10)]);
        // One that is over and was begun before is nobody's concern any more.
        let known = [10, 20, 90].map(|begun| cursor.sent(run(begun)));
        assert_eq!(known, [Some(Sent::UpTo(7)), None, Some(Sent::End(9))]);
    }

    #[test]
    fn the_file_does_not_grow_without_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent");
        let mut cursor = Cursor::open(Some(&path), Timestamp(0)).unwrap();
        for seq in 0..CURSOR_LINES_MAX as u64 + 100 {
            cursor.mark([(run(10), Sent::UpTo(seq))].into_iter(), None).unwrap();
        }
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 200, "{lines}");
        assert_eq!(begun_at(run(10)), Timestamp(10));
    }
}
