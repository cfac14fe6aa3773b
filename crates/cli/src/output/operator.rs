//! Text output of operators' keys and of the caller itself.

use latchkey_proto::v1;

use super::age::last_use;
use super::table::{fields, rows};
use super::text::{TextOutput, pairs, state, timestamp, words};
use crate::args::Role;

/// Returns the name of the role with the most rights among a key's scopes.
fn role(key: &v1::Key) -> &'static str {
    let role = Role::ALL.into_iter().rev().find(|role| key.scopes.iter().any(|scope| scope == role.scope()));
    role.map_or("none", Role::name)
}

/// Returns a table of operators' keys.
pub(crate) fn operator_table(keys: &[v1::Key]) -> String {
    let row = |key: &v1::Key| {
        [
            key.id.clone(),
            key.name.clone(),
            role(key).to_owned(),
            format!("{}…{}", key.prefix, key.hint),
            state(key),
            last_use(key.last_use_time.as_ref(), key.create_time.as_ref()),
            timestamp(key.expire_time.as_ref()),
            key.created_by.clone(),
        ]
    };
    let header = ["ID", "NAME", "ROLE", "HINT", "STATE", "LAST USED", "EXPIRES", "CREATED BY"];
    rows(header, keys.iter().map(row))
}

impl TextOutput for v1::WhoAmIResponse {
    fn text(&self) -> String {
        let subject = match self.subject_type.as_str() {
            "key" => "key",
            "user" => "user",
            "certificate" => "certificate",
            _ => "caller",
        };
        let tenant = match (self.operator, self.tenant_slug.as_str()) {
            (true, _) => "every tenant".to_owned(),
            (false, "") => self.tenant_id.clone(),
            (false, slug) => format!("{slug} ({})", self.tenant_id),
        };
        let expires = timestamp(self.expire_time.as_ref());
        fields([
            (subject, self.subject_id.clone()),
            ("name", self.name.clone()),
            ("role", self.role.clone()),
            ("tenant", tenant),
            ("scopes", words(&self.scopes)),
            ("environment", self.environment.clone()),
            ("bindings", pairs(&self.bindings)),
            ("networks", words(&self.allowed_networks)),
            ("expires", if expires.is_empty() { "never".to_owned() } else { expires }),
        ])
    }
}
