//! Tests that the committed `docs/api.md` is the page that is generated from the contract's comments and the table of
//! RPCs, and that every part of the contract has a comment. `LATCHKEY_WRITE=1 cargo test -p latchkey-grpc --test
//! api_page` generates the page again.

mod contract;
mod page;

use std::path::Path;

use contract::Contract;

const STATUS_SOURCE: &str = include_str!("../../src/status.rs");

#[test]
fn the_committed_page_is_the_generated_one() {
    let page = page::of(&Contract::read());
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    if std::env::var_os("LATCHKEY_WRITE").is_some() {
        std::fs::write(&file, &page).expect("failed to write docs/api.md");
    }
    let committed = std::fs::read_to_string(&file).expect("failed to read docs/api.md");
    assert!(
        committed == page,
        "docs/api.md differs from the contract; generate it again with LATCHKEY_WRITE=1"
    );
}

#[test]
fn every_part_of_the_contract_has_a_comment() {
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
        assert!(
            page.contains(&format!("| `{reason}` |")),
            "{reason} is missing in the page's table of errors"
        );
    }
}
