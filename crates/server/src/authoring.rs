//! For whoever writes a profile: likely mistakes, and the document's own examples, without a server.

pub use latchkey_profile::{DocumentError, Errors, Outcome, Profile, lint, lint_together};
