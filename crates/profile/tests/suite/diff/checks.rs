//! Changes of checks that confine calls and keys: tenants, resources, addresses, lifetimes, audiences and rate
//! classes.

use super::*;

/// Returns the shop with tables at the end.
fn with(tables: &str) -> String {
    format!("{SHOP}{tables}\n")
}

/// Returns the fields, effects and descriptions of the changes between two documents.
#[track_caller]
fn between(old: &str, new: &str) -> Vec<(String, ChangeEffect, String)> {
    let changes = diff(Some(old), new).unwrap_or_else(|errors| panic!("{errors}"));
    changes.into_iter().map(|change| (change.field, change.effect, change.description)).collect()
}

/// Asserts that the change between two documents is this one, and that the reverse grants nothing.
#[track_caller]
fn loosens(old: &str, new: &str, field: &str, words: &str) {
    let changes = between(old, new);
    let [(of, effect, text)] = changes.as_slice() else { panic!("{field}: {changes:#?}") };
    assert!(of == field && *effect == ChangeEffect::GrantsMore && text.contains(words), "{changes:#?}");
    let reverse = between(new, old);
    assert!(
        !reverse.is_empty() && reverse.iter().all(|(_, effect, _)| *effect != ChangeEffect::GrantsMore),
        "{field}: {reverse:#?}"
    );
}

#[test]
fn a_tenant_or_resource_that_calls_name_no_more_confines_nothing() {
    for (table, name, field, what) in [
        ("tenant", "source", "tenant.source", "tenant"),
        ("resource", "project", "resource.project", "resource `project`"),
    ] {
        let named = |place: &str| with(&format!("[{table}]\n{name} = \"{place}\""));
        loosens(&named("header:x-name"), SHOP, field, &format!("the {what} that calls name is not compared"));
        let closed = between(SHOP, &named("header:x-name"));
        assert_eq!(closed.len(), 1, "{closed:#?}");
        assert!(closed[0].1 == ChangeEffect::LosesAccess && closed[0].2.contains(what), "{closed:#?}");
        let moved = between(&named("header:x-name"), &named("query:name"));
        assert_eq!(moved.len(), 1, "{moved:#?}");
        assert!(
            moved[0].1 == ChangeEffect::GrantsMore && moved[0].2.contains("another source"),
            "{moved:#?}"
        );
        let changes = diff(Some(&named("header:x-name")), &named("query:name")).unwrap();
        assert_eq!((&*changes[0].before, &*changes[0].after), ("header:x-name", "query:name"));
    }
}

#[test]
fn another_way_to_find_the_address_of_the_client_grants_more() {
    let address = |fields: &str| with(&format!("[client_address]\n{fields}"));
    for (old, new, field) in [
        ("trusted_hops = 1", "trusted_hops = 2", "client_address.trusted_hops"),
        ("trusted_hops = 2", "trusted_hops = 1", "client_address.trusted_hops"),
        ("header = \"x-real-ip\"", "header = \"x-client\"", "client_address.header"),
    ] {
        let changes = between(&address(old), &address(new));
        assert_eq!(changes.len(), 1, "{changes:#?}");
        assert!(changes[0].0 == field && changes[0].1 == ChangeEffect::GrantsMore, "{changes:#?}");
    }
    loosens(
        &address("envoys = [\"10.1.0.0/16\"]"),
        &address("envoys = [\"10.0.0.0/8\"]"),
        "client_address.envoys",
        "Envoys in `10.0.0.0/8` are trusted",
    );
}

#[test]
fn a_header_that_is_set_no_more_is_one_that_clients_can_send() {
    let header = |name: &str| with(&format!("[upstream_headers]\n{name} = \"{{{{ tenant.slug }}}}\""));
    loosens(
        &header("X-Tenant-ID"),
        SHOP,
        "upstream_headers.X-Tenant-ID",
        "`X-Tenant-ID` of a client reaches",
    );
    let spelled = between(&header("X-Tenant-ID"), &header("x_tenant_id"));
    assert!(spelled.iter().all(|(_, effect, _)| *effect == ChangeEffect::AnswerChanges), "{spelled:#?}");
}

