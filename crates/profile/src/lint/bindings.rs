//! Warnings about bindings that keys of a kind must have and that no request is compared with, and about misspelt ones in
//! templates.

use latchkey_core::choices::misspelt;

use crate::Profile;
use crate::reader::Section;
use crate::template::{Name, Template};

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

/// Warns of each template with a binding whose name is a misspelling of one that the profile reads: its value is always empty.
pub(super) fn in_templates(root: &mut Section<'_>, profile: &Profile) {
    let known = profile.policy.binding_names();
    let mut headers: Vec<Section<'_>> =
        ["upstream_headers", "response_headers"].into_iter().filter_map(|name| root.section(name)).collect();
    let mut texts = Vec::new();
    for mut denial in root.sections("denials") {
        texts.extend(denial.text("body"));
        headers.extend(denial.section("headers"));
    }
    let entries = headers.iter().flat_map(Section::entries);
    texts.extend(entries.filter_map(|(_, value)| value.text()));
    for text in texts {
        let Ok(template) = Template::parse(&text) else { continue };
        for name in template.names() {
            let Name::Binding(binding) = name else { continue };
            let unknown = !known.contains(&&**binding);
            if let Some(meant) = misspelt(binding, &known).filter(|_| unknown) {
                text.report(format!(
                    "nothing of the profile reads the binding \"{binding}\", so that its value is empty; did you mean \
                     \"{meant}\"?"
                ));
            }
        }
    }
}

/// Returns whether a header for the service has this binding.
fn is_sent(profile: &Profile, binding: &str) -> bool {
    let other = |name: &Name| !matches!(name, Name::Binding(read) if **read == *binding);
    profile.rules.upstream.iter().any(|header| !header.value.uses_only(other))
}
