//! Keys and users that changes of routes, switches and issuers affect, or the words about those that are not counted.

use latchkey_core::profile_change::AffectedKeys;

use super::*;

fn keys_with(scopes: &[&str], kinds: &[&str]) -> AffectedRecords {
    let list = |names: &[&str]| names.iter().map(|name| Box::from(*name)).collect();
    AffectedRecords::Keys(AffectedKeys {
        scopes: list(scopes),
        kinds: list(kinds),
        ..AffectedKeys::default()
    })
}

fn users(roles: &[&str]) -> AffectedRecords {
    AffectedRecords::Users { roles: roles.iter().map(|role| Box::from(*role)).collect(), environment: None }
}

/// Returns the change of an edit that has this effect and these words.
#[track_caller]
fn find(from: &str, to: &str, effect: ChangeEffect, words: &str) -> ProfileChange {
    let changes = edit(from, to);
    let found = changes.iter().find(|change| change.effect == effect && change.description.contains(words));
    found.cloned().unwrap_or_else(|| panic!("{words}: {changes:#?}"))
}

const READ: &str = "path = \"/items/{id}\"\nscopes = [\"items.read\"]";
const WRITE: &str = "path = \"/items\"\nscopes = [\"items.write\"]\nkinds = [\"secret\"]";
const GET: &str = "methods = [\"GET\"]\npath = \"/items/{id}\"";

#[test]
fn a_change_of_a_route_affects_the_keys_and_users_that_have_its_scopes() {
    let less = ChangeEffect::LosesAccess;
    let change =
        find(GET, &GET.replace("GET", "PUT"), ChangeEffect::GrantsMore, "`PUT /items/{id}` pass with");
    let readers = [keys_with(&["items.read", "items.view"], &[]), users(&["clerk"])];
    assert_eq!(change.affected, readers, "an alias is a name of the scope");
    let changes = edit("methods = [\"POST\"]", "methods = [\"PUT\"]");
    let gone = changes.iter().find(|change| change.effect == less).unwrap();
    assert_eq!(gone.affected, [keys_with(&["items.write"], &["secret"])], "no user is of a kind");
    assert!(!gone.description.contains("counted"), "{gone:#?}");
    let more = READ.replace(']', ", \"items.write\"]");
    let change = find(READ, &more, less, "; at most the keys and users that are counted are affected");
    assert_eq!(change.affected, readers);
    let change = find(READ, &format!("{READ}\nkinds = [\"page\"]"), less, "pass with keys of `page` alone");
    assert_eq!(change.affected, [keys_with(&["items.read", "items.view"], &["secret"]), users(&["clerk"])]);
    let change =
        find(WRITE, &WRITE.replace("\"secret\"", "\"secret\", \"page\""), ChangeEffect::GrantsMore, "");
    assert_eq!(change.affected, [keys_with(&["items.write"], &["page"])]);
}

#[test]
fn routes_that_change_alike_affect_the_keys_and_users_of_each() {
    let without = SHOP.replace(GET, "methods = [\"GET\"]\npath = \"/a\"");
    let without =
        without.replace("methods = [\"POST\"]\npath = \"/items\"", "methods = [\"POST\"]\npath = \"/b\"");
    let changes = diff(Some(SHOP), &without).unwrap();
    let gone = changes.iter().find(|change| change.description.contains("2 routes are denied")).unwrap();
    let scopes = ["items.read", "items.view", "items.write"];
    // One of the routes is for every kind.
    assert_eq!(gone.affected, [keys_with(&scopes, &[]), users(&["clerk"])]);
    assert!(gone.description.ends_with("; at most the keys and users that are counted are affected"));
}

#[test]
fn a_change_that_is_not_counted_says_so() {
    let (more, less) = (ChangeEffect::GrantsMore, ChangeEffect::LosesAccess);
    let public = "path = \"/items/{id}\"\npublic = true";
    let name = "name = \"shop\"\n";
    for (from, to, effect, words) in [
        (READ, public, more, "(a public route); not counted: calls without a credential"),
        (READ, "path = \"/items/{id}\"", more, "; not counted: the store finds keys by the scopes"),
        (READ, &format!("{READ}\nencoded_slash = true"), more, "; not counted: what clients send"),
        (
            READ,
            &format!("{READ}\nresource = {{ item = \"{{id}}\" }}"),
            less,
            "; not counted: keys are not found",
        ),
        (name, &format!("{name}paths = \"case_sensitive\"\n"), more, "; not counted: what clients send"),
        (
            "name = \"items.write\"\n",
            "name = \"items.write\"\nenforce = \"shadow\"\n",
            more,
            "; not counted: ",
        ),
    ] {
        let change = find(from, to, effect, words);
        assert_eq!(change.affected, [], "{change:#?}");
    }
}

