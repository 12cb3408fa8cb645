//! A data folder of its own for each test, and what the binary prints in it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take that a test waits for.
const PATIENCE: Duration = Duration::from_mins(3);

/// A folder in which the binary runs: `data` in it is the data folder.
pub(crate) struct Home {
    folder: TempDir,
}

/// What a command gave.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Compiled code is shared by all tests.
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
        // Whatever the umask is: where others could write, nothing is kept.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&cache).unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::create_dir(folder.path().join("cache-home")).unwrap();
        std::os::unix::fs::symlink(&cache, folder.path().join("data/cache")).unwrap();
        std::os::unix::fs::symlink(&cache, folder.path().join("cache-home/pawl")).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the data folder.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pawl"));
        // As if it were on the path.
        command.arg0("pawl").args(args).current_dir(self.folder.path());
        command.env("PAWL_DATA", "data").env("USER", "eve").env("COLUMNS", "100");
        command.env("XDG_CACHE_HOME", self.folder.path().join("cache-home"));
        command.env_remove("PAWL_VIA").env_remove("PAWL_SERVER").env_remove("PAWL_TOKEN");
        command.env_remove("XDG_RUNTIME_DIR").env_remove("PAWL_STORE").env_remove("PAWL_CONFIG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end, which must come.
    pub(crate) fn pawl(&self, args: &[&str]) -> Said {
        let child = self.command(args).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(child.wait_with_output().unwrap()));
        if let Ok(output) = told.recv_timeout(PATIENCE) {
            return output.into();
        }
        kill_process(pid, Signal::KILL).unwrap();
        panic!("{args:?} does not end: {}", Said::from(told.recv().unwrap()).show())
    }

    /// Runs a command and gives its document.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.push("--json");
        let said = self.pawl(&args);
        serde_json::from_str(&said.stdout).unwrap_or_else(|error| panic!("{error}: {}", said.show()))
    }

    /// The id of the one open approval.
    pub(crate) fn approval(&self) -> String {
        let open = self.json(&["approvals"]);
        assert_eq!(open.as_array().unwrap().len(), 1, "{open}");
        open[0]["id"].as_str().unwrap().to_owned()
    }

    /// The id of the newest run.
    pub(crate) fn newest(&self) -> String {
        self.json(&["runs"])[0]["id"].as_str().unwrap().to_owned()
    }

    /// Starts a command and waits until it holds the folder and says something with these words.
    pub(crate) fn holder(&self, args: &[&str], words: &str) -> Holder {
        held(self.command(args), words)
    }

    /// The same, where files get whatever mode a program asks for.
    pub(crate) fn loose_holder(&self, args: &[&str], words: &str) -> Holder {
        let pawl = self.command(args);
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_pawl")]).args(pawl.get_args());
        shell.envs(pawl.get_envs().filter_map(|(name, value)| Some((name, value?))));
        shell.env_remove("XDG_RUNTIME_DIR").current_dir(self.folder.path());
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        held(shell, words)
    }
}

/// Starts a command and waits until it says something with these words.
fn held(mut command: Command, words: &str) -> Holder {
    let mut child = command.spawn().unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let mut holder = Holder { child, stderr, heard: String::new() };
    holder.says(words);
    holder
}

/// A command that is under way.
pub(crate) struct Holder {
    pub(crate) child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    heard: String,
}

impl Holder {
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it as a debugger would; returns when none of its threads runs any more.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let tasks = format!("/proc/{}/task", self.child.id());
        until("every thread is stopped", || {
            std::fs::read_dir(&tasks).unwrap().all(|task| {
                let stat = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
                stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
            })
        });
    }

    /// Returns when it listens to signals: before that, they end it without a word.
    pub(crate) fn listens(&self) {
        let status = format!("/proc/{}/status", self.child.id());
        until("signals are listened to", || {
            let status = std::fs::read_to_string(&status).unwrap();
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
            let caught = u64::from_str_radix(caught.trim(), 16).unwrap();
            [Signal::INT, Signal::TERM].iter().all(|signal| caught & (1 << (signal.as_raw() - 1)) != 0)
        });
    }

    /// Goes on until it says something with these words.
    pub(crate) fn says(&mut self, words: &str) {
        while !self.heard.contains(words) {
            assert_ne!(self.stderr.read_line(&mut self.heard).unwrap(), 0, "it ended: {}", self.heard);
        }
    }

    /// What it has said so far.
    pub(crate) fn heard(&self) -> &str {
        &self.heard
    }

    /// Waits for its end.
    pub(crate) fn said(mut self) -> Said {
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        self.stderr.read_to_string(&mut self.heard).unwrap();
        let code = self.child.wait().unwrap().code();
        Said { code, stdout: called_ann(&stdout), stderr: called_ann(&self.heard) }
    }
}

