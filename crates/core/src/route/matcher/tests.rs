//! Routes of calls: the first declared one, and none where servers could choose another.

mod affixed;
mod errors;
mod method;
mod path_info;
mod suffix;

use proptest::prelude::*;

use super::*;
use crate::enforcement::Enforcement;
use crate::route::{PathError, Pattern, parse};
use crate::scope::{ScopeEntry, ScopeRegistry, ScopeSet};

fn route((methods, path): &(&str, &str)) -> Route {
    Route {
        pattern: Pattern::parse(path).unwrap(),
        methods: methods.split_terminator(',').map(Into::into).collect(),
        scopes: ScopeSet::default(),
        any_scopes: ScopeSet::default(),
        kinds: vec![],
        resource: vec![],
        class: None,
        public: false,
        encoded_slash: false,
        enforce: Enforcement::Enforced,
    }
}

/// Routes that require a scope each, so that no two are the same.
fn routes(all: &[(&str, &str)]) -> Routes {
    let scope = |number: usize| ScopeEntry {
        name: format!("s{number}").into(),
        description: "".into(),
        aliases: vec![],
        enforce: Enforcement::Enforced,
    };
    let scopes = ScopeRegistry::new((0..all.len()).map(scope).collect()).unwrap();
    let numbered = all
        .iter()
        .enumerate()
        .map(|(number, one)| Route { scopes: scopes.resolve(&[&*format!("s{number}")]), ..route(one) });
    Routes::new(numbered.collect())
}

/// The number of the route, or the reason of the refusal.
fn found(routes: &Routes, method: &str, path: &str) -> Result<Option<usize>, RouteRefusal> {
    match routes.resolve(method, &parse(path)) {
        RouteMatch::Found(number, _) => Ok(Some(number)),
        RouteMatch::Unmatched => Ok(None),
        RouteMatch::Refused(refusal) => Err(refusal),
    }
}

#[test]
fn the_first_declared_route_wins_even_over_a_more_specific_one() {
    let routes = routes(&[("GET", "/v1/{any}"), ("", "/v1/x"), ("", "/v1/**"), ("", "/**")]);
    let found = |method, path| found(&routes, method, path);
    assert_eq!(found("GET", "/v1/x"), Ok(Some(0)));
    assert_eq!(found("POST", "/v1/x"), Ok(Some(1)));
    assert_eq!(found("GET", "/v1"), Ok(Some(2)));
    assert_eq!(found("GET", "/v1/x/y"), Ok(Some(2)));
    assert_eq!(found("GET", "/"), Ok(Some(3)));
}

#[test]
fn a_call_that_fits_no_route_matches_none() {
    let routes = routes(&[("GET", "/v1/x"), ("GET", "/v1/{id}/z")]);
    for path in ["/v1/x/y", "/v1", "/"] {
        assert_eq!(found(&routes, "GET", path), Ok(None), "{path}");
    }
    assert_eq!(found(&routes, "GET", "/v1/x/z"), Ok(Some(1)));
}

#[test]
fn a_path_in_another_letter_case_reaches_no_wider_route() {
    let all = [("POST", "/v1/transactions/{id}/void"), ("", "/v1/refreshToken"), ("", "/v1/**")];
    let routes = routes(&all);
    let refused = Err(RouteRefusal::LetterCase);
    for (method, path, expected) in [
        ("POST", "/v1/transactions/7/void", Ok(Some(0))),
        ("POST", "/v1/transactions/Ab3/void", Ok(Some(0))),
        ("POST", "/v1/Transactions/7/void", refused),
        ("POST", "/v1/transactions/7/VOID", refused),
        ("PUT", "/v1/transactions/7/Void", refused),
        ("POST", "/v1/tran%C5%BFactions/7/void", refused),
        ("POST", "/v1/refreshToken", Ok(Some(1))),
        ("POST", "/v1/refreshtoken", refused),
        ("POST", "/v1/Else", Ok(Some(2))),
        ("POST", "/V1/else", refused),
    ] {
        assert_eq!(found(&routes, method, path), expected, "{method} {path}");
    }
    let sensitive = routes.case_sensitive(true);
    assert_eq!(found(&sensitive, "POST", "/v1/Transactions/7/void"), Ok(Some(2)));
    assert_eq!(found(&sensitive, "POST", "/V1/else"), Ok(None));
}

