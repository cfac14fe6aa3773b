//! Profiles as text: documents, versions, and changes grouped by their effect on people.

use std::fmt::Write as _;

use latchkey_proto::v1;
use latchkey_proto::v1::ProfileChangeEffect as Effect;

use super::table::rows;
use super::text::{TextOutput, sanitize, timestamp};

/// Most routes of a change that are shown.
const MAX_ROUTES: usize = 5;

/// The document itself, so that it can be kept in a file and applied again.
impl TextOutput for v1::Profile {
    fn text(&self) -> String {
        let line = |line: &str| line.split('\t').map(sanitize).collect::<Vec<_>>().join("\t");
        self.document.lines().map(line).collect::<Vec<_>>().join("\n")
    }
}

impl TextOutput for v1::ListProfilesResponse {
    fn text(&self) -> String {
        let row = |profile: &v1::Profile| {
            [profile.name.clone(), profile.version.to_string(), timestamp(profile.apply_time.as_ref())]
        };
        rows(["NAME", "VERSION", "APPLIED"], self.profiles.iter().map(row))
    }
}

impl TextOutput for v1::ListProfileVersionsResponse {
    fn text(&self) -> String {
        let row = |profile: &v1::Profile| {
            [
                profile.version.to_string(),
                timestamp(profile.apply_time.as_ref()),
                profile.applied_by.clone(),
                profile.comment.clone(),
            ]
        };
        rows(["VERSION", "APPLIED", "BY", "COMMENT"], self.versions.iter().map(row))
    }
}

/// Returns the text of a comparison with a version on the server, which may have none of the profile.
pub(crate) fn diff_from_server(diff: &v1::ProfileDiff) -> String {
    let text = diff.text();
    if diff.from_version > 0 {
        return text;
    }
    let heading = text.find('\n').unwrap_or(text.len());
    format!("{}: a new profile, which the server does not have yet{}", sanitize(&diff.name), &text[heading..])
}

impl TextOutput for v1::ProfileDiff {
    fn text(&self) -> String {
        let name = sanitize(&self.name);
        let mut text = match (self.changes.len(), self.from_version) {
            (0, 0) => format!("{name}: no change of what the document means"),
            (0, version) => format!("{name}: no change of what version {version} means"),
            (1, 0) => format!("{name}: 1 change"),
            (1, version) => format!("{name}: 1 change from version {version}"),
            (count, 0) => format!("{name}: {count} changes"),
            (count, version) => format!("{name}: {count} changes from version {version}"),
        };
        let mut last = None;
        for change in &self.changes {
            if last != Some(change.effect) {
                let _infallible = write!(text, "\n\n{}", heading(change.effect()));
                last = Some(change.effect);
            }
            describe(change, &mut text);
        }
        for warning in &self.warnings {
            let _infallible = write!(text, "\n\nwarning: {}", sanitize(warning));
        }
        text
    }
}

fn heading(effect: Effect) -> &'static str {
    match effect {
        Effect::GrantsMore => "Grants more:",
        Effect::StopsWorking => "Stops working:",
        Effect::LosesAccess => "Takes access away:",
        Effect::LimitLowered => "Lowers limits:",
        Effect::LimitRaised => "Raises limits:",
        Effect::AnswerChanges => "Changes answers:",
        Effect::Other | Effect::Unspecified => "Other changes:",
    }
}

fn describe(change: &v1::ProfileChange, text: &mut String) {
    let force = if change.requires_force { " (needs --force)" } else { "" };
    let _infallible = write!(text, "\n  - {}{force}", sanitize(&change.description));
    for (label, value) in [("before", &change.before), ("now", &change.after)] {
        if !value.is_empty() {
            let _infallible = write!(text, "\n      {:<8}{}", format!("{label}:"), sanitize(value));
        }
    }
    // One route is named in the description.
    if change.routes.len() > 1 {
        let shown: Vec<String> = change.routes.iter().take(MAX_ROUTES).map(|route| sanitize(route)).collect();
        let rest = change.routes.len().saturating_sub(MAX_ROUTES);
        let rest = if rest > 0 { format!(", and {rest} more") } else { String::new() };
        let _infallible = write!(text, "\n      routes: {}{rest}", shown.join(", "));
    }
    for impact in &change.impacts {
        let more = if impact.more { "more than " } else { "" };
        let subjects =
            if impact.count == 1 { impact.subjects.trim_end_matches('s') } else { &impact.subjects };
        let _infallible = write!(text, "\n      {more}{} {}", thousands(impact.count), sanitize(subjects));
        for example in &impact.examples {
            let (id, name) = (sanitize(&example.id), sanitize(&example.name));
            let _infallible = write!(text, "\n        {id}  {name}  ({})", sanitize(&example.tenant));
        }
    }
}

/// Writes a number with commas, as in 1,204.
fn thousands(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas() {
        let written = [0, 12, 999, 1_204, 100_000, 1_000_000].map(thousands);
        assert_eq!(written, ["0", "12", "999", "1,204", "100,000", "1,000,000"]);
    }

    #[test]
    fn a_profile_that_the_server_does_not_have_is_new() {
        let warnings = vec!["line 1: x".into()];
        let diff = v1::ProfileDiff { name: "shop".into(), warnings, ..v1::ProfileDiff::default() };
        let expected = "shop: a new profile, which the server does not have yet\n\nwarning: line 1: x";
        assert_eq!(diff_from_server(&diff), expected);
        let known = v1::ProfileDiff { from_version: 3, ..diff };
        assert!(diff_from_server(&known).starts_with("shop: no change of what version 3 means"));
    }

    #[test]
    fn changes_are_grouped_by_effect_with_numbers_and_examples() {
        let example =
            v1::ProfileImpactExample { id: "key_1".into(), name: "api\u{1b}".into(), tenant: "acme".into() };
        let impact =
            v1::ProfileImpact { subjects: "keys".into(), count: 1_204, more: false, examples: vec![example] };
        let change = v1::ProfileChange {
            effect: Effect::StopsWorking.into(),
            description: "the prefix changes".into(),
            impacts: vec![impact],
            requires_force: true,
            ..v1::ProfileChange::default()
        };
        let diff = v1::ProfileDiff {
            name: "shop".into(),
            from_version: 3,
            changes: vec![change.clone(), change],
            requires_force: true,
            warnings: vec!["line 1: x".into()],
        };
        let text = diff.text();
        for words in [
            "shop: 2 changes from version 3\n\nStops working:\n  - the prefix changes (needs --force)\n      1,204 keys\n",
            "\n        key_1  api\\u{1b}  (acme)",
            "\n\nwarning: line 1: x",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert_eq!(text.matches("Stops working:").count(), 1);
    }
}
