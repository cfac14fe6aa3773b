//! `latchkey profile lint` and `latchkey profile test`: documents on their author's machine, without a server.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use latchkey_server::profile_test::{
    Errors, Profile, lint as examine, lint_shared_hosts, profile_conflicts, run_examples,
};

use serde_json::{Value, json};

use super::apply::files;
use crate::call::read_text;
use crate::exit::CliError;
use crate::output::{Format, Tone, output_width, pluralize, print, sanitize, show_value, wrap};

/// Error or warning of a document, or of several.
struct Report {
    place: Option<(String, usize, usize)>,
    error: bool,
    field: String,
    message: String,
}

impl Report {
    fn text(&self) -> String {
        let word = if self.error { "error" } else { "warning" };
        let line = sanitize(&match &self.place {
            Some((file, line, column)) => {
                let colon = if self.field.is_empty() { "" } else { ": " };
                format!("{file}:{line}:{column}: {word}: {}{colon}{}", self.field, self.message)
            }
            None => format!("{word}: {}", self.message),
        });
        wrap(&line, 0, 2, output_width())
    }

    fn json(&self) -> Value {
        let severity = if self.error { "error" } else { "warning" };
        let mut json = json!({ "severity": severity, "message": self.message });
        if let Some((file, line, column)) = &self.place {
            json["file"] = json!(file);
            json["line"] = json!(line);
            json["column"] = json!(column);
            json["field"] = json!(self.field);
        }
        json
    }
}

/// Reports errors and likely mistakes in each document.
pub(super) fn lint(given: &[PathBuf], strict: bool, format: Format) -> Result<(), CliError> {
    let (mut profiles, mut wrong, mut reports) = (Vec::new(), 0_usize, Vec::new());
    for file in files(given)? {
        let text = read_text(&file)?;
        let sound = examine(&text).and_then(|sound| profile_conflicts(&text, &profiles).map(|()| sound));
        let (error, found) = match sound {
            Ok((profile, warnings)) => {
                profiles.push(profile);
                (false, warnings)
            }
            Err(Errors(errors)) => {
                wrong += 1;
                (true, errors)
            }
        };
        reports.extend(found.into_iter().map(|one| Report {
            place: Some((file.display().to_string(), one.line, one.column)),
            error,
            field: one.field,
            message: one.message,
        }));
    }
    reports.extend(lint_shared_hosts(&profiles).into_iter().map(|message| Report {
        place: None,
        error: false,
        field: String::new(),
        message,
    }));
    let warned = reports.iter().any(|report| !report.error);
    if format == Format::Json || !reports.is_empty() {
        let findings: Vec<Value> = reports.iter().map(Report::json).collect();
        let summary = json!({ "valid": profiles.len(), "invalid": wrong, "findings": findings });
        show_value(format, &summary, || reports.iter().map(Report::text).collect::<Vec<_>>().join("\n"))?;
    }
    match wrong {
        0 if strict && warned => Err(CliError::Findings(2)),
        0 if format == Format::Json => Ok(()),
        0 => print(&valid(profiles.len())),
        _ => Err(CliError::Usage(format!("{} would be refused", documents(wrong)))),
    }
}

/// Runs every example of each document.
pub(super) async fn test(given: &[PathBuf], format: Format) -> Result<(), CliError> {
    let mut outcomes = Vec::new();
    let folder = tempfile::Builder::new().prefix("latchkey-test-").tempdir()?;
    for (place, file) in files(given)?.into_iter().enumerate() {
        let text = read_text(&file)?;
        let profile = compile(&file, &text)?;
        let run = run_examples(&profile, &text, &folder.path().join(place.to_string())).await;
        outcomes.extend(
            run.into_iter().map(|outcome| (file.display().to_string(), outcome.name, outcome.failures)),
        );
    }
    let run = outcomes.len();
    let failed = outcomes.iter().filter(|(_, _, failures)| !failures.is_empty()).count();
    let mut reported = String::new();
    for (file, name, failures) in &outcomes {
        let fine = failures.is_empty();
        let word = Tone::of(fine).paint(if fine { "ok" } else { "FAILED" });
        let _ = writeln!(reported, "{word}  {}: {}", sanitize(file), sanitize(name));
        for line in failures.iter().flat_map(|wrong| wrong.lines()) {
            let _ = writeln!(reported, "    {}", sanitize(line));
        }
    }
    let one =
        |(file, name, failures): &(String, _, _)| json!({ "file": file, "name": name, "failures": failures });
    let examples: Vec<Value> = outcomes.iter().map(one).collect();
    show_value(format, &json!({ "failed": failed, "examples": examples }), || {
        format!("{reported}{}, {failed} failed", pluralize(run, "example"))
    })?;
    if failed == 0 {
        Ok(())
    } else {
        Err(CliError::Local(format!("{} failed", pluralize(failed, "example"))))
    }
}

fn compile(file: &Path, text: &str) -> Result<Profile, CliError> {
    let compiled = Profile::compile(text, 1);
    compiled.map_err(|errors| CliError::Usage(format!("{}:\n{errors}", file.display())))
}

/// Returns the line that says that all documents are valid.
fn valid(count: usize) -> String {
    format!("{} {} valid", documents(count), if count == 1 { "is" } else { "are" })
}

fn documents(count: usize) -> String {
    pluralize(count, "document")
}
