//! `cargo xtask guide`: does what a guide says, in an empty folder.
//!
//! A block after a line that ends in "`path`:" is a file, and is written there. In a block of
//! `console`, lines that begin with `$ ` are commands, one shell for all of them; what follows is what
//! they print, as far as it stands there: `[…]` stands for anything within a line, and for any lines.
//! Whatever looks like the id of an approval is that of the one that is open.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};

/// What stands for whatever it may be.
const ANYTHING: &str = "[…]";
/// Letters and digits of an approval's id.
const APPROVAL_CHARS: usize = 26;

/// One thing that a guide has its reader do.
#[derive(Debug, PartialEq)]
enum Action {
    Write { path: String, text: String },
    Run { command: String, prints: Vec<String> },
}

/// Follows guides, each in a folder of its own, with the pawl that was built.
pub(crate) fn run(root: &Path, guides: &[PathBuf], pawl: &Path) -> Result<ExitCode> {
    let pawl = pawl.canonicalize().with_context(|| format!("there is no {}", pawl.display()))?;
    let build = tempfile::tempdir()?;
    for guide in guides {
        let text = fs::read_to_string(root.join(guide))
            .with_context(|| format!("{} cannot be read", guide.display()))?;
        let actions = actions(&text);
        ensure!(!actions.is_empty(), "{} has nothing to do", guide.display());
        let folder = tempfile::tempdir()?;
        let mut shell = Shell::new(folder.path(), &pawl, build.path())?;
        for action in &actions {
            shell.act(action).with_context(|| format!("{}: {action:?}", guide.display()))?;
        }
        println!("{}: {} steps, all as it says", guide.display(), actions.len());
    }
    Ok(ExitCode::SUCCESS)
}

/// What a guide has its reader do, in order.
fn actions(text: &str) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut lines = text.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.trim().is_empty() {
                before = line;
            }
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if language == "console" {
            actions.extend(commands(&block));
        } else if let Some(path) = before.strip_suffix("`:").and_then(|start| start.rsplit('`').next()) {
            actions.push(Action::Write { path: path.to_owned(), text: block.join("\n") + "\n" });
        }
        before = "";
    }
    actions
}

fn commands(block: &[&str]) -> Vec<Action> {
    let mut commands: Vec<Action> = Vec::new();
    for line in block {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => {
                commands.push(Action::Run { command: command.to_owned(), prints: Vec::new() });
            }
            (None, Some(Action::Run { prints, .. })) => prints.push((*line).to_owned()),
            (None, _) => {}
        }
    }
    commands
}

/// The reader's terminal.
struct Shell {
    folder: PathBuf,
    here: PathBuf,
    path: String,
    build: PathBuf,
}

impl Shell {
    fn new(folder: &Path, pawl: &Path, build: &Path) -> Result<Self> {
        let bin = pawl.parent().context("pawl is in no folder")?;
        let path = format!("{}:{}", bin.display(), env::var("PATH").unwrap_or_default());
        Ok(Self { folder: folder.join("end"), here: folder.to_owned(), path, build: build.to_owned() })
    }

    fn act(&mut self, action: &Action) -> Result<()> {
        match action {
            Action::Write { path, text } => {
                let path = self.here.join(path);
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                Ok(fs::write(path, text)?)
            }
            Action::Run { command, prints } => self.run(command, prints),
        }
    }

    fn run(&mut self, command: &str, prints: &[String]) -> Result<()> {
        let command = self.with_approval(command)?;
        println!("$ {command}");
        let (code, printed) =
            self.bash(&format!("{command}\ncode=$?\npwd > '{}'\nexit $code", self.folder.display()))?;
        // It says itself that it waits, or what is wrong, where a guide shows that.
        let may_fail = prints.iter().any(|line| line.starts_with("error:") || line.contains('✗'));
        ensure!(
            code == Some(0) || code == Some(3) || may_fail,
            "it ends with {code:?} and prints\n{printed}"
        );
        if let Err(missing) = matches(prints, &printed) {
            bail!("it does not print {missing:?}, but\n{printed}");
        }
        self.here = fs::read_to_string(&self.folder)?.trim_end().into();
        Ok(())
    }

    fn bash(&self, script: &str) -> Result<(Option<i32>, String)> {
        let output = Command::new("bash")
            .args(["-c", &format!("exec 2>&1\n{script}")])
            .current_dir(&self.here)
            .env("PATH", &self.path)
            // Two projects compile what they share once.
            .env("CARGO_BUILD_BUILD_DIR", &self.build)
            .env_remove("PAWL_DATA")
            .env_remove("CARGO_TARGET_DIR")
            .stdin(Stdio::null())
            .output()
            .context("bash cannot be started")?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// The command with the id of the approval that is open here.
    fn with_approval(&self, command: &str) -> Result<String> {
        let is_id = |word: &str| {
            word.len() == APPROVAL_CHARS && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        };
        if !command.split(' ').any(is_id) {
            return Ok(command.to_owned());
        }
        let (_, open) = self.bash("pawl approvals --json")?;
        let id =
            open.split('"').find(|word| is_id(word)).with_context(|| format!("nothing is open: {open}"))?;
        let words: Vec<_> = command.split(' ').map(|word| if is_id(word) { id } else { word }).collect();
        Ok(words.join(" "))
    }
}

/// Whether what was printed has the lines in their order; else the first that it lacks.
fn matches<'a>(expected: &'a [String], printed: &str) -> Result<(), &'a str> {
    let mut printed = printed.lines().map(str::trim_end);
    let mut may_skip = true;
    for line in expected {
        if line == ANYTHING {
            may_skip = true;
            continue;
        }
        let found = if may_skip {
            printed.any(|printed| is_like(line, printed))
        } else {
            printed.next().is_some_and(|printed| is_like(line, printed))
        };
        if !found {
            return Err(line);
        }
        may_skip = false;
    }
    Ok(())
}

/// Whether a line is one with `[…]` in it.
fn is_like(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.trim_end().split(ANYTHING);
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut ends_open = false;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        ends_open = part.is_empty();
    }
    rest.is_empty() || ends_open
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guide_is_read_as_its_reader_reads_it() {
        let text = "In `a/b.txt`:\n\n```text\none\n```\n\nFor you:\n```text\nnot a file\n```\n\
                    ```console\n$ first\nit says\n$ second\n```\n";
        let run = |command: &str, prints: &[&str]| Action::Run {
            command: command.to_owned(),
            prints: prints.iter().map(|line| (*line).to_owned()).collect(),
        };
        let write = Action::Write { path: "a/b.txt".to_owned(), text: "one\n".to_owned() };
        assert_eq!(actions(text), [write, run("first", &["it says"]), run("second", &[])]);
    }

    #[test]
    fn what_is_printed_is_compared_as_far_as_it_is_shown() {
        let cases = [
            (vec!["b"], true),
            (vec!["a", "b"], true),
            (vec!["a", "c 12 ms"], false),
            (vec!["a", ANYTHING, "c […] ms"], true),
            (vec!["c […]"], true),
            (vec!["c"], false),
            (vec!["b", "a"], false),
        ];
        for (expected, holds) in cases {
            let expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(matches(&expected, "a\nb\nc 12 ms\n").is_ok(), holds, "{expected:?}");
        }
    }
}