#[test]
fn a_denial_without_a_name_has_its_number_and_a_checksum_is_one_change() {
    let denial = |status: u16| format!("[[denials]]\nkinds = [\"page\"]\nstatus = {status}\n");
    let twice =
        "[[denials]]\nreasons = [\"REVOKED\"]\n[[denials]]\nreasons = [\"REVOKED\"]\nkinds = [\"page\"]\n";
    let document = |status: u16| with(&format!("{twice}{}", denial(status)));
    let [(field, ..)] = &between(&document(400), &document(403))[..] else { panic!("one change") };
    let number = document(400).matches("[[denials]]").count() - 1;
    assert_eq!(*field, format!("denials[{number}].status"));
    let sum = SHOP.replace("prefix = \"pk_\"\n", "prefix = \"pk_\"\nchecksum = true\n");
    let [(field, ..)] = &between(SHOP, &sum)[..] else { panic!("one change") };
    assert_eq!(field, "kinds[page].checksum");
}

#[test]
fn wider_bounds_of_lifetimes_grant_more() {
    let kind = |fields: &str| SHOP.replace("prefix = \"pk_\"\n", &format!("prefix = \"pk_\"\n{fields}\n"));
    let page = kind("");
    for (old, new, field, words) in [
        ("max_ttl = \"30d\"", "", "kinds[page].max_ttl", "can be valid for longer"),
        ("max_ttl = \"30d\"", "max_ttl = \"60d\"", "kinds[page].max_ttl", "can be valid for longer"),
        ("require_expiry = true", "", "kinds[page].require_expiry", "need not expire"),
        ("default_ttl = \"1d\"", "default_ttl = \"2d\"", "kinds[page].default_ttl", "names no expiry"),
        ("default_ttl = \"1d\"", "", "kinds[page].default_ttl", "names no expiry"),
    ] {
        loosens(&kind(old), &kind(new), field, words);
    }
    // A longest lifetime requires an expiry as well.
    let bounded = between(&kind("require_expiry = true"), &kind("max_ttl = \"30d\""));
    assert!(bounded.iter().all(|(_, effect, _)| *effect == ChangeEffect::Other), "{bounded:#?}");
    assert_eq!(between(SHOP, &page), []);
}

#[test]
fn an_audience_that_is_added_or_accepted_grants_more() {
    let audiences = |default: &str, more: &str| {
        SHOP.replace("audience = \"shop\"", &format!("audience = \"{default}\"\naudiences = [{more}]"))
    };
    loosens(
        &audiences("shop", "\"a\""),
        &audiences("shop", "\"a\", \"b\""),
        "jwt.audiences",
        "the audience `b`",
    );
    let moved = between(&audiences("shop", "\"a\""), &audiences("a", ""));
    let words = "JWTs that were issued for the audience `a` are accepted";
    assert!(
        moved.iter().any(|(_, effect, text)| *effect == ChangeEffect::GrantsMore && text.starts_with(words)),
        "{moved:#?}"
    );
}

#[test]
fn a_removed_rate_class_denies_calls_that_name_it() {
    let old = SHOP.replace("[rate_limits]\n", "[rate_limits]\nbulk = [{ per = \"key\", rate = \"1/s\" }]\n");
    let changes = between(&old, SHOP);
    let [(field, ChangeEffect::LosesAccess, text)] = changes.as_slice() else { panic!("{changes:#?}") };
    assert!(field == "rate_limits.bulk" && text.contains("the rate class `bulk` is removed"), "{changes:#?}");
}

#[test]
fn the_order_of_sources_is_a_change_where_the_first_one_decides() {
    let listed = "sources = [\"header:x-api-key\", \"header:authorization Bearer\"]";
    let other = "sources = [\"header:authorization Bearer\", \"header:x-api-key\"]";
    assert!(SHOP.contains(listed));
    assert_eq!(between(SHOP, &SHOP.replace(listed, other)), []);
    let first = |sources: &str| SHOP.replace(listed, &format!("{sources}\nconflict = \"first\""));
    let changes = between(&first(listed), &first(other));
    let [(field, ChangeEffect::Other, text)] = changes.as_slice() else { panic!("{changes:#?}") };
    assert!(field == "credential.sources" && text.contains("listed first"), "{changes:#?}");
}
