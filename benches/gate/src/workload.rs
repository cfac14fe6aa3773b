//! How much there is of everything.

use std::fmt::Write as _;

use latchkey_profile::Profile;

/// PayKore's profile with a limit that no benchmark reaches.
const DOCUMENT: &str = include_str!("../../../profiles/paykore.toml");
/// What routes are declared before.
const ROUTES: &str = "[[routes]]\npath = \"/**\"";

/// How much there is of everything.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Keys.
    pub keys: usize,
    /// Tenants that the keys belong to, in turn.
    pub tenants: usize,
    /// Routes beside PayKore's own.
    pub routes: usize,
    /// Scopes, all of which every key has.
    pub scopes: usize,
    /// Profiles. Keys are judged by the last of them; where there are several, none has a host.
    pub profiles: usize,
}

impl Default for Workload {
    /// PayKore as it is, with a thousand keys of one tenant.
    fn default() -> Self {
        Self { keys: 1_000, tenants: 1, routes: 0, scopes: 0, profiles: 1 }
    }
}

impl Workload {
    /// The profile that keys are judged by.
    pub(crate) fn profile_name(&self) -> String {
        name(self.profiles - 1)
    }

    /// What its keys start with.
    pub(crate) fn prefix(&self) -> String {
        prefix(self.profiles - 1)
    }

    /// The n-th scope.
    pub(crate) fn scope(number: usize) -> String {
        format!("things.{number:04}")
    }

    /// Bytes for all of it.
    pub(crate) fn memory(&self) -> usize {
        (self.keys + self.tenants) * 2_000 + (64 << 20)
    }

    pub(crate) fn profiles(&self) -> Vec<Profile> {
        let compile = |number| {
            let compiled = Profile::compile(&self.document(number), 1);
            compiled.unwrap_or_else(|wrong| panic!("the profile does not compile: {wrong:?}"))
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

    /// Scopes and routes, the route of the last one needing the last scope.
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

    /// A path that the last route takes.
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
