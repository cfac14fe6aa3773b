//! Changes between two documents, by what they do to people.

use latchkey_core::profile_change::{Affected, ChangeEffect, KeyGroup, ProfileChange};
use latchkey_profile::diff;

const SHOP: &str = r#"
name = "shop"
unmatched_routes = "deny"
[credential]
sources = ["header:x-api-key", "header:authorization Bearer"]
[[hosts]]
host = "api.shop.dev"
environment = "live"
[[hosts]]
host = "test.shop.dev"
environment = "test"
[[kinds]]
name = "secret"
default = true
prefixes = { live = "sk_live_", test = "sk_test_" }
secret = "hex:32"
[[kinds]]
name = "page"
prefix = "pk_"
scopes = ["items.read"]
[[scopes]]
name = "items.read"
aliases = ["items.view"]
[[scopes]]
name = "items.write"
[[routes]]
methods = ["GET"]
path = "/items/{id}"
scopes = ["items.read"]
[[routes]]
methods = ["POST"]
path = "/items"
scopes = ["items.write"]
kinds = ["secret"]
rate_class = "few"
[[routes]]
path = "/health"
public = true
[rate_limits]
default = [{ per = "key", rate = "100/min" }]
few = [{ per = "key", rate = "10/min", burst = 20 }, { per = "ip", rate = "5/min", when = "unauthenticated" }]
[[plans]]
name = "big"
rate_limits = { default = [{ per = "key", rate = "1000/min" }] }
[jwt]
issuer = "https://shop.dev"
audience = "shop"
[[roles]]
name = "clerk"
scopes = ["items.read"]
[[denials]]
reasons = ["EXPIRED"]
status = 401
body = "expired"
[response_headers]
x-shop = "1"
"#;

