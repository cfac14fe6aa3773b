//! Warnings about bindings that keys of a kind must have and that no request is compared with.

use latchkey_core::choices::misspelt;

use crate::Profile;
use crate::reader::Section;
use crate::template::Name;

/// Warns of each binding of a kind that nothing compares with a request. A service can do so if it gets the binding in a
/// header of its own.
pub(super) fn lint(root: &mut Section<'_>, profile: &Profile) {
    let policy = &profile.policy;
    let mut read: Vec<&str> = policy.resource_names().collect();
    read.sort_unstable();
    read.dedup();
    if read.is_empty() && policy.routes.get(0).is_none() {
        // Services that call Check name their resources themselves.
        return;
    }
    for mut section in root.sections("kinds") {
        for name in section.texts("bindings") {
            if read.contains(&name.value) || is_sent(profile, name.value) {
                continue;
            }
            let meant = misspelt(name.value, &read).map(|near| format!("; did you mean \"{near}\"?"));
            name.report(format!(
                "nothing compares the binding \"{}\" with a request, so that it confines no key: declare it in [resource] or \
                 in \"resource\" of a route; it has an effect only in a Check that names this resource{}",
                name.value,
                meant.unwrap_or_default()
            ));
        }
    }
}

/// Returns whether a header for the service has this binding.
fn is_sent(profile: &Profile, binding: &str) -> bool {
    let other = |name: &Name| !matches!(name, Name::Binding(read) if **read == *binding);
    profile.rules.upstream.iter().any(|header| !header.value.uses_only(other))
}
