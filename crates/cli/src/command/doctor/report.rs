//! What was found, for people and for programs, and the code to end with.

use std::fmt::Write as _;

use latchkey_server::doctor::{Area, Finding, Weight};
use serde_json::json;

use crate::exit::Failure;
use crate::output::{Format, Tone, amount, clean, print};

/// Everything that was found.
pub(super) struct Report(pub(super) Vec<Finding>);

impl Report {
    /// Shows it; the worst of it is how the command ends.
    pub(super) fn show(&self, format: Format) -> Result<(), Failure> {
        match format {
            Format::Text => print(&self.text())?,
            Format::Json => print(&self.json().to_string())?,
        }
        self.failure().map_or(Ok(()), Err)
    }

    fn count(&self, weight: Weight) -> usize {
        self.0.iter().filter(|finding| finding.weight == weight).count()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.0 {
            let mark = match finding.weight {
                Weight::Good => Tone::Good.paint("✓"),
                Weight::Doubtful => Tone::Doubtful.paint("!"),
                Weight::Wrong | Weight::Unreachable => Tone::Bad.paint("✗"),
            };
            let _infallible = writeln!(text, "{mark} {:<9} {}", area(finding.area), clean(&finding.what));
            if !finding.remedy.is_empty() {
                let _infallible = writeln!(text, "            → {}", clean(&finding.remedy));
            }
        }
        let wrong = self.count(Weight::Wrong) + self.count(Weight::Unreachable);
        let doubtful = self.count(Weight::Doubtful);
        let _infallible = write!(text, "\n{}, {}", amount(wrong, "error"), amount(doubtful, "warning"));
        text
    }

    fn json(&self) -> serde_json::Value {
        let one = |finding: &Finding| {
            json!({
                "area": area(finding.area),
                "severity": severity(finding.weight),
                "message": finding.what,
                "remedy": finding.remedy,
            })
        };
        let findings: Vec<_> = self.0.iter().map(one).collect();
        json!({ "healthy": self.failure().is_none(), "findings": findings })
    }

    fn failure(&self) -> Option<Failure> {
        let wrong = |finding: &&Finding| finding.weight == Weight::Wrong;
        if self.0.iter().filter(wrong).any(|finding| finding.area == Area::Settings) {
            return Some(Failure::Found(2));
        }
        if self.count(Weight::Unreachable) > 0 {
            return Some(Failure::Found(6));
        }
        (self.count(Weight::Wrong) > 0).then_some(Failure::Found(1))
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

fn severity(weight: Weight) -> &'static str {
    match weight {
        Weight::Good => "ok",
        Weight::Doubtful => "warning",
        Weight::Wrong => "error",
        Weight::Unreachable => "unreachable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(found: &[(Area, Weight)]) -> Report {
        Report(
            found
                .iter()
                .map(|&(area, weight)| Finding::new(area, weight, "a\u{1b}[2Jb", "mend it"))
                .collect(),
        )
    }

    #[test]
    fn the_worst_finding_is_how_it_ends() {
        let code = |found: &[(Area, Weight)]| match report(found).failure() {
            None => 0,
            Some(Failure::Found(code)) => code,
            Some(other) => panic!("{other:?}"),
        };
        let (settings, envoy) = (Area::Settings, Area::Envoy);
        assert_eq!(code(&[(settings, Weight::Good), (envoy, Weight::Doubtful)]), 0);
        assert_eq!(code(&[(envoy, Weight::Wrong)]), 1);
        assert_eq!(code(&[(envoy, Weight::Wrong), (Area::Redis, Weight::Unreachable)]), 6);
        assert_eq!(code(&[(Area::Redis, Weight::Unreachable), (settings, Weight::Wrong)]), 2);
    }

    #[test]
    fn both_forms_say_the_same_and_steer_no_terminal() {
        let report = report(&[(Area::Database, Weight::Wrong), (Area::Redis, Weight::Good)]);
        let text = report.text();
        assert!(
            text.contains("✗ database") && text.contains("→ mend it") && !text.contains('\u{1b}'),
            "{text}"
        );
        assert!(text.ends_with("1 error, 0 warnings"), "{text}");
        assert_eq!(report.json()["healthy"], false);
        assert_eq!(report.json()["findings"][1]["severity"], "ok");
    }
}
