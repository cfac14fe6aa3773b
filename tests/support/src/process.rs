//! A process that a test started: its signals, its output, its exit status.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::{Folder, eventually_for, reaper};

/// A running process; killed when it is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a command, whose output is appended to the file `NAME.log` in the folder.
    pub fn start(command: &mut Command, folder: &Folder, name: &str) -> Self {
        let output = folder.path().join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&output).expect("the log can be written");
        let errors = log.try_clone().expect("a file can be shared");
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        reaper::process(child.id());
        Self { child, output, ended: None }
    }

    /// Returns the process identifier.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the output so far.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.output).unwrap_or_default()).into_owned()
    }

    /// Returns the exit status, if the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("a child can be waited for");
            if self.ended.is_some() {
                reaper::ended(self.pid());
            }
        }
        self.ended
    }

    /// Sends a signal, if the process still runs.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_some() {
            return;
        }
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process has a number");
        kill_process(pid, signal).expect("a child can be sent a signal");
    }

    /// Waits until the process ends.
    pub fn wait(&mut self) -> ExitStatus {
        let what = format!("process {} ends", self.pid());
        eventually_for(&what, Duration::from_secs(30), || self.ended())
    }

    /// Sends a signal and waits until the process ends.
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(Signal::KILL);
    }
}
