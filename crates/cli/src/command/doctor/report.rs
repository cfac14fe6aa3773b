//! Findings, for people and for programs, and the exit code.

use std::fmt::Write as _;

use latchkey_server::doctor::{Area, Finding, Severity};
use serde_json::json;

use crate::exit::CliError;
use crate::output::{Format, Tone, output_width, pluralize, print, sanitize, wrap};

/// Column at which the message of a finding begins.
const MESSAGE: usize = 12;

/// All findings.
pub(super) struct Report(pub(super) Vec<Finding>);

impl Report {
    /// Prints the findings. Returns an error with the exit code of the most severe one.
    pub(super) fn show(&self, format: Format) -> Result<(), CliError> {
        match format {
            Format::Text => print(&self.text(output_width()))?,
            Format::Json => print(&self.json().to_string())?,
        }
        self.failure().map_or(Ok(()), Err)
    }

    fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|finding| finding.severity == severity).count()
    }

    fn text(&self, width: Option<usize>) -> String {
        let broken = |text: &str, column: usize| wrap(&sanitize(text), column, column, width);
        let mut text = String::new();
        for finding in &self.0 {
            let mark = match finding.severity {
                Severity::Ok => Tone::Good.paint("✓"),
                Severity::Warning => Tone::Warning.paint("!"),
                Severity::Error | Severity::Unreachable => Tone::Bad.paint("✗"),
            };
            let message = broken(&finding.message, MESSAGE);
            let _infallible = writeln!(text, "{mark} {:<9} {message}", area(finding.area));
            if !finding.remedy.is_empty() {
                let remedy = broken(&finding.remedy, MESSAGE + 2);
                let _infallible = writeln!(text, "{}→ {remedy}", " ".repeat(MESSAGE));
            }
        }
        let wrong = self.count(Severity::Error) + self.count(Severity::Unreachable);
        let doubtful = self.count(Severity::Warning);
        let _infallible = write!(text, "\n{}, {}", pluralize(wrong, "error"), pluralize(doubtful, "warning"));
        text
    }

    fn json(&self) -> serde_json::Value {
        let one = |finding: &Finding| {
            json!({
                "area": area(finding.area),
                "severity": severity(finding.severity),
                "message": finding.message,
                "remedy": finding.remedy,
            })
        };
        let findings: Vec<_> = self.0.iter().map(one).collect();
        json!({ "healthy": self.failure().is_none(), "findings": findings })
    }

    fn failure(&self) -> Option<CliError> {
        let wrong = |finding: &&Finding| finding.severity == Severity::Error;
        if self.0.iter().filter(wrong).any(|finding| finding.area == Area::Settings) {
            return Some(CliError::Findings(2));
        }
        if self.count(Severity::Unreachable) > 0 {
            return Some(CliError::Findings(6));
        }
        (self.count(Severity::Error) > 0).then_some(CliError::Findings(1))
    }
}

fn area(area: Area) -> &'static str {
    match area {
        Area::Settings => "settings",
        Area::Database => "database",
        Area::Redis => "redis",
        Area::Envoy => "envoy",
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Ok => "ok",
        Severity::Warning => "warning",
        Severity::Error => "error",
        Severity::Unreachable => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(found: &[(Area, Severity)]) -> Report {
        Report(
            found
                .iter()
                .map(|&(area, severity)| Finding::new(area, severity, "a\u{1b}[2Jb", "correct it"))
                .collect(),
        )
    }

    #[test]
    fn the_worst_finding_decides_the_exit_code() {
        let code = |found: &[(Area, Severity)]| match report(found).failure() {
            None => 0,
            Some(CliError::Findings(code)) => code,
            Some(other) => panic!("{other:?}"),
        };
        let (settings, envoy) = (Area::Settings, Area::Envoy);
        assert_eq!(code(&[(settings, Severity::Ok), (envoy, Severity::Warning)]), 0);
        assert_eq!(code(&[(envoy, Severity::Error)]), 1);
        assert_eq!(code(&[(envoy, Severity::Error), (Area::Redis, Severity::Unreachable)]), 6);
        assert_eq!(code(&[(Area::Redis, Severity::Unreachable), (settings, Severity::Error)]), 2);
    }

    #[test]
    fn text_and_json_have_the_same_findings_and_no_control_characters() {
        let report = report(&[(Area::Database, Severity::Error), (Area::Redis, Severity::Ok)]);
        let text = report.text(None);
        assert!(
            text.contains("✗ database") && text.contains("→ correct it") && !text.contains('\u{1b}'),
            "{text}"
        );
        assert!(text.ends_with("1 error, 0 warnings"), "{text}");
        let narrow = report.text(Some(50));
        assert!(narrow.lines().all(|line| line.chars().count() <= 50), "{narrow}");
        assert_eq!(report.json()["healthy"], false);
        assert_eq!(report.json()["findings"][1]["severity"], "ok");
    }
}