/// Returns the changes of an edit of the document.
#[track_caller]
fn edit(from: &str, to: &str) -> Vec<ProfileChange> {
    assert_eq!(SHOP.matches(from).count(), 1, "{from}");
    diff(Some(SHOP), &SHOP.replace(from, to)).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Returns the only change of an edit.
#[track_caller]
fn only(from: &str, to: &str) -> ProfileChange {
    let changes = edit(from, to);
    assert_eq!(changes.len(), 1, "{changes:#?}");
    changes.into_iter().next().unwrap()
}

/// Asserts that an edit has one change, with this effect and these words.
#[track_caller]
fn one(from: &str, to: &str, effect: ChangeEffect, words: &str) -> ProfileChange {
    let change = only(from, to);
    assert!(change.effect == effect && change.description.contains(words), "{change:#?}");
    change
}

fn group(kind: &str, environment: &str, prefix: &str) -> KeyGroup {
    KeyGroup { kind: kind.into(), environment: environment.into(), prefix: prefix.into() }
}

/// Returns the keys that a change affects.
#[track_caller]
fn keys(change: &ProfileChange) -> Vec<KeyGroup> {
    assert!(change.takes_away, "{change:#?}");
    match change.affected.as_slice() {
        [Affected::Keys(keys)] => keys.groups.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_meaning_in_other_words_is_no_change() {
    assert_eq!(diff(Some(SHOP), SHOP), Ok(vec![]));
    assert_eq!(diff(None, SHOP), Ok(vec![]));
    assert_eq!(diff(Some(SHOP), &format!("# a comment\n{SHOP}")), Ok(vec![]));
    assert_eq!(
        edit(
            "scopes = [\"items.read\"]\n[[routes]]\nmethods",
            "scopes = [\"items.view\"]\n[[routes]]\nmethods"
        ),
        []
    );
    assert_eq!(edit("rate = \"100/min\"", "rate = \"100/60s\""), []);
    assert_eq!(edit("methods = [\"GET\"]", "methods = [\"get\"]"), []);
}

#[test]
fn a_changed_prefix_makes_the_keys_of_its_kind_and_environment_invalid() {
    let change = one("\"sk_live_\"", "\"s2_live_\"", ChangeEffect::StopsWorking, "`sk_live_` to `s2_live_`");
    assert_eq!(keys(&change), [group("secret", "live", "sk_live_")]);
    assert_eq!(change.field, "kinds[secret].prefixes");
    let change = one("prefix = \"pk_\"", "prefix = \"pub_\"", ChangeEffect::StopsWorking, "`pk_` to `pub_`");
    assert_eq!(keys(&change).len(), 2, "both environments have one cause: {change:#?}");
}

#[test]
fn another_form_of_the_values_makes_keys_invalid_unless_it_takes_the_old_ones() {
    for form in ["\"hex:24\"", "\"base62:32\"", "\"base64url:32\"", "\"hex:32\"\nchecksum = true"] {
        let changes = edit("\"hex:32\"", form);
        let change = &changes[0];
        assert!(change.description.contains("the form of values"), "{changes:#?}");
        assert_eq!(keys(change).len(), 2);
    }
    // 48 bytes in base64url have as many characters as 32 in hex, and an alphabet that has theirs.
    let changes = edit("\"hex:32\"", "\"base64url:48\"");
    assert!(changes.iter().all(|change| !change.takes_away), "{changes:#?}");
}

#[test]
fn a_prefix_that_another_kind_takes_over_keeps_its_keys() {
    let moved = SHOP
        .replace("live = \"sk_live_\", ", "")
        .replace("[[scopes]]\nname = \"items.write\"", "[[kinds]]\nname = \"old\"\nprefixes = { live = \"sk_live_\" }\nsecret = \"hex:32\"\n[[scopes]]\nname = \"items.write\"");
    let changes = diff(Some(SHOP), &moved).unwrap();
    assert!(changes.iter().all(|change| change.effect == ChangeEffect::Other), "{changes:#?}");
}

#[test]
fn a_kind_an_environment_or_all_keys_can_be_removed() {
    let without =
        SHOP.replace("[[kinds]]\nname = \"page\"\nprefix = \"pk_\"\nscopes = [\"items.read\"]\n", "");
    let changes = diff(Some(SHOP), &without).unwrap();
    assert!(changes[0].description.contains("the kind `page` is removed"), "{changes:#?}");
    assert_eq!(changes.len(), 1);
    let without = SHOP
        .replace(", test = \"sk_test_\"", "")
        .replace("[[hosts]]\nhost = \"test.shop.dev\"\nenvironment = \"test\"\n", "");
    let changes = diff(Some(SHOP), &without).unwrap();
    let stopped: Vec<&ProfileChange> =
        changes.iter().filter(|change| change.effect == ChangeEffect::StopsWorking).collect();
    assert!(stopped.iter().any(|change| change.description.contains("environment `test`")), "{changes:#?}");
    assert!(
        stopped.iter().any(|change| matches!(change.affected.as_slice(), [Affected::Users { environment: Some(name), .. }] if **name == *"test")),
        "{changes:#?}"
    );
    let change = one(
        "sources = [",
        "accepts = [\"jwt\"]\nsources = [",
        ChangeEffect::StopsWorking,
        "API keys are not accepted",
    );
    assert_eq!(keys(&change), [], "every key");
}

#[test]
fn a_scope_is_lost_by_its_removal_and_kept_under_an_alias() {
    let renamed = |aliases: &str| {
        let document = SHOP.replace("items.write", "items.edit");
        let new = format!("name = \"items.edit\"\n{aliases}");
        diff(Some(SHOP), &document.replace("name = \"items.edit\"\n", &new)).unwrap()
    };
    let changes = renamed("");
    let lost = changes.iter().find(|change| change.takes_away).unwrap();
    assert!(
        lost.effect == ChangeEffect::LosesAccess && lost.description.contains("`items.write`"),
        "{lost:#?}"
    );
    assert!(
        matches!(&lost.affected[..], [Affected::Keys(keys)] if *keys.scopes == [Box::from("items.write")])
    );
    let changes = renamed("aliases = [\"items.write\"]\n");
    assert!(changes.iter().all(|change| change.effect == ChangeEffect::Other), "{changes:#?}");
    let change =
        one("aliases = [\"items.view\"]\n", "", ChangeEffect::LosesAccess, "loses the name `items.view`");
    assert!(change.takes_away);
}

#[test]
fn many_lost_scopes_are_one_change() {
    let scopes: String = (0..40).map(|n| format!("[[scopes]]\nname = \"s{n}\"\n")).collect();
    let changes = diff(Some(&format!("{SHOP}{scopes}")), SHOP).unwrap();
    let lost: Vec<_> = changes.iter().filter(|change| change.takes_away).collect();
    assert!(lost.len() == 1 && lost[0].description.starts_with("40 scopes are removed"), "{lost:#?}");
}

#[test]
fn users_lose_and_gain_what_their_role_does() {
    let role = "name = \"clerk\"\nscopes = [\"items.read\"]";
    let change = one(role, "name = \"clerk\"\nscopes = []", ChangeEffect::LosesAccess, "lose `items.read`");
    assert!(
        change.takes_away
            && matches!(&change.affected[..], [Affected::Users { roles, .. }] if roles.len() == 1)
    );
    let more = "name = \"clerk\"\nscopes = [\"items.read\", \"items.write\"]";
    let change = one(role, more, ChangeEffect::GrantsMore, "gain `items.write`");
    assert!(!change.takes_away);
    let other = "name = \"seller\"\nscopes = [\"items.read\"]";
    let changes = edit(role, other);
    assert!(changes[0].description.contains("the role `clerk` is removed") && changes[0].takes_away);
}

#[test]
fn what_grants_more_is_first() {
    let open = SHOP
        .replace("unmatched_routes = \"deny\"", "unmatched_routes = \"authenticate\"\nenforce = \"shadow\"")
        .replace("few = [{ per = \"key\", rate = \"10/min\", burst = 20 }, ", "few = [")
        .replace("sk_live_", "s2_live_");
    let changes = diff(Some(SHOP), &open).unwrap();
    let effects: Vec<ChangeEffect> = changes.iter().map(|change| change.effect).collect();
    let more = ChangeEffect::GrantsMore;
    assert_eq!(effects, [more, more, more, ChangeEffect::StopsWorking], "{changes:#?}");
    for words in ["nothing is enforced", "match no route pass", "`few` has no limit per key"] {
        assert!(changes.iter().any(|change| change.description.contains(words)), "{words}: {changes:#?}");
    }
}

#[test]
fn each_switch_is_found_in_both_directions() {
    let (more, less) = (ChangeEffect::GrantsMore, ChangeEffect::LosesAccess);
    let name = "name = \"shop\"\n";
    let with = |line: &str| SHOP.replace(name, &format!("{name}{line}\n"));
    let sources = |line: &str| SHOP.replace("[credential]\n", &format!("[credential]\n{line}\n"));
    for (open, words) in [
        (with("enforce = \"shadow\""), "enforce"),
        (
            SHOP.replace("unmatched_routes = \"deny\"", "unmatched_routes = \"authenticate\""),
            "unmatched_routes",
        ),
        (sources("conflict = \"first\""), "credential.conflict"),
        (sources("forward = true"), "credential.forward"),
        (
            SHOP.replace("name = \"items.write\"\n", "name = \"items.write\"\nenforce = \"shadow\"\n"),
            "scopes[items.write].enforce",
        ),
        (
            SHOP.replace("default = true\n", "default = true\ndefault_scopes = [\"items.read\"]\n"),
            "kinds[secret].default_scopes",
        ),
        (
            SHOP.replace("prefix = \"pk_\"\n", "prefix = \"pk_\"\nretrievable = true\n"),
            "kinds[page].retrievable",
        ),
        (
            SHOP.replace(
                "scopes = [\"items.read\"]\n[[scopes]]",
                "scopes = [\"items.read\", \"items.write\"]\n[[scopes]]",
            ),
            "kinds[page].scopes",
        ),
        (
            SHOP.replace("default = true\n", "default = true\nmakes_keys_in = { test = [\"live\"] }\n"),
            "kinds[secret].makes_keys_in",
        ),
        (format!("{SHOP}[passwords]\nmin_length = 8\n"), "passwords.min_length"),
    ] {
        assert_ne!(open, SHOP, "{words}");
        let opened = diff(Some(SHOP), &open).unwrap();
        assert!(opened[0].effect == more && opened[0].field == words, "{words}: {opened:#?}");
        let closed = diff(Some(&open), SHOP).unwrap();
        assert!(
            !closed.is_empty() && closed.iter().all(|change| change.effect != more),
            "{words}: {closed:#?}"
        );
    }
    let tenant = "[tenant]\nsource = \"header:x-tenant\"\nrequired = ";
    let (required, free) = (format!("{SHOP}{tenant}true\n"), format!("{SHOP}{tenant}false\n"));
    assert_eq!(diff(Some(&required), &free).unwrap()[0].effect, more);
    assert_eq!(diff(Some(&free), &required).unwrap()[0].effect, less);
}

#[test]
fn a_source_or_a_host_that_is_gone_takes_keys_away() {
    let change = one("\"header:x-api-key\", ", "", ChangeEffect::StopsWorking, "`header:x-api-key`");
    assert!(change.takes_away && change.affected.len() == 2);
    let host = "[[hosts]]\nhost = \"test.shop.dev\"\nenvironment = \"test\"\n";
    let change = one(host, "", ChangeEffect::LosesAccess, "the host `test.shop.dev` are denied");
    assert!(
        matches!(&change.affected[..], [Affected::Keys(keys)] if keys.environment.as_deref() == Some("test"))
    );
    let other = host.replace("\"test\"", "\"live\"");
    let change = one(host, &other, ChangeEffect::LosesAccess, "in place of `test`");
    assert!(change.takes_away);
    let _ = one(
        host,
        &host.replace("environment = \"test\"\n", ""),
        ChangeEffect::GrantsMore,
        "every environment",
    );
    let more = format!("{host}[[hosts]]\nhost = \"eu.shop.dev\"\n");
    let _ = one(host, &more, ChangeEffect::GrantsMore, "`eu.shop.dev`");
}

#[test]
fn routes_are_compared_by_the_calls_that_they_take() {
    let (more, less) = (ChangeEffect::GrantsMore, ChangeEffect::LosesAccess);
    let read = "path = \"/items/{id}\"\nscopes = [\"items.read\"]";
    let write = "path = \"/items\"\nscopes = [\"items.write\"]\nkinds = [\"secret\"]";
    for (from, to, effect, words) in [
        (read, "path = \"/items/{id}\"\npublic = true", more, "`GET /items/{id}` pass without a credential"),
        (
            "path = \"/health\"\npublic = true",
            "path = \"/health\"",
            less,
            "need any valid credential; they were public",
        ),
        (read, "path = \"/items/{id}\"", more, "need `items.read` no more"),
        (read, &read.replace("]", ", \"items.write\"]"), less, "also need `items.write`"),
        (read, &read.replace("scopes", "any_scopes"), less, "also need one of `items.read`"),
        (read, &format!("{read}\nkinds = [\"page\"]"), less, "pass with keys of `page` alone"),
        (write, &write.replace("\nkinds = [\"secret\"]", ""), more, "keys of every kind"),
        (read, &format!("{read}\nenforce = \"shadow\""), more, "are not enforced any more"),
        (read, &format!("{read}\nencoded_slash = true"), more, "encoded slashes"),
        (read, &format!("{read}\nresource = {{ item = \"{{id}}\" }}"), less, "name `item` in their path"),
        (
            "methods = [\"GET\"]",
            "methods = [\"GET\", \"DELETE\"]",
            more,
            "`DELETE /items/{id}` pass with `items.read`; they were denied",
        ),
        (
            "methods = [\"POST\"]",
            "methods = [\"PUT\"]",
            less,
            "`POST /items` are denied: no route matches them",
        ),
    ] {
        let changes = edit(from, to);
        assert!(
            changes.iter().any(|change| change.effect == effect && change.description.contains(words)),
            "{words}: {changes:#?}"
        );
        assert!(changes.iter().all(|change| !change.takes_away), "{changes:#?}");
    }
}

#[test]
fn a_wider_route_before_others_changes_their_calls() {
    let first = "[[routes]]\nmethods = [\"GET\"]";
    let wide = format!("[[routes]]\npath = \"/**\"\npublic = true\n{first}");
    let changes = edit(first, &wide);
    let words = "calls of 3 routes pass without a credential (a public route)";
    let open = changes.iter().find(|change| change.description == words);
    let open = open.unwrap_or_else(|| panic!("{changes:#?}"));
    assert!(open.effect == ChangeEffect::GrantsMore && open.routes.len() == 3, "{open:#?}");
}

#[test]
fn limits_are_lower_higher_or_gone() {
    let lower = ChangeEffect::LimitLowered;
    for (to, effect, words) in [
        ("rate = \"50/min\"", lower, "`default` has a lower limit per key"),
        ("rate = \"1/s\"", lower, "lower"),
        ("rate = \"200/min\"", ChangeEffect::LimitRaised, "higher"),
        ("rate = \"100/min\", burst = 500", ChangeEffect::LimitRaised, "higher"),
        ("rate = \"100/min\", algorithm = \"fixed_window\"", ChangeEffect::Other, "counts differently"),
    ] {
        let change = one("rate = \"100/min\"", to, effect, words);
        assert!(change.before == "100/min" && !change.after.is_empty(), "{change:#?}");
    }
    let plan =
        "[[plans]]\nname = \"big\"\nrate_limits = { default = [{ per = \"key\", rate = \"1000/min\" }] }\n";
    let change = one(plan, "", ChangeEffect::LosesAccess, "the plan `big` is removed");
    assert!(change.takes_away && change.affected == [Affected::Tenants { plan: "big".into() }]);
    let change =
        one(plan, &plan.replace("1000", "900"), lower, "`default` on the plan `big` has a lower limit");
    assert!(!change.takes_away && change.affected.len() == 1);
    let _ = one(
        "rate_class = \"few\"\n",
        "",
        ChangeEffect::GrantsMore,
        "`default` in place of the rate class `few`",
    );
}

#[test]
fn answers_and_every_other_field_are_compared() {
    let answers = ChangeEffect::AnswerChanges;
    let change = one("body = \"expired\"", "body = \"gone\"", answers, "`denials[EXPIRED].body` changes");
    assert_eq!((change.before.as_str(), change.after.as_str()), ("expired", "gone"));
    let denial = "[[denials]]\nreasons = [\"EXPIRED\"]\nstatus = 401\nbody = \"expired\"\n";
    let _ = one(denial, "", answers, "`denials[EXPIRED]` is removed");
    let _ = one("x-shop = \"1\"", "x-shop = \"2\"", answers, "`response_headers.x-shop` changes");
    let _ = one("audience = \"shop\"", "audience = \"shops\"", ChangeEffect::LosesAccess, "another audience");
    let longer = "audience = \"shop\"\nrefresh_ttl = \"60d\"";
    let _ = one("audience = \"shop\"", longer, ChangeEffect::GrantsMore, "`refresh_ttl`");
    let families = "audience = \"shop\"\nmax_families = 5";
    let _ = one("audience = \"shop\"", families, ChangeEffect::Other, "`jwt.max_families` is added");
    let scope = "name = \"items.write\"\n";
    let _ =
        one(scope, &format!("{scope}description = \"Change items\"\n"), ChangeEffect::Other, "description");
    let added = format!("{scope}[[scopes]]\nname = \"items.delete\"\n");
    let _ = one(scope, &added, ChangeEffect::Other, "`scopes[items.delete]` is added");
}

#[test]
fn a_new_document_with_mistakes_has_no_changes_and_an_old_one_is_not_in_force() {
    assert!(diff(Some(SHOP), "name = 7").is_err());
    let changes = diff(Some("name = 7"), SHOP).unwrap();
    assert!(changes.len() == 1 && changes[0].description.contains("not in force"), "{changes:#?}");
}

#[test]
fn the_changes_of_a_large_profile_are_found() {
    let routes: String = (0..1_000)
        .map(|n| {
            format!("[[routes]]\nmethods = [\"GET\"]\npath = \"/r{n}/{{id}}\"\nscopes = [\"s{}\"]\n", n % 200)
        })
        .collect();
    let scopes: String = (0..200).map(|n| format!("[[scopes]]\nname = \"s{n}\"\n")).collect();
    let old = format!("name = \"large\"\n[[kinds]]\nname = \"k\"\nprefix = \"k_\"\n{scopes}{routes}");
    let new =
        old.replace("path = \"/r500/{id}\"\nscopes = [\"s100\"]", "path = \"/r500/{id}\"\npublic = true");
    let changes = diff(Some(&old), &new).unwrap();
    assert!(changes.len() == 1 && changes[0].description.contains("GET /r500/{id}"), "{changes:#?}");
}
