//! Warnings about plans that list no limits for a rate class, as if its calls had none.

use latchkey_core::policy::Policy;

use crate::reader::Section;

/// Warns of each class whose limits a plan replaces by an empty list: a plan replaces the limits that it has, so that those
/// of the class hold.
pub(super) fn lint(root: &mut Section<'_>, policy: &Policy) {
    for mut section in root.sections("plans") {
        let Some(name) = section.text("name") else { continue };
        let Some(plan) = policy.plans.get(name.value) else { continue };
        let Some(limits) = section.section("rate_limits") else { continue };
        for (class, _) in limits.entries() {
            let replaces_none = plan.0.get(class.value).is_some_and(Vec::is_empty);
            let own = policy.classes.find(class.value).map_or(&[][..], |id| policy.classes.rules(id));
            if replaces_none && !own.is_empty() {
                class.report(
                    "the list is empty and replaces no limit: those of the class hold for tenants on the plan; write a high \
                     limit, or leave out the class",
                );
            }
        }
    }
}
