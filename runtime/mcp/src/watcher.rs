//! What ends the servers of a pawl that was killed and could not do it itself.
//!
//! A process cannot look after its own end, and a child that is tied to it by the system needs `unsafe` code between
//! `fork` and `exec`. So a shell stands beside it: it is told each process group that begins and ends, over a pipe
//! that nobody else has, and when the pipe ends without a word it ends what is left. There is one for all servers.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::{Child, Command, Stdio};

/// How long servers have to end by themselves, in seconds: their input has ended by then, and they were told to.
const GRACE_S: u32 = 2;

/// Reads `+ GROUP` and `- GROUP`; at the end it ends the groups that are left.
const SCRIPT: &str = r#"
groups=" "
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
  esac
done
left=
for group in $groups; do kill -s TERM -- "-$group" && left=yes; done
[ -n "$left" ] || exit 0
sleep "$1"
for group in $groups; do kill -s KILL -- "-$group"; done
"#;

/// The shell, where one could be started.
#[derive(Debug, Default)]
pub(crate) struct Watcher(Option<Child>);

impl Watcher {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// Tells it of a group that has begun; `all` are those that run, this one among them.
    pub(crate) fn begun(&mut self, group: i32, all: &BTreeSet<i32>) {
        if self.tell(&format!("+ {group}\n")).is_ok() {
            return;
        }
        // There is none yet, or somebody has ended it.
        self.0 = None;
        let told = start().and_then(|child| {
            self.0 = Some(child);
            all.iter().try_for_each(|group| self.tell(&format!("+ {group}\n")))
        });
        if let Err(error) = told {
            tracing::warn!("no shell looks after the MCP servers, should pawl be killed: {error}");
        }
    }

    /// Tells it that a group is gone.
    pub(crate) fn ended(&mut self, group: i32) {
        // One that is gone itself knows of no group.
        let _ = self.tell(&format!("- {group}\n"));
    }

    fn tell(&mut self, lines: &str) -> io::Result<()> {
        let stdin = self.0.as_mut().and_then(|child| child.stdin.as_mut());
        stdin.ok_or(io::ErrorKind::NotFound)?.write_all(lines.as_bytes())
    }
}

fn start() -> io::Result<Child> {
    use std::os::unix::process::CommandExt as _;
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT, "sh", &GRACE_S.to_string()]).env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    // A signal from the terminal is not for it, and it holds nothing of pawl's open.
    command
        .process_group(0)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};

    fn stubborn() -> (Child, i32) {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]);
        let mut child = command.process_group(0).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = [0; 6];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        let group = i32::try_from(child.id()).unwrap();
        (child, group)
    }

    #[test]
    fn what_is_left_when_pawl_is_gone_is_ended_however_stubborn_and_nothing_else() {
        let (mut gone, gone_group) = stubborn();
        let (mut left, left_group) = stubborn();
        let mut watcher = Watcher::new();
        watcher.begun(gone_group, &BTreeSet::from([gone_group]));
        watcher.begun(left_group, &BTreeSet::from([gone_group, left_group]));
        watcher.ended(gone_group);
        // The pipe ends as it does when the process that holds it is killed.
        let mut shell = watcher.0.take().unwrap();
        drop(shell.stdin.take());
        assert_eq!(left.wait().unwrap().signal(), Some(9));
        shell.wait().unwrap();
        assert!(gone.try_wait().unwrap().is_none(), "a group that it was told is gone is none of its own");
        gone.kill().unwrap();
        gone.wait().unwrap();
    }

    #[test]
    fn a_shell_that_was_ended_is_started_again() {
        let (mut left, group) = stubborn();
        let mut watcher = Watcher::new();
        watcher.begun(0, &BTreeSet::new());
        let mut shell = watcher.0.take().unwrap();
        shell.kill().unwrap();
        shell.wait().unwrap();
        watcher.0 = Some(shell);
        watcher.begun(group, &BTreeSet::from([group]));
        let mut shell = watcher.0.take().unwrap();
        drop(shell.stdin.take());
        assert_eq!(left.wait().unwrap().signal(), Some(9));
        shell.wait().unwrap();
    }
}
