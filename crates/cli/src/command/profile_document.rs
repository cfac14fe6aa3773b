//! `latchkey profile lint` and `latchkey profile test`: documents on their author's machine, without a server.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use latchkey_server::profile_test::{
    Errors, Profile, lint as examine, lint_shared_hosts, profile_conflicts, run_examples,
};

use super::apply::files;
use crate::call::read_text;
use crate::exit::CliError;
use crate::output::{Tone, print, sanitize};

/// Says what is wrong with each document, and what is likely a mistake.
pub(super) fn lint(given: &[PathBuf], strict: bool) -> Result<(), CliError> {
    let (mut profiles, mut wrong, mut warned, mut reported) = (Vec::new(), 0_usize, 0_usize, String::new());
    for file in files(given)? {
        let text = read_text(&file)?;
        let sound = examine(&text).and_then(|sound| profile_conflicts(&text, &profiles).map(|()| sound));
        let (word, found) = match sound {
            Ok((profile, warnings)) => {
                profiles.push(profile);
                warned += warnings.len();
                ("warning", warnings)
            }
            Err(Errors(errors)) => {
                wrong += 1;
                ("error", errors)
            }
        };
        for one in found {
            let place = format!("{}:{}:{}", file.display(), one.line, one.column);
            let line = format!("{place}: {word}: {}: {}", one.field, one.message);
            let _ = writeln!(reported, "{}", sanitize(&line));
        }
    }
    for twice in lint_shared_hosts(&profiles) {
        warned += 1;
        let _ = writeln!(reported, "warning: {}", sanitize(&twice));
    }
    if !reported.is_empty() {
        print(&reported)?;
    }
    match wrong {
        0 if strict && warned > 0 => Err(CliError::Findings(2)),
        0 => print(&format!("{} in order", documents(profiles.len()))),
        _ => Err(CliError::Usage(format!("{} would be refused", documents(wrong)))),
    }
}

/// Runs every example of each document.
pub(super) async fn test(given: &[PathBuf]) -> Result<(), CliError> {
    let (mut run, mut failed, mut reported) = (0_usize, 0_usize, String::new());
    let folder = tempfile::Builder::new().prefix("latchkey-test-").tempdir()?;
    for (place, file) in files(given)?.into_iter().enumerate() {
        let text = read_text(&file)?;
        let profile = compile(&file, &text)?;
        for outcome in run_examples(&profile, &text, &folder.path().join(place.to_string())).await {
            run += 1;
            failed += usize::from(!outcome.failures.is_empty());
            let fine = outcome.failures.is_empty();
            let word = Tone::of(fine).paint(if fine { "ok" } else { "FAILED" });
            let _ = writeln!(
                reported,
                "{word}  {}: {}",
                sanitize(&file.display().to_string()),
                sanitize(&outcome.name)
            );
            for line in outcome.failures.iter().flat_map(|wrong| wrong.lines()) {
                let _ = writeln!(reported, "    {}", sanitize(line));
            }
        }
    }
    print(&format!("{reported}{run} examples, {failed} failed"))?;
    if failed == 0 { Ok(()) } else { Err(CliError::Local(format!("{failed} examples failed"))) }
}

fn compile(file: &Path, text: &str) -> Result<Profile, CliError> {
    let compiled = Profile::compile(text, 1);
    compiled.map_err(|errors| CliError::Usage(format!("{}:\n{errors}", file.display())))
}

fn documents(count: usize) -> String {
    if count == 1 { "1 document".to_owned() } else { format!("{count} documents") }
}
