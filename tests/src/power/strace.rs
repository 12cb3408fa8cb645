//! Running a command so that every write, sync and name of a file is written down, with all bytes, in order.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// The longest write that is recorded whole. A longer one makes the record unusable, which reading it says.
const STRING_MAX_BYTES: &str = "33554432";

/// Whatever can change a file or a folder, make a change durable, or move the place where the next is written.
const TRACED: &str = "trace=open,openat,openat2,creat,write,writev,pwrite64,pwritev,pwritev2,truncate,ftruncate,\
    fallocate,fsync,fdatasync,sync_file_range,msync,rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,\
    mkdirat,link,linkat,symlink,symlinkat,lseek,mmap,copy_file_range,sendfile,splice,io_uring_setup,exit_group";

/// What a command left.
#[derive(Debug)]
pub(super) struct Traced {
    /// How it ended.
    pub(super) status: ExitStatus,
    /// What it wrote to stdout.
    pub(super) stdout: String,
    /// What it wrote to stderr.
    pub(super) stderr: String,
}

/// Runs a command with its record in the file `trace`. `faults` are strace's: `fdatasync:retval=0`.
///
/// Fails where nothing can be recorded. A machine that forbids it must not pass for one on which all is well.
pub(super) fn record(command: &Command, trace: &Path, faults: &[&str]) -> Result<Traced> {
    let mut strace = Command::new("strace");
    strace.args(["-f", "--seccomp-bpf", "-y", "-xx", "-s", STRING_MAX_BYTES, "-e", TRACED]);
    for fault in faults {
        strace.args(["-e", &format!("inject={fault}")]);
    }
    strace.arg("-o").arg(trace).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        strace.current_dir(folder);
    }
    let output = match strace.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("strace is not there, and nothing can be recorded without it: apt-get install strace")
        }
        output => output.context("start strace")?,
    };
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    let length = trace.metadata().map_or(0, |metadata| metadata.len());
    ensure!(
        length > 0,
        "strace recorded nothing; it needs version 5.3 or later and the right to trace its children (ptrace), \
         which containers and `kernel.yama.ptrace_scope` may refuse: {stderr}"
    );
    Ok(Traced { status: output.status, stdout, stderr })
}
