//! Comparison of routes by the calls that they match.

use crate::reader::Text;

/// Calls that a route matches.
pub(super) struct RouteMatches<'d> {
    path: &'d str,
    methods: Vec<String>,
}

impl<'d> RouteMatches<'d> {
    pub(super) fn new(path: &Text<'d>, methods: &[Text<'_>]) -> Self {
        Self { path: path.value, methods: methods.iter().map(|m| m.to_ascii_uppercase()).collect() }
    }

    pub(super) fn path(&self) -> &'d str {
        self.path
    }

    /// Returns true if this route matches every call that `other` matches.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let methods = self.methods.is_empty()
            || (!other.methods.is_empty() && other.methods.iter().all(|m| self.methods.contains(m)));
        methods && path_covers(self.path, other.path)
    }
}

fn path_covers(wide: &str, narrow: &str) -> bool {
    let segments = |path: &'_ str| path.split('/').filter(|s| !s.is_empty()).map(str::to_owned).collect();
    let (wide, narrow): (Vec<String>, Vec<String>) = (segments(wide), segments(narrow));
    for (index, part) in wide.iter().enumerate() {
        match (part.as_str(), narrow.get(index).map(String::as_str)) {
            ("**", _) => return true,
            (_, None | Some("**")) => return false,
            (part, Some(other)) if part == other || part.starts_with('{') => {}
            (_, Some(_)) => return false,
        }
    }
    wide.len() == narrow.len()
}

#[cfg(test)]
mod tests {
    use super::path_covers;

    #[test]
    fn a_path_covers_what_it_matches_and_no_more() {
        for (wide, narrow) in [
            ("/**", "/v1"),
            ("/v1/**", "/v1"),
            ("/v1/{a}", "/v1/x"),
            ("/v1/{a}/y", "/v1/{b}/y"),
            ("/v1/**", "/v1/x/**"),
        ] {
            assert!(path_covers(wide, narrow), "{wide} {narrow}");
        }
        for (wide, narrow) in [
            ("/v1", "/v1/x"),
            ("/v1/x", "/v1/{a}"),
            ("/v1/{a}", "/v1/**"),
            ("/v1/x/**", "/v1"),
            ("/v1/{a}", "/v1"),
        ] {
            assert!(!path_covers(wide, narrow), "{wide} {narrow}");
        }
    }
}
