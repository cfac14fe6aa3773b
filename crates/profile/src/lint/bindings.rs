//! Warnings about bindings that keys of a kind must have and that no request is compared with.

use latchkey_core::choices::misspelt;
use latchkey_core::policy::Policy;

use crate::reader::Section;

/// Warns of each binding of a kind that nothing reads. `text` is the document: a template can read a binding too.
pub(super) fn lint(root: &mut Section<'_>, policy: &Policy, text: &str) {
    let mut read: Vec<&str> = policy.resource_names().collect();
    read.sort_unstable();
    read.dedup();
    if read.is_empty() && policy.routes.get(0).is_none() {
        // Services that call Check name their resources themselves.
        return;
    }
    for mut section in root.sections("kinds") {
        for name in section.texts("bindings") {
            if read.contains(&name.value) || text.contains(&format!("bindings.{}", name.value)) {
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