#[test]
fn a_switch_or_an_issuer_affects_every_key_and_user_that_it_is_about() {
    let more = ChangeEffect::GrantsMore;
    let all = [keys_with(&[], &[]), users(&[])];
    let name = "name = \"shop\"\n";
    assert_eq!(
        find(name, &format!("{name}enforce = \"shadow\"\n"), more, "nothing is enforced").affected,
        all
    );
    let deny = "unmatched_routes = \"deny\"";
    assert_eq!(find(deny, "unmatched_routes = \"authenticate\"", more, "match no route").affected, all);
    let issuer = "issuer = \"https://shop.dev\"";
    let other = "issuer = \"https://login.shop.dev\"";
    let change =
        find(issuer, other, ChangeEffect::LosesAccess, "; not counted: the store does not find keys");
    assert_eq!(change.affected, [users(&[])]);
}

#[test]
fn ten_changes_of_many_routes_are_counted() {
    let scopes: Vec<_> = (0..20).map(|n| format!("[[scopes]]\nname = \"s{n}\"\n")).collect();
    let scopes = scopes.concat();
    let routes = |prefix: &str| -> String {
        let route = |n| format!("[[routes]]\npath = \"/{prefix}{n}\"\nscopes = [\"s{n}\"]\n");
        (0..20).map(route).collect::<Vec<_>>().concat()
    };
    let start = "name = \"large\"\nunmatched_routes = \"deny\"\n[[kinds]]\nname = \"k\"\nprefix = \"k_\"\n";
    let old = format!("{start}{scopes}");
    let changes = diff(Some(&old), &format!("{old}{}", routes("r"))).unwrap();
    let counted = changes.iter().filter(|change| !change.affected.is_empty()).count();
    let said =
        changes.iter().filter(|change| change.description.contains("; not counted: ten other")).count();
    assert_eq!((changes.len(), counted, said), (20, 10, 10), "{changes:#?}");
}

#[test]
fn a_new_environment_is_open_to_users_without_one() {
    let prefixes = "live = \"sk_live_\", test = \"sk_test_\"";
    let added = format!("{prefixes}, stage = \"sk_stage_\"");
    let change =
        find(prefixes, &added, ChangeEffect::GrantsMore, "the environment `stage` is added: users without");
    assert_eq!(change.affected, [AffectedRecords::UnconfinedUsers]);
    assert!(!change.takes_away, "{change:?}");
}

/// Returns the changes that depend on what is stored.
fn returning(old: &str, new: &str) -> Vec<ProfileChange> {
    let mut changes = diff(Some(old), new).unwrap_or_else(|errors| panic!("{errors}"));
    changes.retain(|change| change.only_if_affected);
    assert!(changes.iter().all(|change| change.effect == ChangeEffect::GrantsMore && !change.takes_away));
    changes
}

#[test]
fn keys_of_an_earlier_version_return_with_their_kind_prefix_or_scope() {
    let page = "[[kinds]]\nname = \"page\"\nprefix = \"pk_\"\nscopes = [\"items.read\"]\n";
    let without = SHOP.replace(page, "");
    let change = returning(&without, SHOP).remove(0);
    assert!(change.description.contains("the kind `page` and the prefix `pk_` work again"), "{change:?}");
    let groups = vec![group("page", "live", "pk_"), group("page", "test", "pk_")];
    assert_eq!(change.affected, [AffectedRecords::Keys(AffectedKeys { groups, ..AffectedKeys::default() })]);
    assert_eq!(returning(SHOP, &without), []);
    let renamed = SHOP.replace("\"sk_live_\"", "\"s2_live_\"");
    let groups = vec![group("secret", "live", "sk_live_")];
    let back = returning(&renamed, SHOP).remove(0);
    assert_eq!(back.affected, [AffectedRecords::Keys(AffectedKeys { groups, ..AffectedKeys::default() })]);
    let added = SHOP.replace(
        "[[scopes]]\nname = \"items.write\"",
        "[[scopes]]\nname = \"items.write\"\n[[scopes]]\nname = \"items.delete\"\naliases = [\"items.drop\"]",
    );
    let change = returning(SHOP, &added).remove(0);
    assert_eq!(change.affected, [keys_with(&["items.delete", "items.drop"], &[])]);
    let alias = SHOP.replace("aliases = [\"items.view\"]", "aliases = [\"items.view\", \"items.see\"]");
    let change = returning(SHOP, &alias).remove(0);
    assert_eq!(change.affected, [keys_with(&["items.see"], &[])], "another name of a scope that was there");
}
