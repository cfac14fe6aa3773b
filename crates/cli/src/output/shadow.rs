//! Text output of the shadow report.

use latchkey_proto::v1;

use super::age::ago;
use super::table::rows;
use super::text::TextOutput;

impl TextOutput for v1::GetShadowReportResponse {
    fn text(&self) -> String {
        if self.lines.is_empty() {
            return "nothing would have been denied".to_owned();
        }
        let head = ["PROFILE", "TENANT", "SUBJECT", "ROUTE", "REASON", "CALLS", "LAST CALL"];
        rows(head, self.lines.iter().map(row))
    }
}

fn row(line: &v1::ShadowLine) -> [String; 7] {
    [
        line.profile.clone(),
        or(&line.tenant_slug, &line.tenant_id),
        who(line),
        or(&line.route, "none"),
        why(line),
        line.calls.to_string(),
        line.last_time.as_ref().map(ago).unwrap_or_default(),
    ]
}

fn or(text: &str, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text.to_owned() }
}

fn who(line: &v1::ShadowLine) -> String {
    match (line.subject_id.as_str(), line.subject_name.as_str()) {
        ("", _) => "unknown".to_owned(),
        (id, "") => id.to_owned(),
        (id, name) => format!("{id} ({name})"),
    }
}

fn why(line: &v1::ShadowLine) -> String {
    let known = line.reason().as_str_name().trim_start_matches("REASON_");
    // Servers of earlier versions do not send the name.
    let reason = or(&line.reason_name, known);
    if line.detail.is_empty() { reason } else { format!("{reason}: {}", line.detail) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_caller_and_the_reason() {
        let line = v1::ShadowLine {
            profile: "paykore".into(),
            tenant_slug: "acme".into(),
            subject_id: "key_1".into(),
            subject_name: "ci\u{1b}[31m".into(),
            route: "POST /v1/payments".into(),
            reason: v1::Reason::InsufficientScope.into(),
            detail: "payments.create".into(),
            calls: 12,
            ..v1::ShadowLine::default()
        };
        let unknown =
            v1::ShadowLine { reason: v1::Reason::MissingCredential.into(), ..v1::ShadowLine::default() };
        let newer = v1::ShadowLine { reason_name: "QUOTA_USED_UP".into(), ..v1::ShadowLine::default() };
        let lines = vec![line, unknown, newer];
        let text = v1::GetShadowReportResponse { lines, ..Default::default() }.text();
        let reasons = ["INSUFFICIENT_SCOPE: payments.create", "QUOTA_USED_UP"];
        for part in ["acme", "key_1 (ci", "POST /v1/payments", "12"].into_iter().chain(reasons) {
            assert!(text.contains(part), "{text}");
        }
        assert!(text.contains("unknown") && text.contains("MISSING_CREDENTIAL") && !text.contains('\u{1b}'));
        let none = v1::GetShadowReportResponse::default().text();
        assert_eq!(none, "nothing would have been denied");
    }
}
