//! Text output of deletions.

use latchkey_proto::v1;

use super::text::{TextOutput, pluralize};

/// Returns a number of things in words.
fn number(count: u64, what: &str) -> String {
    pluralize(usize::try_from(count).unwrap_or(usize::MAX), what)
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
