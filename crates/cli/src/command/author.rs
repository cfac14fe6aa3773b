//! `latchkey profile lint` and `latchkey profile test`: documents on their author's machine, without a server.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use latchkey_server::authoring::{Errors, Profile, contested, lint as examine, lint_together, rehearse};

use super::apply::files;
use crate::call::read_text;
use crate::exit::Failure;
use crate::output::{Tone, clean, print};

/// Says what is wrong with each document, and what is likely a mistake.
pub(super) fn lint(given: &[PathBuf]) -> Result<(), Failure> {
    let (mut profiles, mut wrong, mut told) = (Vec::new(), 0_usize, String::new());
    for file in files(given)? {
        let text = read_text(&file)?;
        let sound = examine(&text).and_then(|sound| contested(&text, &profiles).map(|()| sound));
        let (word, found) = match sound {
            Ok((profile, warnings)) => {
                profiles.push(profile);
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
            let _ = writeln!(told, "{}", clean(&line));
        }
    }
    for twice in lint_together(&profiles) {
        let _ = writeln!(told, "warning: {}", clean(&twice));
    }
    if !told.is_empty() {
        print(&told)?;
    }
    match wrong {
        0 => print(&format!("{} in order", documents(profiles.len()))),
        _ => Err(Failure::Usage(format!("{} would be refused", documents(wrong)))),
    }
}

/// Runs every example of each document.
pub(super) async fn test(given: &[PathBuf]) -> Result<(), Failure> {
    let (mut run, mut failed, mut told) = (0_usize, 0_usize, String::new());
    let folder = tempfile::Builder::new().prefix("latchkey-test-").tempdir()?;
    for (place, file) in files(given)?.into_iter().enumerate() {
        let text = read_text(&file)?;
        let profile = compile(&file, &text)?;
        for outcome in rehearse(&profile, &text, &folder.path().join(place.to_string())).await {
            run += 1;
            failed += usize::from(!outcome.wrong.is_empty());
            let fine = outcome.wrong.is_empty();
            let word = Tone::of(fine).paint(if fine { "ok" } else { "FAILED" });
            let _ =
                writeln!(told, "{word}  {}: {}", clean(&file.display().to_string()), clean(&outcome.name));
            for line in outcome.wrong.iter().flat_map(|wrong| wrong.lines()) {
                let _ = writeln!(told, "    {}", clean(line));
            }
        }
    }
    print(&format!("{told}{run} examples, {failed} failed"))?;
    if failed == 0 { Ok(()) } else { Err(Failure::Local(format!("{failed} examples failed"))) }
}

fn compile(file: &Path, text: &str) -> Result<Profile, Failure> {
    let compiled = Profile::compile(text, 1);
    compiled.map_err(|errors| Failure::Usage(format!("{}:\n{errors}", file.display())))
}

fn documents(count: usize) -> String {
    if count == 1 { "1 document".to_owned() } else { format!("{count} documents") }
}
