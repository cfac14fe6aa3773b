//! Changes of switches, sources, routes, limits and answers.

use super::*;

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
        (with("paths = \"case_sensitive\""), "paths"),
        (with("trailing_slash = \"ignore\""), "trailing_slash"),
        (with("format_suffix = \"distinct\""), "format_suffix"),
        (with("path_info = \"distinct\""), "path_info"),
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
        matches!(&change.affected[..], [AffectedRecords::Keys(keys)] if keys.environment.as_deref() == Some("test"))
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
fn the_first_host_that_covers_another_decides_about_its_calls() {
    let host = |name: &str, environment: &str| {
        format!("[[hosts]]\nhost = \"{name}\"\nenvironment = \"{environment}\"\n")
    };
    let hosts = "[[hosts]]\nhost = \"api.shop.dev\"\nenvironment = \"live\"\n[[hosts]]\nhost = \"test.shop.dev\"\nenvironment = \"test\"\n";
    assert!(SHOP.contains(hosts));
    let with = |all: &[String]| SHOP.replace(hosts, &all.concat());
    let (wide, api, narrow) =
        (host("*.shop.dev", "test"), host("api.shop.dev", "live"), host("new.shop.dev", "live"));
    let apart = with(&[api.clone(), wide.clone()]);
    for (new, words) in [
        // The order alone changes.
        (with(&[wide.clone(), api.clone()]), "`api.shop.dev` accepts keys of `test` in place of `live`"),
        // A narrower host with an environment of its own takes calls of the wider one.
        (
            with(&[api.clone(), narrow.clone(), wide.clone()]),
            "`new.shop.dev` accepts keys of `live` in place of `test`",
        ),
    ] {
        let changes = diff(Some(&apart), &new).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(changes.len(), 1, "{changes:#?}");
        assert!(changes[0].description.contains(words) && changes[0].takes_away, "{changes:#?}");
    }
    // Behind the wider host, the narrower one decides about no call.
    assert_eq!(diff(Some(&apart), &with(&[api, wide, narrow])), Ok(vec![]));
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
        (read, &read.replace(']', ", \"items.write\"]"), less, "also need `items.write`"),
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
    let open = changes.iter().find(|change| change.description.starts_with(words));
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
        ("rate = \"100/min\", algorithm = \"fixed_window\"", ChangeEffect::LimitRaised, "counts differently"),
    ] {
        let change = one("rate = \"100/min\"", to, effect, words);
        assert!(change.before == "100/min" && !change.after.is_empty(), "{change:#?}");
    }
    let plan =
        "[[plans]]\nname = \"big\"\nrate_limits = { default = [{ per = \"key\", rate = \"1000/min\" }] }\n";
    let change = one(plan, "", ChangeEffect::LosesAccess, "the plan `big` is removed");
    assert!(change.takes_away && change.affected == [AffectedRecords::Tenants { plan: "big".into() }]);
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
    let routes: Vec<String> = (0..1_000)
        .map(|n| {
            format!("[[routes]]\nmethods = [\"GET\"]\npath = \"/r{n}/{{id}}\"\nscopes = [\"s{}\"]\n", n % 200)
        })
        .collect();
    let scopes: Vec<String> = (0..200).map(|n| format!("[[scopes]]\nname = \"s{n}\"\n")).collect();
    let (scopes, routes) = (scopes.concat(), routes.concat());
    let old = format!("name = \"large\"\n[[kinds]]\nname = \"k\"\nprefix = \"k_\"\n{scopes}{routes}");
    let new =
        old.replace("path = \"/r500/{id}\"\nscopes = [\"s100\"]", "path = \"/r500/{id}\"\npublic = true");
    let changes = diff(Some(&old), &new).unwrap();
    assert!(changes.len() == 1 && changes[0].description.contains("GET /r500/{id}"), "{changes:#?}");
}
