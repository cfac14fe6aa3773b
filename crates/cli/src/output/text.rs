//! Text output of messages.

use std::collections::HashMap;
use std::fmt::Write as _;

use latchkey_proto::v1;
use prost_types::Timestamp;

use super::age::last_use;
use super::own_limits::own_limits;
use super::table::{fields, rows};
use super::usage::used_since;

/// Message that has a text output.
pub(crate) trait TextOutput {
    /// Returns the text for people, safe for a terminal.
    fn text(&self) -> String;
}

/// Returns whether a character could move the cursor, ring the bell, or hide or reverse text.
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Returns a line with every control character escaped.
pub(crate) fn sanitize(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        if is_unsafe(character) {
            out.extend(character.escape_unicode());
        } else {
            out.push(character);
        }
        out
    })
}

/// Returns a time in RFC 3339; empty if there is none.
pub(crate) fn timestamp(time: Option<&Timestamp>) -> String {
    time.map(ToString::to_string).unwrap_or_default()
}

/// Returns pairs as `a=1, b=2`, in order.
pub(crate) fn pairs(map: &HashMap<String, String>) -> String {
    let mut pairs: Vec<String> = map.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.sort_unstable();
    pairs.join(", ")
}

/// Returns words separated by commas.
pub(crate) fn words(words: &[String]) -> String {
    words.join(", ")
}

