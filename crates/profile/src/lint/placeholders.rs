//! Warnings about segments of paths that are placeholders in other frameworks, and plain text here.

use crate::reader::Section;

/// Warns of paths of routes and endpoints with such a segment: `:id`, `<id>`, `(id)` or `[id]`.
pub(super) fn lint(root: &mut Section<'_>) {
    for field in ["routes", "endpoints"] {
        for mut section in root.sections(field) {
            let Some(path) = section.text("path") else { continue };
            let found = path.split('/').find_map(|segment| Some((segment, name_in(segment)?)));
            if let Some((segment, name)) = found {
                path.report(format!(
                    "\"{segment}\" matches this text alone; write \"{{{name}}}\" for any one segment"
                ));
            }
        }
    }
}

/// Returns the name in a segment that has the form of another framework's placeholder.
fn name_in(segment: &str) -> Option<&str> {
    let between = |first, last| segment.strip_prefix(first).and_then(|rest| rest.strip_suffix(last));
    let name = segment
        .strip_prefix(':')
        .or_else(|| between('<', '>'))
        .or_else(|| between('(', ')'))
        .or_else(|| between('[', ']'))?;
    // `<int:id>` and `[...rest]` have more than a name.
    let name = name.rsplit([':', '.']).next().unwrap_or_default();
    let fits = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    fits.then_some(name)
}
