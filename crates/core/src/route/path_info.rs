//! Paths behind a script or a session. A front controller answers `/index.php/v1/admin` as `/v1/admin` (`PATH_INFO` of CGI,
//! RFC 3875), and ASP.NET answers `/(S(x))/v1/admin` so. A server runs `/v1/admin/index.php` for `/v1/admin`.

use std::borrow::Cow;

use smallvec::SmallVec;

use super::segments;
use super::suffix::trimmed;

/// Extensions of files that servers run for the paths behind them, in lower case.
const SCRIPTS: [&str; 18] = [
    "ashx", "asmx", "asp", "aspx", "axd", "cfc", "cfm", "cgi", "fcgi", "jsp", "jspx", "phar", "php", "phtml",
    "pl", "py", "svc", "wsgi",
];

/// Files that servers run for the path of their folder, without their extension.
const INDEXES: [&str; 2] = ["default", "index"];

/// Most scripts in a path that is read. A path with more is an attempt to hide one.
const MAX_SCRIPTS: usize = 3;

/// Returns true if a segment of a canonical path may be a script or a session. Most paths have none.
pub(super) fn may_have_path_info(path: &str) -> bool {
    memchr::memchr2(b'.', b'(', path.as_bytes()).is_some()
}

/// Returns the other paths that servers may take a canonical path for: what follows each script, the path without the index of
/// a folder, and the path without sessions. Returns `None` if there are too many.
pub(super) fn inner_paths(path: &str) -> Option<SmallVec<[String; 2]>> {
    let plain = without_sessions(path);
    let mut inner: SmallVec<[String; 2]> = SmallVec::new();
    let mut scripts = 0;
    let mut begin = 0;
    while begin < plain.len() {
        let end = plain[begin + 1..].find('/').map_or(plain.len(), |slash| begin + 1 + slash);
        let (before, segment, after) = (&plain[..begin], &plain[begin + 1..end], &plain[end..]);
        begin = end;
        let Some(name) = script(segment) else { continue };
        scripts += 1;
        if scripts > MAX_SCRIPTS {
            return None;
        }
        if !after.is_empty() {
            inner.push(after.to_owned());
        }
        let is_index = INDEXES.iter().any(|index| name.eq_ignore_ascii_case(index));
        if is_index && (after.is_empty() || !before.is_empty()) {
            inner.push(rooted(format!("{before}{after}")));
        }
    }
    if let Cow::Owned(plain) = plain {
        inner.push(plain);
    }
    Some(inner)
}

/// Returns a path without segments of sessions, such as `(S(x))` and `(A(x)F(y))`.
fn without_sessions(path: &str) -> Cow<'_, str> {
    let is_session = |segment: &str| segment.starts_with('(') && segment.ends_with("))");
    if !segments(path).any(is_session) {
        return Cow::Borrowed(path);
    }
    let kept: Vec<&str> = segments(path).filter(|segment| !is_session(segment)).collect();
    Cow::Owned(format!("/{}", kept.join("/")))
}

/// Returns the name of a script without its extension.
fn script(segment: &str) -> Option<&str> {
    let (name, extension) = trimmed(segment).rsplit_once('.')?;
    // PHP's files may have its version.
    let extension = extension.trim_end_matches(|last: char| last.is_ascii_digit());
    SCRIPTS.iter().any(|script| extension.eq_ignore_ascii_case(script)).then_some(name)
}

fn rooted(path: String) -> String {
    if path.is_empty() { "/".to_owned() } else { path }
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
            ("/index.php/app.php/v1", &["/app.php/v1", "/v1"]),
            ("/v1/index.php/admin", &["/admin", "/v1/admin"]),
            ("/cgi-bin/run.cgi/a/b", &["/a/b"]),
            ("/v1/admin/index.php", &["/v1/admin"]),
            ("/Default.aspx", &["/"]),
            ("/(S(lit3py55t21z5v55vlm25s55))/v1/admin", &["/v1/admin"]),
            ("/(A(x)F(y))/index.aspx/v1", &["/v1", "/index.aspx/v1"]),
            ("/(S(x))", &["/"]),
            ("/v1/report.php", &[]),
            ("/v1.0/index.html/x", &[]),
            ("/v1/(a)/x", &[]),
            ("/v1/php/x", &[]),
            ("/", &[]),
        ] {
            let inner = inner_paths(path).unwrap();
            assert_eq!(inner.as_slice(), expected, "{path}");
            assert!(expected.is_empty() || may_have_path_info(path), "{path}");
        }
        assert!(!may_have_path_info("/v1/admin") && inner_paths(&"/a.php".repeat(4)).is_none());
    }
}
