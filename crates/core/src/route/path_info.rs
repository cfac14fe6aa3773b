//! Paths behind a script or a session. A front controller answers `/index.php/v1/admin` as `/v1/admin` (`PATH_INFO` of CGI,
//! RFC 3875), or `/shop/app.php/v1/admin` as `/shop/v1/admin`, and ASP.NET answers `/(S(x))/v1/admin` so. A server runs
//! `/v1/admin/index.php` for `/v1/admin`.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::pattern::Part;
use super::suffix::trimmed;
use super::{Route, segments};

/// Extensions of files that servers run for the paths behind them, in lower case. Those that are also domains of countries
/// (`.pl`, `.py`) or common in names of data (`.svc`) would deny calls for email addresses, hosts and files.
const SCRIPTS: [&str; 9] = ["ashx", "aspx", "cfm", "cgi", "fcgi", "phar", "php", "phtml", "wsgi"];

/// Further extensions of scripts below a folder of CGI.
const CGI_SCRIPTS: [&str; 2] = ["pl", "py"];

/// Folder whose files servers run by CGI.
const CGI_FOLDER: &str = "cgi-bin";

/// Files that servers run for the path of their folder, without their extension.
const INDEXES: [&str; 2] = ["default", "index"];

/// Most scripts in a path that is read. A path with more is an attempt to hide one.
const MAX_SCRIPTS: usize = 3;

/// Path that servers may take another path for.
#[derive(Debug)]
pub(super) struct InnerPath {
    pub(super) path: String,
    /// Index of the segment of the other path that is dropped: the script, or the first session.
    pub(super) dropped: usize,
}

/// Returns true if a segment of a canonical path may be a script or a session. Most paths have none.
pub(super) fn may_have_path_info(path: &str) -> bool {
    memchr::memchr2(b'.', b'(', path.as_bytes()).is_some()
}

/// Returns the other paths that servers may take a canonical path for: what follows each script, the path without the script
/// or without the index of a folder, and the path without sessions. Returns `None` if there are too many.
pub(super) fn inner_paths(path: &str) -> Option<SmallVec<[InnerPath; 2]>> {
    let plain = without_sessions(path);
    let mut inner: SmallVec<[InnerPath; 2]> = SmallVec::new();
    let (mut scripts, mut end, mut is_cgi) = (0, 0, false);
    for (dropped, segment) in segments(path).enumerate().filter(|(_, segment)| !is_session(segment)) {
        let before = plain.get(..end)?;
        end += 1 + segment.len();
        let after = plain.get(end..)?;
        let Some(name) = script(segment, is_cgi) else {
            is_cgi |= segment.eq_ignore_ascii_case(CGI_FOLDER);
            continue;
        };
        scripts += 1;
        if scripts > MAX_SCRIPTS {
            return None;
        }
        let mut push = |path: String| inner.push(InnerPath { path, dropped });
        if !after.is_empty() {
            push(after.to_owned());
            if !before.is_empty() {
                push(format!("{before}{after}"));
            }
        } else if INDEXES.iter().any(|index| name.eq_ignore_ascii_case(index)) {
            push(if before.is_empty() { "/".to_owned() } else { before.to_owned() });
        }
    }
    if let Some(dropped) = segments(path).position(is_session) {
        inner.push(InnerPath { path: plain.into_owned(), dropped });
    }
    Some(inner)
}

/// Returns true if a route takes an inner path in place of a route that takes the script by `{name}`. The name of a file is
/// data of a call, and leads to no route that is wider: one that covers the other's pattern, or takes as many segments by
/// `{name}` as the other one does not have literally.
pub(super) fn is_hidden(behind: &Route, found: &Route, path: &str) -> bool {
    let named = behind.pattern.parts.iter().filter(|part| matches!(part, Part::Any(_))).count();
    let parts = &found.pattern.parts;
    let is_open = |index: &usize| !matches!(parts.get(*index), Some(Part::Literal(_)));
    !behind.pattern.covers(&found.pattern) && named < (0..segments(path).count()).filter(is_open).count()
}

/// Returns a path without segments of sessions.
fn without_sessions(path: &str) -> Cow<'_, str> {
    if !segments(path).any(is_session) {
        return Cow::Borrowed(path);
    }
    let kept: Vec<&str> = segments(path).filter(|segment| !is_session(segment)).collect();
    Cow::Owned(format!("/{}", kept.join("/")))
}

/// Returns true for a segment such as `(S(x))` and `(A(x)F(y))`.
fn is_session(segment: &str) -> bool {
    segment.starts_with('(') && segment.ends_with("))")
}

/// Returns the name of a script without its extension.
fn script(segment: &str, is_cgi: bool) -> Option<&str> {
    let (name, extension) = trimmed(segment).rsplit_once('.')?;
    // PHP's files may have its version.
    let extension = extension.trim_end_matches(|last: char| last.is_ascii_digit());
    let is_one_of = |all: &[&str]| all.iter().any(|one| extension.eq_ignore_ascii_case(one));
    (is_one_of(&SCRIPTS) || (is_cgi && is_one_of(&CGI_SCRIPTS))).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_read_behind_each_script_and_without_it() {
        for (path, expected) in [
            ("/index.php/v1/admin", &["/v1/admin"][..]),
            ("/INDEX.PHP/v1", &["/v1"]),
            ("/app_dev.php5/v1", &["/v1"]),
            ("/index.php./v1", &["/v1"]),
            ("/index.php%20/v1", &["/v1"]),
            ("/index.php/app.php/v1", &["/app.php/v1", "/v1", "/index.php/v1"]),
            ("/v1/index.php/admin", &["/admin", "/v1/admin"]),
            ("/shop/app.php/v1", &["/v1", "/shop/v1"]),
            ("/cgi-bin/run.cgi/a/b", &["/a/b", "/cgi-bin/a/b"]),
            ("/CGI-BIN/x/run.pl/a", &["/a", "/CGI-BIN/x/a"]),
            ("/v1/admin/index.php", &["/v1/admin"]),
            ("/Default.aspx", &["/"]),
            ("/(S(lit3py55t21z5v55vlm25s55))/v1/admin", &["/v1/admin"]),
            ("/(A(x)F(y))/index.aspx/v1", &["/v1", "/index.aspx/v1"]),
            ("/(S(x))", &["/"]),
            ("/v1/report.php", &[]),
            ("/v1.0/index.html/x", &[]),
            ("/v1/(a)/x", &[]),
            ("/v1/php/x", &[]),
            ("/run.cgi/v1", &["/v1"]),
            ("/v1/anna@example.pl/x", &[]),
            ("/v1/files/index.py", &[]),
            ("/v1/shop.default.svc/x", &[]),
            ("/", &[]),
        ] {
            let inner = inner_paths(path).unwrap();
            let paths: Vec<&str> = inner.iter().map(|inner| inner.path.as_str()).collect();
            assert_eq!(paths, expected, "{path}");
            assert!(expected.is_empty() || may_have_path_info(path), "{path}");
        }
        assert!(!may_have_path_info("/v1/admin") && inner_paths(&"/a.php".repeat(4)).is_none());
    }

    #[test]
    fn an_inner_path_names_the_segment_that_it_drops() {
        for (path, expected) in [
            ("/shop/app.php/v1", &[1_usize, 1][..]),
            ("/v1/(S(x))/(F(y))/index.aspx", &[3, 1]),
            ("/index.php", &[0]),
        ] {
            let dropped: Vec<usize> = inner_paths(path).unwrap().iter().map(|inner| inner.dropped).collect();
            assert_eq!(dropped, expected, "{path}");
        }
    }
}
