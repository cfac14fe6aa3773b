//! Warnings about routes that overlap: those that no call reaches, and those of whose paths a wider route takes a part.

use latchkey_core::route::Pattern;

use crate::reader::{Section, Text};

/// Calls that a route matches.
struct RouteMatches {
    pattern: Pattern,
    /// The pattern in lower case.
    folded: Pattern,
    methods: Vec<String>,
}

impl RouteMatches {
    fn new(path: &Text<'_>, methods: &[Text<'_>]) -> Option<Self> {
        let methods = methods.iter().map(|m| m.to_ascii_uppercase()).collect();
        let pattern = Pattern::parse(path).ok()?;
        let folded = Pattern::parse(&path.to_lowercase()).unwrap_or_else(|_| pattern.clone());
        Some(Self { pattern, folded, methods })
    }

    fn takes(&self, method: &str) -> bool {
        let names = |name: &str| self.methods.iter().any(|m| m == name);
        self.methods.is_empty() || names(method) || (method == "HEAD" && names("GET"))
    }

    /// Returns true if this route matches every call that `other` matches.
    fn covers(&self, other: &Self) -> bool {
        let methods = self.methods.is_empty()
            || (!other.methods.is_empty() && other.methods.iter().all(|m| self.takes(m)));
        methods && self.pattern.covers(&other.pattern)
    }

    /// Returns true if this route matches calls that `other` matches, but for the letter case of the path.
    fn takes_in_another_case(&self, other: &Self) -> bool {
        let methods = self.methods.is_empty()
            || other.methods.is_empty()
            || other.methods.iter().any(|method| self.takes(method));
        methods && self.folded.covers(&other.folded) && !self.pattern.covers(&other.pattern)
    }

    fn is_wider(&self, other: &Self) -> bool {
        self.pattern.covers(&other.pattern) && !other.pattern.covers(&self.pattern)
    }
}

/// Warns of routes after others that match all of their calls, also in another letter case, and of routes that a wider one
/// catches: with methods that it names and they do not, or in another letter case.
pub(super) fn lint(root: &mut Section<'_>) {
    let case_sensitive = root.text("paths").is_some_and(|text| text.value == "case_sensitive");
    let distinct = root.text("format_suffix").is_some_and(|text| text.value == "distinct");
    let mut all: Vec<(Text<'_>, RouteMatches)> = Vec::new();
    for mut section in root.sections("routes") {
        let Some(path) = section.text("path") else { continue };
        let Some(matches) = RouteMatches::new(&path, &section.texts("methods")) else { continue };
        shadowed(&path, &matches, &all);
        if !case_sensitive {
            in_another_case(&path, &matches, &all);
        }
        all.push((path, matches));
    }
    for (index, (path, route)) in all.iter().enumerate() {
        let wider = || all[index + 1..].iter().map(|(_, wide)| wide).filter(|wide| wide.is_wider(route));
        let same_path = || {
            all.iter()
                .map(|(_, other)| other)
                .filter(|o| o.pattern.covers(&route.pattern) && !o.is_wider(route))
        };
        // A wider route for other methods alone is for other calls; one that shares methods is the general case.
        let shares = |wide: &&RouteMatches| wide.methods.iter().any(|method| route.takes(method));
        for wide in wider().filter(shares) {
            let caught =
                |method: &&String| *method != "OPTIONS" && !same_path().any(|other| other.takes(method));
            let caught: Vec<&str> = wide.methods.iter().filter(caught).map(String::as_str).collect();
            if !caught.is_empty() {
                path.report(format!(
                    "\"{}\" with {} belongs to the later and wider route \"{}\"; add a route for it if it should not",
                    route.pattern.text(),
                    caught.join(", "),
                    wide.pattern.text()
                ));
            }
        }
        if let Some(wide) = wider().next() {
            told_apart(path, route, wide, case_sensitive, distinct);
        }
    }
}

/// Warns of a route of whose paths a wider one takes other spellings, because the document tells them apart.
fn told_apart(
    path: &Text<'_>,
    route: &RouteMatches,
    wide: &RouteMatches,
    case_sensitive: bool,
    distinct: bool,
) {
    let (text, wide) = (route.pattern.text(), wide.pattern.text());
    if case_sensitive && has_letters(text) {
        path.report(format!(
            "\"{text}\" in another letter case belongs to the later and wider route \"{wide}\", because of paths = \
             \"case_sensitive\"; this is safe only if the service behind tells letter case apart"
        ));
    }
    if distinct && !text.ends_with(['}', '*', '/']) {
        path.report(format!(
            "\"{text}\" with a suffix such as .json belongs to the later and wider route \"{wide}\", because of \
             format_suffix = \"distinct\"; this is safe only if the service behind takes it for another path"
        ));
    }
}

/// Warns of a route if earlier ones match all of its calls, or those of some of its methods.
fn shadowed(path: &Text<'_>, matches: &RouteMatches, earlier: &[(Text<'_>, RouteMatches)]) {
    if let Some(index) = earlier.iter().position(|(_, route)| route.covers(matches)) {
        path.report(format!(
            "no call reaches this route: routes[{index}], \"{}\", matches all of its calls first",
            earlier[index].1.pattern.text()
        ));
        return;
    }
    let first = |method: &str| {
        let takes = |(_, route): &(Text<'_>, RouteMatches)| {
            route.takes(method) && route.pattern.covers(&matches.pattern)
        };
        earlier.iter().position(takes)
    };
    let methods = matches.methods.iter();
    let taken: Vec<(&String, usize)> =
        methods.filter_map(|method| first(method).map(|index| (method, index))).collect();
    for (method, index) in &taken {
        let all = if taken.len() == matches.methods.len() { "; no call reaches this route" } else { "" };
        path.report(format!(
            "{method} never reaches this route: routes[{index}], \"{}\", matches it first{all}",
            earlier[*index].1.pattern.text()
        ));
    }
}

/// Warns of a route whose path an earlier one has in another letter case: a call that leads to both is denied.
fn in_another_case(path: &Text<'_>, matches: &RouteMatches, earlier: &[(Text<'_>, RouteMatches)]) {
    let first = earlier.iter().position(|(_, route)| route.takes_in_another_case(matches));
    if let Some(index) = first {
        path.report(format!(
            "routes[{index}], \"{}\", has the paths of \"{}\" in another letter case, so that calls are denied unless \
             both require the same; paths = \"case_sensitive\" is for services that tell letter case apart",
            earlier[index].1.pattern.text(),
            matches.pattern.text()
        ));
    }
}

fn has_letters(path: &str) -> bool {
    let mut in_name = false;
    path.bytes().any(|byte| {
        in_name = (in_name || byte == b'{') && byte != b'}';
        !in_name && byte.is_ascii_alphabetic()
    })
}