#[test]
fn a_last_slash_that_is_ignored_changes_no_route() {
    let all = [("", "/v1/orders/{id}"), ("", "/v1/orders"), ("", "/v1/**"), ("", "/v2/{shop}/x")];
    let refused = Err(RouteRefusal::Readings);
    let hidden = |error| Err(RouteRefusal::NonCanonical(error));
    let strict = routes(&all);
    let ignored = routes(&all).ignore_last_slash(true);
    for (path, by_default, expected) in [
        ("/v1/orders", Ok(Some(1)), Ok(Some(1))),
        ("/v1/orders/", refused, Ok(Some(1))),
        ("/v1/orders/7/", refused, Ok(Some(0))),
        ("/v2/a/x/", Ok(Some(3)), Ok(Some(3))),
        ("/v3/", Ok(None), Ok(None)),
        ("/v1/orders//", refused, refused),
        ("/v1/orders/%2F", hidden(PathError::EncodedSlash), hidden(PathError::EncodedSlash)),
        ("/v1//orders/", refused, refused),
        ("/v1/orders/;x=1/", hidden(PathError::Dots), hidden(PathError::Dots)),
        ("/v1/ORDERS/", Err(RouteRefusal::LetterCase), Err(RouteRefusal::LetterCase)),
    ] {
        assert_eq!(found(&strict, "GET", path), by_default, "{path}");
        assert_eq!(found(&ignored, "GET", path), expected, "{path}");
    }
}

#[test]
fn a_path_is_refused_if_its_readings_reach_different_routes() {
    let all = [("", "/v1/admin/**"), ("", "/v1/items/{id}"), ("", "/v1/@me"), ("", "/v1/**"), ("", "/v2/x")];
    let routes = routes(&all);
    let refused = Err(RouteRefusal::Readings);
    for (path, expected) in [
        ("/v1/items/1;x=1", Ok(Some(1))),
        ("/v1/items;x=1/1", refused),
        ("/v1/admin;x/y", refused),
        ("/v1//admin/x", refused),
        ("/v1/admin//x", Ok(Some(0))),
        ("/v1/items/1/", refused),
        ("/v1/else/", Ok(Some(3))),
        ("/v2/x/", Ok(Some(4))),
        ("/v2//x", refused),
        ("/v1/items/../admin/x", refused),
        ("/v1/admin/./x", Ok(Some(0))),
        ("/v1/%40me", Err(RouteRefusal::LetterCase)),
        ("/v1/items/a%40b", Ok(Some(1))),
        ("/v1/items/%7Ea", Ok(Some(1))),
        ("/v1/admi%6E/x", refused),
        ("/v1/items/1%3Fx", Ok(Some(1))),
        ("/v1/admin%3Fx/y", refused),
        ("/v1/items/a%2520b", Ok(Some(1))),
    ] {
        assert_eq!(found(&routes, "GET", path), expected, "{path}");
    }
}

#[test]
fn a_slash_at_the_end_does_not_hide_a_route_of_another_letter_case() {
    let inner = Route { public: true, ..route(&("", "/v1/x/**")) };
    let routes = Routes::new(vec![route(&("", "/v1/x")), inner, route(&("", "/v1/**"))]);
    assert_eq!(found(&routes, "GET", "/v1/X"), Ok(Some(2)), "no other requirements than /v1/x");
    for path in ["/v1/x/", "/v1/X/"] {
        assert_eq!(found(&routes, "GET", path), Err(RouteRefusal::Readings), "{path}");
    }
}

#[test]
fn readings_that_name_different_resources_are_refused() {
    let store = Route { resource: vec![("store".into(), 1.into())], ..route(&("", "/stores/{store}/**")) };
    let routes = Routes::new(vec![store]);
    assert_eq!(found(&routes, "GET", "/stores/s1/x;a"), Ok(Some(0)));
    assert_eq!(found(&routes, "GET", "/stores/s%40/x"), Ok(Some(0)));
    for path in ["/stores/s1;a/x", "/stores/s1/../s2/x", "/stores//s1/x"] {
        assert_eq!(found(&routes, "GET", path), Err(RouteRefusal::Readings), "{path}");
    }
}

