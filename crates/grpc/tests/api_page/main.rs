//! `docs/api.md` is made from the contract's files, with their comments and the table of who may call what; this
//! holds that it is the one that is committed, and that nothing of the contract is without a word about it.
//! `LATCHKEY_WRITE=1 cargo test -p latchkey-grpc --test api_page` writes it anew.

mod contract;
mod page;

use std::path::Path;

use contract::Contract;

const STATUS_SOURCE: &str = include_str!("../../src/status.rs");

#[test]
fn the_page_of_the_contract_is_what_the_contract_says() {
    let page = page::of(&Contract::read());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    if std::env::var_os("LATCHKEY_WRITE").is_some() {
        std::fs::write(&file, &page).expect("the page is written");
    }
    let committed = std::fs::read_to_string(&file).expect("docs/api.md");
    assert!(
        committed == page,
        "docs/api.md is not what the contract says; write it anew with LATCHKEY_WRITE=1"
    );
}

#[test]
fn everything_of_the_contract_has_words() {
    let undocumented = Contract::read().undocumented();
    assert!(undocumented.is_empty(), "without a comment: {undocumented:#?}");
}

#[test]
fn every_reason_of_an_error_is_on_the_page() {
    let page = page::of(&Contract::read());
    let code = STATUS_SOURCE.split("#[cfg(test)]").next().unwrap_or_default();
    let reasons: Vec<&str> =
        code.split("error_details(\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0)).collect();
    assert!(reasons.len() >= 10, "{reasons:?}");
    for reason in reasons {
        assert!(page.contains(&format!("| `{reason}` |")), "{reason} is not among the page's errors");
    }
}
