//! Sizes of a workload.

use std::fmt::Write as _;

use latchkey_profile::Profile;

/// PayKore's profile with a limit that no benchmark reaches.
const DOCUMENT: &str = include_str!("../../../profiles/paykore.toml");
/// The text of PayKore's document before which further routes are inserted.
const ROUTES: &str = "[[routes]]\npath = \"/**\"";

/// Sizes of a workload.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Number of keys.
    pub keys: usize,
    /// Number of tenants, to which the keys are assigned in turn.
    pub tenants: usize,
    /// Number of routes in addition to PayKore's own.
    pub routes: usize,
    /// Number of scopes, all of which every key has.
    pub scopes: usize,
    /// Number of profiles. The last one applies to the keys; if there are several, none has a host.
    pub profiles: usize,
}

impl Default for Workload {
    /// Returns PayKore's own sizes, with a thousand keys of one tenant.
    fn default() -> Self {
        Self { keys: 1_000, tenants: 1, routes: 0, scopes: 0, profiles: 1 }
    }
}

impl Workload {
    /// Returns the name of the profile that applies to the keys.
    pub(crate) fn profile_name(&self) -> String {
        name(self.profiles - 1)
    }

    /// Returns the prefix of the keys.
    pub(crate) fn prefix(&self) -> String {
        prefix(self.profiles - 1)
    }

    /// Returns the n-th scope.
    pub(crate) fn scope(number: usize) -> String {
        format!("things.{number:04}")
    }

    /// Returns the size of a cache that holds all keys, in bytes.
    pub(crate) fn cache_bytes(&self) -> usize {
        (self.keys + self.tenants) * 2_000 + (64 << 20)
    }

    pub(crate) fn profiles(&self) -> Vec<Profile> {
        let compile = |number| {
            let compiled = Profile::compile(&self.document(number), 1);
            compiled.unwrap_or_else(|violations| panic!("the profile does not compile: {violations:?}"))
        };
        (0..self.profiles).map(compile).collect()
    }

    fn document(&self, number: usize) -> String {
        let mut text = DOCUMENT.replace("300/min", "1000000000/s").replace("1000/min", "1000000000/s");
        if self.profiles > 1 {
            text = text.replace("name = \"paykore\"", &format!("name = \"{}\"", name(number)));
            text = text.replace("\"sk_live_\"", &format!("\"{}\"", prefix(number)));
            text = text.replace("\"sk_test_\"", &format!("\"t{}\"", prefix(number)));
            text = text.replace("\"pk_", &format!("\"p{number:04}_"));
            for host in ["api.paykore.dev", "sandbox.paykore.dev"] {
                let environment = if host.starts_with("api") { "live" } else { "test" };
                text = text
                    .replace(&format!("[[hosts]]\nhost = \"{host}\"\nenvironment = \"{environment}\"\n"), "");
            }
        }
        text.replacen(ROUTES, &format!("{}{ROUTES}", self.extra_scopes_and_routes()), 1)
    }

    /// Returns scopes and routes; the last route requires the last scope.
    fn extra_scopes_and_routes(&self) -> String {
        let mut text = String::new();
        for number in 0..self.scopes {
            let _ =
                writeln!(text, "[[scopes]]\nname = \"{}\"\ndescription = \"Things\"", Self::scope(number));
        }
        for number in 0..self.routes {
            let scope = self.scopes.checked_sub(1).map(|last| number.min(last));
            let scopes = scope.map_or_else(String::new, |n| format!("scopes = [\"{}\"]\n", Self::scope(n)));
            let _ =
                writeln!(text, "[[routes]]\nmethods = [\"GET\"]\npath = \"/v1/r{number}/{{id}}\"\n{scopes}");
        }
        text
    }

    /// Returns a path that matches the last route.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/v1/r{}/42", self.routes.saturating_sub(1))
    }
}

fn name(number: usize) -> String {
    if number == 0 { "paykore".to_owned() } else { format!("product-{number:04}") }
}

fn prefix(number: usize) -> String {
    if number == 0 { "sk_live_".to_owned() } else { format!("s{number:04}_live_") }
}