#[test]
fn only_a_route_that_permits_an_encoded_slash_takes_one() {
    let open = Route { encoded_slash: true, ..route(&("", "/things/{id}")) };
    let routes = Routes::new(vec![open, route(&("", "/things/{id}/{part}")), route(&("", "/files/**"))]);
    assert!(routes.permits_encoded_slash());
    assert_eq!(found(&routes, "GET", "/things/group%2Fproject"), Ok(Some(0)));
    for path in ["/things/a/b%2Fc", "/files/a%2Fb", "/else%2Fx"] {
        assert_eq!(found(&routes, "GET", path), Err(RouteRefusal::EncodedSlash), "{path}");
    }
    let hidden = Err(RouteRefusal::NonCanonical(PathError::EncodedSlash));
    assert_eq!(found(&routes, "GET", "/things/a%2F..%2Fb"), hidden);
}

#[test]
fn ten_thousand_routes_are_distinguished() {
    let all: Vec<String> = (0..10_000).map(|n| format!("/v1/r{n}/{{id}}")).collect();
    let routes = Routes::new(all.iter().map(|path| route(&("GET", path))).collect());
    assert_eq!(found(&routes, "GET", "/v1/r9999/x"), Ok(Some(9_999)));
    assert_eq!(found(&routes, "GET", "/v1/r10000/x"), Ok(None));
}

/// A second, simple reading of a path, as a server makes it that decodes once and chooses by the first match.
fn simple_server(
    all: &[(&str, &str)],
    path: &str,
    fold: bool,
    merge: bool,
    parameters: bool,
) -> Option<usize> {
    let mut text = Vec::new();
    let mut bytes = path.split('?').next()?.bytes();
    while let Some(byte) = bytes.next() {
        text.push(if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        } else {
            byte
        });
    }
    let mut text = String::from_utf8(text).ok()?;
    if fold {
        text = text.to_lowercase();
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in text.split('/').skip(1) {
        let segment = if parameters { segment } else { segment.split(';').next()? };
        match segment {
            "" | "." if merge => {}
            ".." if merge => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    if segments.last() == Some(&"") {
        segments.pop();
    }
    let matches = |pattern: &str| {
        let pattern = if fold { pattern.to_lowercase() } else { pattern.to_owned() };
        let parts: Vec<&str> = pattern.split('/').skip(1).collect();
        let rest = parts.last() == Some(&"**");
        let fixed = parts.len() - usize::from(rest);
        let fits = |(part, segment): (&&str, &&str)| {
            let (prefix, suffix) = match part.split_once('{') {
                Some((prefix, rest)) => (prefix, rest.split_once('}').map_or("", |(_, suffix)| suffix)),
                None => return part == segment,
            };
            let value = segment.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
            value.is_some_and(|value| !value.is_empty())
        };
        (if rest { segments.len() >= fixed } else { segments.len() == fixed })
            && parts[..fixed].iter().zip(&segments).all(fits)
    };
    all.iter().position(|(_, pattern)| matches(pattern))
}

proptest! {
    #[test]
    fn no_server_takes_an_allowed_path_to_another_route(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "/", "/", "/", "v1", "V1", "items", "Items", "admin", "aDmin", "%61dmin", "x", ".", "..", "%2e", ";a",
                "%2f", "%252e", "%2541dmin", "%40me", "@me", "\\", "%5c", "?", "%", "%00", "%C5%BF",
            ]),
            0..9,
        ),
    ) {
        let all = [("", "/v1/admin/**"), ("", "/v1/items/{id}"), ("", "/v1/@me"), ("", "/v1/items/**"), ("", "/**")];
        let path = format!("/{}", parts.concat());
        if let Ok(Some(number)) = found(&routes(&all), "GET", &path) {
            for bits in 0..8 {
                let [fold, merge, parameters] = [1, 2, 4].map(|bit| bits & bit != 0);
                let other = simple_server(&all, &path, fold, merge, parameters);
                prop_assert_eq!(other, Some(number), "{} fold {} merge {}", path, fold, merge);
            }
        }
    }
}