/// Returns a count with its noun: `1 key`, `2 keys`.
pub(crate) fn pluralize(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// State of an active key of which the profile no longer has the kind, the environment or the prefix.
pub(super) const DENIED_BY_PROFILE: &str = "active, denied by the profile";
/// State of an active key of which the profile no longer has any scope.
pub(super) const NO_SCOPE_LEFT: &str = "active, no scope left";

/// Returns the state of a key: one word, and for an active key of which the profile lacks what every call needs, that too.
pub(super) fn state(key: &v1::Key) -> String {
    let state = key.state().as_str_name().trim_start_matches("KEY_STATE_").to_lowercase();
    let is_active = key.state() == v1::KeyState::Active;
    if is_active && !key.denied_by_profile.is_empty() {
        DENIED_BY_PROFILE.to_owned()
    } else if is_active && !key.scopes.is_empty() && key.removed_scopes.len() == key.scopes.len() {
        NO_SCOPE_LEFT.to_owned()
    } else {
        state
    }
}

impl TextOutput for v1::Key {
    fn text(&self) -> String {
        fields([
            ("id", self.id.clone()),
            ("tenant", self.tenant_id.clone()),
            ("name", self.name.clone()),
            ("kind", self.kind.clone()),
            ("environment", self.environment.clone()),
            ("hint", format!("{}…{}", self.prefix, self.hint)),
            ("state", state(self)),
            ("denied by", self.denied_by_profile.clone()),
            ("scopes", words(&self.scopes)),
            ("removed scopes", words(&self.removed_scopes)),
            ("bindings", pairs(&self.bindings)),
            ("networks", words(&self.allowed_networks)),
            ("rate limits", own_limits(self)),
            ("metadata", pairs(&self.metadata)),
            ("created", timestamp(self.create_time.as_ref())),
            ("created by", self.created_by.clone()),
            ("expires", timestamp(self.expire_time.as_ref())),
            ("revoked", timestamp(self.revoke_time.as_ref())),
            ("reason", self.revoke_reason.clone()),
            ("last used", timestamp(self.last_use_time.as_ref())),
            ("unused scopes", words(&self.unused_scopes)),
            ("replaces", self.rotated_from.clone()),
            ("replaced by", self.rotated_to.clone()),
            ("value", self.value.clone()),
        ])
    }
}

/// Returns the successor of a rotated key that still works; none for other keys.
pub(crate) fn successor(key: &v1::Key) -> Option<&str> {
    let passes = matches!(key.state(), v1::KeyState::Active | v1::KeyState::Disabled);
    (passes && !key.rotated_to.is_empty()).then_some(key.rotated_to.as_str())
}

/// Returns the state of a key; for a replaced one, also whether it is still in use.
fn state_label(key: &v1::Key, among: &[&v1::Key]) -> String {
    let state = state(key);
    let Some(next) = successor(key) else { return state };
    match among.iter().find(|other| other.id == next) {
        Some(next) if used_since(key, next) => format!("{state}, replaced: still in use"),
        Some(_) => format!("{state}, replaced: not used since"),
        None => format!("{state}, replaced"),
    }
}

/// Returns a table of keys. `others` are successors that are not in it; keys of several tenants have a column for the
/// tenant.
pub(crate) fn key_table(keys: &[v1::Key], others: &[v1::Key], of_tenants: bool) -> String {
    let among: Vec<&v1::Key> = keys.iter().chain(others).collect();
    let row = |key: &v1::Key| {
        [
            key.id.clone(),
            key.name.clone(),
            key.kind.clone(),
            key.environment.clone(),
            format!("{}…{}", key.prefix, key.hint),
            state_label(key, &among),
            last_use(key.last_use_time.as_ref(), key.create_time.as_ref()),
            words(&key.unused_scopes),
            timestamp(key.expire_time.as_ref()),
        ]
    };
    let header =
        ["ID", "NAME", "KIND", "ENVIRONMENT", "HINT", "STATE", "LAST USED", "UNUSED SCOPES", "EXPIRES"];
    if !of_tenants {
        return rows(header, keys.iter().map(row));
    }
    let with_tenant = |cells: [String; 9], tenant: &str| {
        let [id, rest @ ..] = cells;
        let mut all = [const { String::new() }; 10];
        all[0] = id;
        tenant.clone_into(&mut all[1]);
        all[2..].clone_from_slice(&rest);
        all
    };
    let header = with_tenant(header.map(str::to_owned), "TENANT");
    rows(header.each_ref().map(String::as_str), keys.iter().map(|key| with_tenant(row(key), &key.tenant_id)))
}

impl TextOutput for v1::ListKeysResponse {
    fn text(&self) -> String {
        key_table(&self.keys, &[], false)
    }
}

impl TextOutput for v1::ProfileSecret {
    fn text(&self) -> String {
        v1::ListProfileSecretsResponse { secrets: vec![self.clone()] }.text()
    }
}

impl TextOutput for v1::ListProfileSecretsResponse {
    fn text(&self) -> String {
        let row = |s: &v1::ProfileSecret| [s.name.clone(), s.profile.clone(), timestamp(s.set_time.as_ref())];
        rows(["NAME", "PROFILE", "SET"], self.secrets.iter().map(row))
    }
}

impl TextOutput for v1::ImportKeysResponse {
    fn text(&self) -> String {
        key_table(&self.keys, &[], false)
    }
}

impl TextOutput for v1::CreateKeyResponse {
    fn text(&self) -> String {
        shown_once(self.key.as_ref(), &self.secret)
    }
}

impl TextOutput for v1::RotateKeyResponse {
    fn text(&self) -> String {
        shown_once(self.key.as_ref(), &self.secret)
    }
}

fn shown_once(key: Option<&v1::Key>, secret: &str) -> String {
    let mut text = key.map(TextOutput::text).unwrap_or_default();
    if secret.is_empty() {
        text.push_str("\n\nThis key was created before; its value is not shown again.");
    } else {
        let _infallible = write!(text, "\n\nThe key's value, shown only once:\n{}", sanitize(secret));
    }
    text
}

impl TextOutput for v1::RevokeKeyResponse {
    fn text(&self) -> String {
        let mut text = self.key.as_ref().map(TextOutput::text).unwrap_or_default();
        let _infallible = write!(text, "\n\nNo replica admits it any more (revision {}).", self.revision);
        text
    }
}

impl TextOutput for v1::Tenant {
    fn text(&self) -> String {
        fields([
            ("id", self.id.clone()),
            ("slug", self.slug.clone()),
            ("display name", self.display_name.clone()),
            ("profile", self.profile.clone()),
            ("plan", self.plan.clone()),
            ("suspended", if self.suspended { "yes".to_owned() } else { "no".to_owned() }),
            ("rate limits", pairs(&self.rate_limits)),
            ("created", timestamp(self.create_time.as_ref())),
        ])
    }
}

impl TextOutput for v1::ListTenantsResponse {
    fn text(&self) -> String {
        let row = |tenant: &v1::Tenant| {
            let state = if tenant.suspended { "suspended" } else { "active" };
            [
                tenant.id.clone(),
                tenant.slug.clone(),
                tenant.display_name.clone(),
                tenant.profile.clone(),
                tenant.plan.clone(),
                state.to_owned(),
            ]
        };
        rows(["ID", "SLUG", "DISPLAY NAME", "PROFILE", "PLAN", "STATE"], self.tenants.iter().map(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_is_printed() {
        let text = sanitize("a\u{1b}[31m\r\n\t\u{7}\u{7f}\u{9b}\u{202e}\u{feff}b é日");
        assert!(!text.chars().any(is_unsafe), "{text:?}");
        assert!(text.starts_with("a\\u{1b}[31m") && text.ends_with("b é日"), "{text}");
    }

    #[test]
    fn an_active_key_that_the_profile_denies_is_shown_as_such() {
        let key = v1::Key {
            state: v1::KeyState::Active.into(),
            scopes: vec!["orders.read".into()],
            ..v1::Key::default()
        };
        let denied =
            v1::Key { denied_by_profile: "the profile no longer has the kind \"erp\"".into(), ..key.clone() };
        let useless = v1::Key { removed_scopes: key.scopes.clone(), ..key.clone() };
        let revoked = v1::Key { state: v1::KeyState::Revoked.into(), ..denied.clone() };
        for (key, expected) in [
            (&key, "active"),
            (&denied, "active, denied by the profile"),
            (&useless, "active, no scope left"),
            (&revoked, "revoked"),
        ] {
            assert_eq!(state(key), expected);
        }
        assert!(denied.text().contains("the kind \"erp\""), "{}", denied.text());
    }

    #[test]
    fn a_listed_key_shows_no_value() {
        let key = v1::Key { value: "canary".into(), ..v1::Key::default() };
        let list = v1::ListKeysResponse { keys: vec![key], next_page_token: String::new() };
        assert!(!list.text().contains("canary"));
    }
}
