//! Profiles are documents with versions; an invalid one changes nothing, and the error names the location.

use latchkey_proto::v1::{ApplyProfileRequest, GetProfileRequest, ListProfilesRequest};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{SHOP, Shop, refused, with_rate};
use latchkey_testing::{Database, ProfileBuilder, on_both};

on_both!(
    a_document_is_stored_as_the_next_version,
    a_bad_document_changes_nothing,
    a_dry_run_stores_nothing,
    an_applied_profile_is_judged_by_at_once,
    one_of_two_profiles_that_claim_a_host_at_once_is_applied,
    a_document_of_the_start_is_held_against_those_that_are_stored,
);

/// Returns a profile that has a host and a prefix of keys.
fn claiming(name: &str, host: &str, prefix: &str) -> String {
    let document = format!(
        "name = \"{name}\"\n[[hosts]]\nhost = \"{host}\"\n[credential]\nsources = [\"header:x-api-key\"]\n\
         [[kinds]]\nname = \"secret\"\nprefixes = {{ live = \"{prefix}_\" }}\n"
    );
    document + "[rate_limits]\ndefault = []\n"
}

/// Without a second check, both calls could read the stored profiles before either of them writes.
async fn one_of_two_profiles_that_claim_a_host_at_once_is_applied(database: Database) {
    let shop = Shop::open(database).await;
    for round in 0..20 {
        let (host, prefix) = (format!("h{round}.example.dev"), format!("k{round}"));
        let (left, right) = (format!("left-{round}"), format!("right-{round}"));
        let (left, right) = (claiming(&left, &host, &prefix), claiming(&right, &host, &prefix));
        let answers = tokio::join!(shop.operator.apply(&left), shop.operator.apply(&right));
        match answers {
            (Ok(_), Err(status)) | (Err(status), Ok(_)) => {
                assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
                assert!(status.message().contains(&host), "{status:?}");
            }
            both => panic!("round {round}: {both:?}"),
        }
    }
}

async fn a_document_of_the_start_is_held_against_those_that_are_stored(database: Database) {
    let stored = claiming("stored", "shop.example.dev", "one");
    let mut latchkey = database.setup().profile("given", &claiming("given", "a.example.dev", "two")).start();
    latchkey.operator().apply(&stored).await.expect("applied");
    latchkey.kill();
    let given = |document: &str| latchkey.folder().write("profiles/given.toml", document);
    let _ = given(&claiming("given", "shop.example.dev", "one"));
    let status = latchkey.relaunch();
    assert_eq!(status.code(), Some(2), "{}", latchkey.log());
    let log = latchkey.log();
    for words in ["given", "stored", "shop.example.dev", "requests could not be assigned to either profile"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    let _ = given(&claiming("given", "shop.example.dev", "two"));
    latchkey.restart();
    latchkey.kill();
    // A host that another document of the same start releases may be taken, in either order of the files.
    let _ = latchkey.folder().write("profiles/given.toml", &claiming("given", "shop.example.dev", "one"));
    let _ = latchkey.folder().write("profiles/stored.toml", &claiming("stored", "b.example.dev", "one"));
    latchkey.set("RUST_LOG", "info");
    latchkey.restart();
}

async fn version(shop: &Shop) -> u64 {
    let ask = GetProfileRequest { name: "shop".to_owned(), version: 0 };
    shop.operator.profiles().get_profile(ask).await.expect("a profile").into_inner().version
}

async fn a_document_is_stored_as_the_next_version(database: Database) {
    let shop = Shop::open(database).await;
    let changed = with_rate("200/min");
    let applied = shop.operator.apply(&changed).await.expect("applied");
    assert_eq!((applied.version, applied.document.as_str()), (2, changed.as_str()));
    assert_eq!(
        shop.operator.apply(&changed).await.expect("applied again").version,
        2,
        "nothing new, no new version"
    );
    let old = GetProfileRequest { name: "shop".to_owned(), version: 1 };
    let old = shop.operator.profiles().get_profile(old).await.expect("kept").into_inner();
    assert_eq!(old.document, SHOP);
    let none = GetProfileRequest { name: "shop".to_owned(), version: 9 };
    assert_eq!(refused(shop.operator.profiles().get_profile(none).await), Code::NotFound);
    let list =
        shop.operator.profiles().list_profiles(ListProfilesRequest {}).await.expect("a list").into_inner();
    assert_eq!(list.profiles.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["shop"]);
}

async fn a_bad_document_changes_nothing(database: Database) {
    let shop = Shop::open(database).await;
    let (_, value) = shop.operator.plain_key("acme", "live").await;
    let set = |path: &str, value: &str| ProfileBuilder::from_document(SHOP).set(path, value).build();
    let bad = [
        set("kinds[secret].default_scopes[0]", "nothing"),
        format!("{SHOP}\n[nonsense]\nx = 1\n"),
        set("kinds[publishable].prefixes.live", "shop_live_"),
        with_rate("many"),
        set("name", ""),
        set("name", "latchkey"),
        "name = ".to_owned(),
        String::new(),
    ];
    for (number, document) in bad.iter().enumerate() {
        let answer = shop.operator.apply(document).await;
        assert_eq!(refused(answer), Code::InvalidArgument, "number {number}");
    }
    let several = ProfileBuilder::from_document(SHOP)
        .set("rate_limits.default[0].rate", "many")
        .set("scopes[orders.read].aliases[0]", "bad alias")
        .add("extra", 1);
    let status = shop.operator.apply(&several.build()).await.expect_err("refused");
    let output = status.get_details_bad_request().expect("what is wrong").field_violations;
    assert!(output.iter().any(|v| v.description.contains("line")), "{output:?}");
    assert!(version(&shop).await == 1 && shop.admits(&value).await);
}

async fn a_dry_run_stores_nothing(database: Database) {
    let shop = Shop::open(database).await;
    let dry =
        ApplyProfileRequest { document: with_rate("300/min"), validate_only: true, ..Default::default() };
    shop.operator.profiles().apply_profile(dry).await.expect("a good document");
    assert_eq!(version(&shop).await, 1);
    let dry = ApplyProfileRequest { document: with_rate("many"), validate_only: true, ..Default::default() };
    assert_eq!(refused(shop.operator.profiles().apply_profile(dry).await), Code::InvalidArgument);
}

async fn an_applied_profile_is_judged_by_at_once(database: Database) {
    let shop = Shop::open(database).await;
    let (_, value) = shop.operator.plain_key("acme", "live").await;
    let call = |path: &str| latchkey_proto::v1::CheckRequest {
        credential: value.clone(),
        method: "GET".to_owned(),
        path: path.to_owned(),
        ..latchkey_proto::v1::CheckRequest::default()
    };
    assert_eq!(shop.operator.check(call("/new")).await.reason().as_str_name(), "REASON_ROUTE_NOT_ALLOWED");
    for scope in ["orders.read", "orders.write"] {
        let document = format!("{SHOP}\n[[routes]]\npath = \"/new\"\nscopes = [\"{scope}\"]\n");
        shop.operator.apply(&document).await.expect("applied");
        let reason = shop.operator.check(call("/new")).await.reason().as_str_name();
        assert_eq!(reason, if scope == "orders.read" { "REASON_OK" } else { "REASON_INSUFFICIENT_SCOPE" });
    }
}
