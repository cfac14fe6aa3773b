//! Changes of routes that overlap: a route for any method does not take calls of a narrower path with listed methods.

use super::*;

const WIDE: &str = r#"
name = "shop"
unmatched_routes = "deny"
[[kinds]]
name = "k"
prefix = "k_"
[[scopes]]
name = "r"
[[scopes]]
name = "w"
"#;

/// Returns a document with these routes.
fn routes(routes: &[&str]) -> String {
    let routes: Vec<String> = routes.iter().map(|route| format!("[[routes]]\n{route}\n")).collect();
    format!("{WIDE}{}", routes.concat())
}

/// Returns the effects and descriptions of the changes between two lists of routes.
#[track_caller]
fn between(old: &[&str], new: &[&str]) -> Vec<(ChangeEffect, String)> {
    let changes = diff(Some(&routes(old)), &routes(new)).unwrap_or_else(|errors| panic!("{errors}"));
    changes.into_iter().map(|change| (change.effect, change.description)).collect()
}

const GET: &str = "methods = [\"GET\"]\npath = \"/v1/x\"\nscopes = [\"r\"]";
const DELETE: &str = "methods = [\"DELETE\"]\npath = \"/v1/x\"\nscopes = [\"w\"]";
const ALL: &str = "path = \"/**\"";

#[test]
fn a_further_method_of_a_path_whose_methods_are_listed_grants_more() {
    let more = |words: &str| (ChangeEffect::GrantsMore, words.to_owned());
    let less = |words: &str| (ChangeEffect::LosesAccess, words.to_owned());
    assert_eq!(
        between(&[GET, ALL], &[GET, DELETE, ALL]),
        [more("calls of `DELETE /v1/x` pass with `w`; they were denied")]
    );
    assert_eq!(
        between(&[GET, DELETE, ALL], &[GET, ALL]),
        [less("calls of `DELETE /v1/x` are denied: no route matches them any more")]
    );
}

#[test]
fn methods_that_no_route_lists_are_compared() {
    let opened = between(&[GET, ALL], &[ALL]);
    let words = "calls of other methods of `/v1/x` pass with any valid credential; they were denied";
    assert!(opened.contains(&(ChangeEffect::GrantsMore, words.to_owned())), "{opened:#?}");
    let closed = between(&[ALL], &[GET, ALL]);
    let words = "calls of other methods of `/v1/x` are denied: no route matches them any more";
    assert!(closed.contains(&(ChangeEffect::LosesAccess, words.to_owned())), "{closed:#?}");
    // The order decides: a route for any method before the narrower one takes all of its calls.
    let moved = between(&[GET, ALL], &[ALL, GET]);
    assert_eq!(moved, opened);
}

#[test]
fn a_method_of_a_wider_route_is_compared_on_narrower_paths() {
    let wide = "methods = [\"DELETE\"]\npath = \"/v1/**\"";
    let opened = between(&[GET, ALL], &[wide, GET, ALL]);
    let words = "calls of `DELETE /v1/x` pass with any valid credential; they were denied";
    assert_eq!(opened.iter().filter(|(effect, _)| *effect == ChangeEffect::GrantsMore).count(), 1);
    assert!(opened.contains(&(ChangeEffect::GrantsMore, words.to_owned())), "{opened:#?}");
}

#[test]
fn a_change_of_a_wider_route_is_shown_once() {
    let any =
        ["methods = [\"POST\"]\npath = \"/v1/x\"", "methods = [\"GET\"]\npath = \"/**\"\nscopes = [\"r\"]"];
    let free = [any[0], "methods = [\"GET\"]\npath = \"/**\""];
    let found = between(&any, &free);
    assert!(
        matches!(found.as_slice(), [(ChangeEffect::GrantsMore, words)] if words.starts_with("calls of `GET /**` need `r` no more; not counted: ")),
        "{found:#?}"
    );
}

#[test]
fn a_route_in_shadow_opens_what_needed_a_credential() {
    let authenticated = |list: &[&str]| {
        routes(list).replace("unmatched_routes = \"deny\"", "unmatched_routes = \"authenticate\"")
    };
    let shadow = "path = \"/x\"\nenforce = \"shadow\"";
    for (old, new, effect) in [
        (routes(&[ALL]), routes(&[shadow, ALL]), ChangeEffect::GrantsMore),
        (routes(&[]), routes(&[shadow]), ChangeEffect::GrantsMore),
        (authenticated(&[]), authenticated(&[shadow]), ChangeEffect::GrantsMore),
        (authenticated(&[shadow]), authenticated(&[]), ChangeEffect::LosesAccess),
    ] {
        let changes = diff(Some(&old), &new).unwrap_or_else(|errors| panic!("{errors}"));
        let of_calls = |change: &&ProfileChange| change.description.contains("`/x`");
        let found: Vec<_> = changes.iter().filter(of_calls).map(|change| change.effect).collect();
        assert!(!found.is_empty() && found.iter().all(|found| *found == effect), "{changes:#?}");
    }
}
