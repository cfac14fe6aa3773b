//! A process that a test started: its signals, its output, its exit status.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Folder, eventually, reaper};

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

    /// Sends a signal, if the process still runs. Returns after SIGSTOP when the process does nothing any more.
    pub fn signal(&mut self, signal: Signal) {
        if self.ended().is_some() {
            return;
        }
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process has a number");
        kill_process(pid, signal).expect("a child can be sent a signal");
        if signal == Signal::STOP {
            wait_until_stopped(pid);
        }
    }

    /// Waits until the process ends.
    pub fn wait(&mut self) -> ExitStatus {
        let what = format!("process {} ends", self.pid());
        eventually(&what, || self.ended())
    }

    /// Sends a signal and waits until the process ends.
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.wait()
    }
}

/// Waits until every thread of a process has stopped, or the process has ended. A signal has an effect on a running thread
/// only when the kernel looks at that thread the next time.
pub(crate) fn wait_until_stopped(pid: Pid) {
    let pid = pid.as_raw_nonzero();
    eventually(&format!("process {pid} stops"), || {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Some(()) };
        let runs = |stat: &str| {
            // The state follows the name, which is in brackets and may contain any character.
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            state.is_some_and(|state| !"TtZX".contains(state))
        };
        let stats = threads.flatten().map(|thread| std::fs::read_to_string(thread.path().join("stat")));
        (!stats.flatten().any(|stat| runs(&stat))).then_some(())
    });
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end(Signal::KILL);
    }
}