/// It does not outlive its test.
impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Who runs the tests, as the system knows them.
pub(crate) fn me() -> String {
    let said = Command::new("id").arg("-un").output().unwrap();
    let name = String::from_utf8(said.stdout).unwrap();
    match name.trim() {
        "" => format!("uid-{}", rustix::process::geteuid().as_raw()),
        name => name.to_owned(),
    }
}

/// What was said, whoever runs the tests: they are called ann.
fn called_ann(text: &str) -> String {
    let mine = format!("user:{}", me());
    let mut parts = text.split(&mine);
    let first = parts.next().unwrap_or_default().to_owned();
    let goes_on = |rest: &str| rest.starts_with(|c: char| c.is_alphanumeric() || "-_".contains(c));
    parts.fold(first, |text, rest| text + if goes_on(rest) { &mine } else { "user:ann" } + rest)
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: called_ann(&String::from_utf8(output.stdout).unwrap()),
            stderr: called_ann(&String::from_utf8(output.stderr).unwrap()),
        }
    }
}

impl Said {
    /// Everything, for a snapshot.
    pub(crate) fn show(&self) -> String {
        let Self { code, stdout, stderr } = self;
        let code = code.map_or_else(|| "killed".to_owned(), |code| code.to_string());
        format!("exit: {code}\n----- stdout -----\n{stdout}\n----- stderr -----\n{stderr}")
    }
}

/// Waits until something holds.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until there is something.
pub(crate) fn eventually<T>(find: impl Fn() -> Option<T>) -> T {
    let found = std::cell::RefCell::new(None);
    until("it is there", || {
        *found.borrow_mut() = find();
        found.borrow().is_some()
    });
    found.into_inner().unwrap()
}

/// An instant so many seconds from now, as a workflow reads it.
pub(crate) fn in_seconds(seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = now + Duration::from_secs(seconds);
    pawl_core::Timestamp(u64::try_from(at.as_millis()).unwrap()).to_string()
}

/// Waits until an instant, then says something.
pub(crate) const PAUSE: &str = "\
pawl: 1
workflow: pause
version: 1.0.0
inputs:
  until: { type: string, default: \"2999-01-01T00:00:00Z\" }
steps:
  - id: pause
    wait: { until: \"${{ inputs.until }}\" }
  - id: done
    tool: echo.say
    with: { text: done }
outputs:
  text: ${{ steps.done.output.text }}
";

/// The real workflow of this name.
pub(crate) fn workflow(name: &str) -> String {
    format!("{}/../../workflows/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What differs from one time to the next.
pub(crate) const FILTERS: [(&str, &str); 15] = [
    (r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[run]"),
    (r"\b[0-9a-f]{64}\b", "[digest]"),
    (r"\b[0-9a-hjkmnp-tv-z]{26}\b", "[approval]"),
    (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "[time]"),
    (r"\b(\d+ ms|\d+\.\d s)\b", "[took]"),
    (r#""took_ms": \d+"#, r#""took_ms": 0"#),
    (r"\b[0-9a-f]{12}\b", "[short]"),
    (r"(?m)^[0-9a-f]{8} ", "[tail] "),
    (r"\bR-[0-9a-f]{3,16}", "[receipt]"),
    (r"process \d+", "process [pid]"),
    (r"\d+ KiB, on \w+", "[size], on [file system]"),
    // The components that ship with pawl are built anew now and then.
    (r"needs \d+ bytes and", "needs [size] bytes and"),
    (r"/\S*/\.\./\.\./workflows/", "workflows/"),
    (r"/\S*/cache-home/", "[cache]/"),
    // Tables are as wide as what they hold.
    (r"(\S) {2,}", "$1  "),
];

/// Compares with the snapshot of this name.
macro_rules! same {
    ($name:expr, $said:expr) => {
        insta::with_settings!({ filters => $crate::home::FILTERS, omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!($name, $said.show());
        })
    };
}
pub(crate) use same;
