//! Text output of deletions and of changes of many keys.

use latchkey_proto::v1;

use super::text::{TextOutput, pluralize};

/// Returns a count with its noun.
fn number(count: u64, what: &str) -> String {
    pluralize(usize::try_from(count).unwrap_or(usize::MAX), what)
}

impl TextOutput for v1::RevokeKeysResponse {
    fn text(&self) -> String {
        bulk("revoked", (self.matched, self.revoked, self.revision))
    }
}

impl TextOutput for v1::DisableKeysResponse {
    fn text(&self) -> String {
        bulk("disabled", (self.matched, self.disabled, self.revision))
    }
}

/// Returns the text for changed keys. The revision is 0 after a dry run, or if there was nothing to change.
fn bulk(done: &str, (matched, changed, revision): (u64, u64, u64)) -> String {
    let keys = number(matched, "key");
    if revision == 0 && changed > 0 {
        return format!("{keys} selected; {changed} would be {done}. Nothing was changed.");
    }
    if changed == 0 {
        return format!("{keys} selected; none is to be {done}.");
    }
    format!(
        "{keys} selected; {changed} {done}. No replica admits any of them any more (revision {revision})."
    )
}

impl TextOutput for v1::DeleteKeyResponse {
    fn text(&self) -> String {
        format!("The key is deleted. No replica admits it any more (revision {}).", self.revision)
    }
}

impl TextOutput for v1::DeleteUserResponse {
    fn text(&self) -> String {
        format!(
            "The user is deleted. No replica accepts the user's tokens any more (revision {}).",
            self.revision
        )
    }
}

impl TextOutput for v1::DeleteTenantResponse {
    fn text(&self) -> String {
        format!(
            "The tenant {} is deleted, with {} and {}. No replica admits any of them any more (revision {}).",
            self.id,
            number(self.keys, "key"),
            number(self.users, "user"),
            self.revision
        )
    }
}

impl TextOutput for v1::DeleteProfileResponse {
    fn text(&self) -> String {
        format!(
            "The profile is deleted, with {}, {} and {}. No replica decides by it any more (revision {}).",
            number(self.tenants, "tenant"),
            number(self.keys, "key"),
            number(self.users, "user"),
            self.revision
        )
    }
}
