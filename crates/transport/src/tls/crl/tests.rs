//! What is taken for a list, what would refuse everybody or hide somebody, and how old a list is.

use std::fs;
use std::path::Path;

use super::*;
use crate::tls::fixture::{Ca, SERIAL, write};
use crate::tls::tests::{TlsFixture, VERSIONS, client, connect_once, setting_file as file};
use crate::tls::{TlsFiles, check_files};

const NOW: (i32, i32) = (2020, 4000);

/// A port that asks for certificates of this CA, and has these lists.
fn fixture_with_crls(clients: &Ca, lists: &str) -> TlsFixture {
    let mut fixture = TlsFixture::new(Some(clients));
    let crl = file(write(fixture.path(), "lists.pem", lists), "tls_client_crl");
    fixture.files.client_auth.as_mut().unwrap().crl = Some(crl);
    fixture
}

fn check_message(files: &TlsFiles) -> String {
    let told = check_files(files);
    assert!(told.len() <= 1, "{told:?}");
    told.first().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn whoever_is_on_a_list_is_refused_by_both_versions_and_in_both_forms() {
    let clients = Ca::new();
    let shown = clients.issue(&["ops.example"], false);
    for version in VERSIONS {
        for (serial, enters) in [(SERIAL, false), (SERIAL + 1, true)] {
            let list = clients.crl(&[serial], NOW);
            let fixture = fixture_with_crls(&clients, &list.pem().unwrap());
            let der = fixture.path().join("lists.pem");
            for form in ["PEM", "DER"] {
                let met =
                    connect_once(&fixture.acceptor(), client(&fixture.ca.pem, Some(&shown), version)).await;
                assert_eq!(met.is_ok(), enters, "{version:?} {serial} {form}: {met:?}");
                fs::write(&der, list.der()).unwrap();
            }
        }
    }
}

#[test]
fn lists_that_would_refuse_everybody_or_hide_somebody_are_told() {
    let clients = Ca::named("the CA");
    let list = |ca: &Ca| ca.crl(&[], NOW).pem().unwrap();
    let (own, strange) = (list(&clients), list(&Ca::named("another CA")));
    let part = |at: &str| clients.partitioned_crl(&[], NOW, Some(at)).pem().unwrap();
    let (one, two) = (part("http://crl.example/1"), part("http://crl.example/2"));
    let cases = [
        (own.clone(), ""),
        (format!("{own}{strange}"), ""),
        (format!("{one}{two}"), ""),
        (strange, "there is no list of \"the CA\" in "),
        (list(&Ca::named("the CA")), "is not signed by it"),
        (format!("{own}{own}"), "there are two lists of \"the CA\""),
        (format!("{own}{one}"), "there are two lists of \"the CA\""),
        (format!("{one}{two}{one}"), "there are two lists of \"the CA\""),
        (String::new(), "a list in it can't be used"),
        ("canary".to_owned(), "a list in it can't be used"),
        (clients.pem.clone(), "there is no revocation list"),
        (own.replace("MI", "AA"), "a list in it can't be used"),
        (own[..own.len() - 20].to_owned(), "is not the PEM of a revocation list"),
    ];
    for (lists, wrong) in cases {
        let told = check_message(&fixture_with_crls(&clients, &lists).files);
        assert_eq!(told.is_empty(), wrong.is_empty(), "{wrong}: {told}");
        assert!(told.contains(wrong) && !told.contains("canary"), "{wrong}: {told}");
        assert!(told.is_empty() || told.starts_with("tls_client_crl ("), "{told}");
    }
}

#[test]
fn a_file_that_is_not_there_is_told_beside_what_else_is_wrong() {
    let clients = Ca::new();
    let mut fixture = fixture_with_crls(&clients, "");
    let nowhere = |setting| file(Path::new("/nowhere/x.pem").to_owned(), setting);
    let crl = Some(nowhere("tls_client_crl"));
    fixture.files.client_auth = Some(crate::tls::ClientAuthFiles { ca: nowhere("tls_client_ca"), crl });
    let told: Vec<_> = check_files(&fixture.files).iter().map(ToString::to_string).collect();
    assert!(told.len() == 2 && told.iter().all(|one| one.contains("can't be read")), "{told:?}");
}

#[test]
fn lists_of_other_cas_are_named() {
    let (clients, other) = (Ca::named("the CA"), Ca::named("another CA"));
    let both = format!("{}{}", clients.crl(&[], NOW).pem().unwrap(), other.crl(&[], NOW).pem().unwrap());
    let fixture = fixture_with_crls(&clients, &both);
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let read =
        fixture.files.client_auth.unwrap().verifier(&provider).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    assert_eq!(read.foreign_issuers, ["\"another CA\""]);
}

#[test]
fn the_list_that_runs_out_first_counts() {
    let (one, two) = (Ca::new(), Ca::named("another CA"));
    let lists = [one.crl(&[], (2000, 2008)), two.crl(&[], (1990, 2010))];
    let lists = lists.map(|list| Crl::parse(list.der().clone()).unwrap());
    let validity = CrlSet(lists.into()).crl_validity().unwrap();
    // 2008-01-01, and an eighth of eight years before.
    assert_eq!(
        validity,
        CrlValidity { due: 1_199_145_600 - (1_199_145_600 - 946_684_800) / 8, expires: 1_199_145_600 }
    );
    let statuses = [validity.due - 1, validity.due, validity.expires - 1, validity.expires]
        .map(|now| validity.status(now));
    assert_eq!(statuses, [CrlStatus::Current, CrlStatus::Due, CrlStatus::Due, CrlStatus::Expired]);
}
