//! What a person sees and does on a terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::Child;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use rustix::process::{Pid, Signal, kill_process};

use crate::home::{Home, workflow};

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A command on a terminal of its own.
pub(crate) struct Terminal {
    child: Child,
    /// The person's side.
    keys: File,
    /// The command's side.
    tty: File,
    heard: Receiver<Vec<u8>>,
    /// What was shown since the words that were waited for.
    shown: String,
}

impl Terminal {
    pub(crate) fn new(home: &Home, args: &[&str]) -> Self {
        let size = Winsize { ws_row: 50, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
        let OpenptyResult { master, slave } = openpty(Some(&size), None).unwrap();
        let (keys, tty) = (File::from(master), File::from(slave));
        let mut command = home.command(args);
        command.env("TERM", "xterm");
        command
            .stdin(tty.try_clone().unwrap())
            .stdout(tty.try_clone().unwrap())
            .stderr(tty.try_clone().unwrap());
        let child = command.spawn().unwrap();
        let mut screen = keys.try_clone().unwrap();
        let (tell, heard) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                if tell.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, tty, heard, shown: String::new() }
    }

    /// Waits until these words are shown, and forgets what was shown before.
    pub(crate) fn shows(&mut self, words: &str) {
        loop {
            if let Some(at) = self.shown.find(words) {
                self.shown.drain(..at + words.len());
                return;
            }
            match self.heard.recv_timeout(PATIENCE) {
                Ok(bytes) => self.shown.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("'{words}' is not shown ({error}): {}", self.shown),
            }
        }
    }

    pub(crate) fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Whether the terminal shows what is typed, line by line, as it does for a shell.
    fn is_as_before(&self) -> bool {
        tcgetattr(&self.tty).unwrap().local_flags.contains(LocalFlags::ECHO | LocalFlags::ICANON)
    }

    pub(crate) fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

fn refund(home: &Home) -> Terminal {
    let file = workflow("refund.yaml");
    let inputs = workflow("inputs/refund.json");
    Terminal::new(home, &["run", &file, "--input-file", &inputs])
}

#[test]
fn a_question_is_answered_at_once() {
    let home = Home::new();
    let mut terminal = refund(&home);
    terminal.shows("Refund 40 EUR for order A-1001?");
    terminal.shows("Answer?");
    terminal.types("\r");
    terminal.shows("note:");
    terminal.types("well done\r");
    terminal.shows("A note from our team: well done");
    assert_eq!(terminal.code(), Some(0));
    assert!(terminal.is_as_before());
    assert_eq!(home.json(&["runs"])[0]["outputs"]["decision"], "approve");
}

#[test]
fn a_question_is_left_open() {
    let home = Home::new();
    let mut terminal = refund(&home);
    terminal.shows("Answer?");
    // Up from the first choice is the last.
    terminal.types("\u{1b}[A\r");
    terminal.shows("answer with one of:");
    assert_eq!(terminal.code(), Some(3));
    home.approval();
}

#[test]
fn a_question_that_another_has_answered_is_not_asked_again() {
    let home = Home::new();
    let mut terminal = refund(&home);
    terminal.shows("Answer?");
    let approval = home.approval();
    let said = home.pawl(&["reject", &approval, "--data", "note=too late", "--no-wait"]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    terminal.types("\r");
    terminal.shows("note:");
    terminal.types("well done\r");
    terminal.shows("decided before");
    terminal.shows("A note from our team: too late");
    assert_eq!(terminal.code(), Some(0));
    assert_eq!(home.json(&["runs"])[0]["outputs"]["decision"], "reject");
}

#[test]
fn a_question_is_ended_by_a_signal() {
    let home = Home::new();
    let mut terminal = refund(&home);
    terminal.shows("Answer?");
    assert!(!terminal.is_as_before());
    terminal.types("\u{3}");
    terminal.shows("go on with:");
    assert_eq!(terminal.code(), Some(130));
    assert!(terminal.is_as_before());
    let mut terminal = Terminal::new(&home, &["resume", &home.newest()]);
    terminal.shows("Answer?");
    kill_process(Pid::from_child(&terminal.child), Signal::TERM).unwrap();
    terminal.shows("go on with:");
    assert_eq!(terminal.code(), Some(143));
    assert!(terminal.is_as_before());
}

/// A terminal takes some characters for commands.
const HOSTILE: &str = "\
pawl: 1
workflow: hostile
version: 1.0.0
steps:
  - id: ask
    human:
      title: \"Go\\e[2J on?\"
      to: [\"group:\\u009b1A\"]
      actions: [go, stay]
      form: { note: { enum: [\"a\\e[2J\", \"b\\u009b2J\"] } }
      subject: { \"key\\u007f\\u009b\": \"\\e[2J\" }
      due: 48h
      on_timeout: stay
";

#[test]
fn nothing_that_others_wrote_is_a_command_to_the_terminal() {
    let home = Home::new();
    home.write("hostile.yaml", HOSTILE);
    let said = home.pawl(&["run", "hostile.yaml"]);
    assert_eq!(said.code, Some(3), "{}", said.show());
    let run = home.newest();
    let commands: [&[&str]; 6] = [
        &["approvals"],
        &["approvals", "--json"],
        &["show", &run],
        &["show", &run, "--json"],
        &["events", &run],
        &["events", &run, "--json"],
    ];
    for said in commands.iter().map(|args| home.pawl(args)).chain([said]) {
        for text in [&said.stdout, &said.stderr] {
            assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        }
    }
    let mut terminal = Terminal::new(&home, &["resume", &run]);
    terminal.shows("Answer?");
    terminal.types("\r");
    terminal.shows("note:");
    terminal.shows("b 2J");
    terminal.types("\r");
    terminal.shows("✓ ask");
    assert_eq!(terminal.code(), Some(0));
    let decided = &home.json(&["events", &run])[3]["data"];
    assert_eq!(decided["data"]["inline"]["note"], "a\u{1b}[2J", "{decided}");
}
