//! Changes between two documents, by their effect on callers.

use latchkey_core::profile_change::{AffectedRecords, ChangeEffect, KeyGroup, ProfileChange};
use latchkey_profile::diff;

mod checks;
mod impacts;
mod routes;
mod rules;

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
    certain(diff(Some(SHOP), &SHOP.replace(from, to)).unwrap_or_else(|errors| panic!("{errors}")))
}

/// Returns the changes that do not depend on what is stored.
fn certain(mut changes: Vec<ProfileChange>) -> Vec<ProfileChange> {
    changes.retain(|change| !change.only_if_affected);
    changes
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
        [AffectedRecords::Keys(keys)] => keys.groups.clone(),
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
    let changes = certain(diff(Some(SHOP), &moved).unwrap());
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
        stopped.iter().any(|change| matches!(change.affected.as_slice(), [AffectedRecords::Users { environment: Some(name), .. }] if **name == *"test")),
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
        certain(diff(Some(SHOP), &document.replace("name = \"items.edit\"\n", &new)).unwrap())
    };
    let changes = renamed("");
    let lost = changes.iter().find(|change| change.takes_away).unwrap();
    assert!(
        lost.effect == ChangeEffect::LosesAccess && lost.description.contains("`items.write`"),
        "{lost:#?}"
    );
    assert!(
        matches!(&lost.affected[..], [AffectedRecords::Keys(keys)] if *keys.scopes == [Box::from("items.write")])
    );
    let changes = renamed("aliases = [\"items.write\"]\n");
    assert!(changes.iter().all(|change| change.effect == ChangeEffect::Other), "{changes:#?}");
    let change =
        one("aliases = [\"items.view\"]\n", "", ChangeEffect::LosesAccess, "loses the name `items.view`");
    assert!(change.takes_away);
}

#[test]
fn scopes_that_become_one_grant_more_to_those_who_have_one_of_them() {
    let merged = SHOP
        .replace(
            "aliases = [\"items.view\"]\n[[scopes]]\nname = \"items.write\"\n",
            "aliases = [\"items.view\", \"items.write\"]\n",
        )
        .replace("scopes = [\"items.write\"]", "scopes = [\"items.read\"]");
    let changes = diff(Some(SHOP), &merged).unwrap_or_else(|errors| panic!("{errors}"));
    let more: Vec<_> = changes.iter().filter(|change| change.effect == ChangeEffect::GrantsMore).collect();
    assert_eq!(more.len(), 1, "{changes:#?}");
    assert!(
        more[0].description.contains("`items.view`, `items.write` are names of one scope, `items.read`"),
        "{more:#?}"
    );
    assert!(!more[0].takes_away, "{more:#?}");
    let [AffectedRecords::Keys(keys), AffectedRecords::Users { roles, .. }] = more[0].affected.as_slice()
    else {
        panic!("{more:#?}");
    };
    assert_eq!(*keys.scopes, ["items.read", "items.view", "items.write"].map(Box::from));
    assert_eq!(**roles, [Box::from("clerk")]);
}

#[test]
fn many_lost_scopes_are_one_change() {
    let scopes: Vec<String> = (0..40).map(|n| format!("[[scopes]]\nname = \"s{n}\"\n")).collect();
    let scopes = scopes.concat();
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
            && matches!(&change.affected[..], [AffectedRecords::Users { roles, .. }] if roles.len() == 1)
    );
    let more = "name = \"clerk\"\nscopes = [\"items.read\", \"items.write\"]";
    let change = one(role, more, ChangeEffect::GrantsMore, "gain `items.write`");
    assert!(!change.takes_away);
    let other = "name = \"seller\"\nscopes = [\"items.read\"]";
    let changes = edit(role, other);
    assert_eq!(changes.len(), 2, "{changes:#?}");
    let added = &changes[0];
    assert!(added.effect == ChangeEffect::GrantsMore && !added.takes_away, "{added:#?}");
    assert!(
        added.description.contains("the role `seller` is added: its users have `items.read`"),
        "{added:#?}"
    );
    assert!(
        matches!(&added.affected[..], [AffectedRecords::Users { roles, .. }] if **roles == ["seller".into()])
    );
    assert!(changes[1].description.contains("the role `clerk` is removed") && changes[1].takes_away);
}

#[test]
fn changes_that_grant_more_are_first() {
    let open = SHOP
        .replace("unmatched_routes = \"deny\"", "unmatched_routes = \"authenticate\"\nenforce = \"shadow\"")
        .replace("few = [{ per = \"key\", rate = \"10/min\", burst = 20 }, ", "few = [")
        .replace("sk_live_", "s2_live_");
    let changes = certain(diff(Some(SHOP), &open).unwrap());
    let effects: Vec<ChangeEffect> = changes.iter().map(|change| change.effect).collect();
    let more = ChangeEffect::GrantsMore;
    assert_eq!(effects, [more, more, more, ChangeEffect::StopsWorking], "{changes:#?}");
    for words in ["nothing is enforced", "match no route pass", "`few` has no limit per key"] {
        assert!(changes.iter().any(|change| change.description.contains(words)), "{words}: {changes:#?}");
    }
}

#[test]
fn imported_keys_stop_working_with_their_kind_or_its_format() {
    let format = r#"format = { pattern = "[0-9a-f]{32}", max = 32 }"#;
    let old = format!("{SHOP}\n[[kinds]]\nname = \"legacy\"\n{format}");
    let other = old.replace("[0-9a-f]{32}", "[0-9A-F]{32}");
    for (new, words) in
        [(SHOP, "the kind `legacy` is removed"), (&other, "the kind `legacy` no longer takes keys")]
    {
        let changes = diff(Some(&old), new).unwrap_or_else(|errors| panic!("{errors}"));
        let stopped: Vec<_> = changes.iter().filter(|change| change.description.contains(words)).collect();
        assert_eq!(stopped.len(), 1, "{changes:?}");
        assert!(stopped[0].effect == ChangeEffect::StopsWorking && stopped[0].takes_away, "{stopped:?}");
    }
}
