//! Text output of users, tokens and signing keys.

use latchkey_proto::v1;

use super::table::{fields, rows};
use super::text::{TextOutput, pairs, timestamp, words};

impl TextOutput for v1::User {
    fn text(&self) -> String {
        fields([
            ("id", self.id.clone()),
            ("tenant", self.tenant_id.clone()),
            ("email", self.email.clone()),
            ("role", self.role.clone()),
            ("bindings", pairs(&self.bindings)),
            ("environment", self.environment.clone()),
            ("disabled", if self.disabled { "yes".to_owned() } else { "no".to_owned() }),
        ])
    }
}

impl TextOutput for v1::ListUsersResponse {
    fn text(&self) -> String {
        let row = |user: &v1::User| {
            let state = if user.disabled { "disabled" } else { "active" };
            [
                user.id.clone(),
                user.email.clone(),
                user.role.clone(),
                user.environment.clone(),
                state.to_owned(),
                user.tenant_id.clone(),
            ]
        };
        rows(["ID", "EMAIL", "ROLE", "ENVIRONMENT", "STATE", "TENANT"], self.users.iter().map(row))
    }
}

fn tokens(
    access: &str,
    refresh: &str,
    spans: [Option<&prost_types::Duration>; 2],
) -> [(&'static str, String); 4] {
    let seconds =
        |span: Option<&prost_types::Duration>| span.map(|d| format!("{} s", d.seconds)).unwrap_or_default();
    [
        ("access token", access.to_owned()),
        ("expires in", seconds(spans[0])),
        ("refresh token", refresh.to_owned()),
        ("refresh token expires in", seconds(spans[1])),
    ]
}

/// Returns tokens in lines of their own: a table would cut them.
fn lines(fields: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let line = |(name, value): (&str, String)| format!("{name}: {}", super::text::sanitize(&value));
    fields.into_iter().filter(|(_, value)| !value.is_empty()).map(line).collect::<Vec<_>>().join("\n")
}

impl TextOutput for v1::IssueJwtResponse {
    fn text(&self) -> String {
        let spans = [self.expires_in.as_ref(), self.refresh_expires_in.as_ref()];
        let user = self.user.as_ref().map(|user| user.email.clone()).unwrap_or_default();
        let own = [("scopes", words(&self.scopes)), ("user", user)];
        lines(tokens(&self.access_token, &self.refresh_token, spans).into_iter().chain(own))
    }
}

impl TextOutput for v1::RefreshJwtResponse {
    fn text(&self) -> String {
        let spans = [self.expires_in.as_ref(), self.refresh_expires_in.as_ref()];
        let own = [("scopes", words(&self.scopes))];
        lines(tokens(&self.access_token, &self.refresh_token, spans).into_iter().chain(own))
    }
}

impl TextOutput for v1::RevokeJwtResponse {
    fn text(&self) -> String {
        match self.revision {
            0 => "No token family had to be ended.".to_owned(),
            revision => format!("No replica admits its tokens any more (revision {revision})."),
        }
    }
}

impl TextOutput for v1::ListSigningKeysResponse {
    fn text(&self) -> String {
        let row = |key: &v1::SigningKey| {
            [
                key.id.clone(),
                key.profile.clone(),
                key.algorithm.clone(),
                key.state.clone(),
                timestamp(key.sign_time.as_ref()),
                timestamp(key.retire_time.as_ref()),
            ]
        };
        rows(["ID", "PROFILE", "ALGORITHM", "STATE", "SIGNS FROM", "SIGNS UNTIL"], self.keys.iter().map(row))
    }
}
