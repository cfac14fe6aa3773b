//! Tests of the parsing, the checks and the age of revocation lists.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::tls::fixture::{Ca, SERIAL, write};
use crate::tls::tests::{TlsFixture, VERSIONS, client, connect_once, setting_file as file};
use crate::tls::{TlsFiles, check_files};

const NOW: (i32, i32) = (2020, 4000);

/// Returns a port that asks for certificates of a CA and has these lists.
fn fixture_with_crls(clients: &Ca, lists: &str) -> TlsFixture {
    let mut fixture = TlsFixture::new(Some(clients));
    let crl = file(write(fixture.path(), "lists.pem", lists), "tls_client_crl");
    fixture.files.client_auth.as_mut().unwrap().crl = Some(crl);
    fixture
}

fn check_message(files: &TlsFiles) -> String {
    let errors = check_files(files);
    assert!(errors.len() <= 1, "{errors:?}");
    errors.first().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn a_revoked_certificate_is_rejected_with_both_versions_and_both_formats() {
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
fn lists_that_would_reject_all_clients_or_hide_a_list_are_reported() {
    let clients = Ca::named("the CA");
    let list = |ca: &Ca| ca.crl(&[], NOW).pem().unwrap();
    let (own, strange) = (list(&clients), list(&Ca::named("another CA")));
    let part = |at: &str| clients.partitioned_crl(&[], NOW, Some(at)).pem().unwrap();
    let (one, two) = (part("http://crl.example/1"), part("http://crl.example/2"));
    let cases = [
        (own.clone(), ""),
        (format!("{own}{strange}"), ""),
        (format!("{one}{two}"), ""),
        (strange, "there is no revocation list of \"the CA\" in "),
        (list(&Ca::named("the CA")), "is not signed by it"),
        (format!("{own}{own}"), "it has two revocation lists of \"the CA\""),
        (format!("{own}{one}"), "it has two revocation lists of \"the CA\""),
        (format!("{one}{two}{one}"), "it has two revocation lists of \"the CA\""),
        (String::new(), "a revocation list in it cannot be used"),
        ("canary".to_owned(), "a revocation list in it cannot be used"),
        (clients.pem.clone(), "there is no revocation list"),
        (own.replace("MI", "AA"), "a revocation list in it cannot be used"),
        (own[..own.len() - 20].to_owned(), "is not the PEM of a revocation list"),
    ];
    for (lists, expected) in cases {
        let message = check_message(&fixture_with_crls(&clients, &lists).files);
        assert_eq!(message.is_empty(), expected.is_empty(), "{expected}: {message}");
        assert!(message.contains(expected) && !message.contains("canary"), "{expected}: {message}");
        assert!(message.is_empty() || message.starts_with("tls_client_crl ("), "{message}");
    }
}

#[test]
fn the_list_of_several_that_cannot_be_used_is_named_with_the_cause() {
    let clients = Ca::named("the CA");
    let own = clients.crl(&[], NOW).pem().unwrap();
    let changed = |from: &[u8], to: &[u8]| {
        let mut der = clients.crl(&[], NOW).der().to_vec();
        let at = der.windows(from.len()).position(|window| window == from).unwrap();
        der[at..at + to.len()].copy_from_slice(to);
        let text = STANDARD.encode(&der);
        format!("-----BEGIN X509 CRL-----\n{text}\n-----END X509 CRL-----\n")
    };
    let cases = [
        // The month 13, and version 1, whose number is 0.
        (changed(b"200101000000Z", b"201301000000Z"), "it is truncated or malformed: invalid date"),
        (changed(&[2, 1, 1, 0x30], &[2, 1, 0, 0x30]), "UnsupportedCrlVersion"),
    ];
    for (broken, cause) in cases {
        let message =
            check_message(&fixture_with_crls(&clients, &format!("{own}{}{broken}", clients.pem)).files);
        let expected = format!("a revocation list in it cannot be used (list 2 of 2: {cause})");
        assert!(message.contains(&expected) && message.contains("lists.pem"), "{message}");
    }
    let message = check_message(&fixture_with_crls(&clients, &format!("{own}{own}")).files);
    assert!(message.contains("of \"the CA\" (numbers 1 and 1)"), "{message}");
    // Blocks of another kind are skipped.
    assert_eq!(check_message(&fixture_with_crls(&clients, &format!("{}{own}", clients.pem)).files), "");
}

#[test]
fn a_truncated_list_in_der_is_reported() {
    let clients = Ca::new();
    let fixture = fixture_with_crls(&clients, "");
    let list = clients.crl(&[SERIAL], NOW);
    let whole = list.der();
    for end in [1, 2, whole.len() / 2, whole.len() - 1] {
        fs::write(fixture.path().join("lists.pem"), &whole[..end]).unwrap();
        let message = check_message(&fixture.files);
        assert!(message.contains("cannot be used (list 1 of 1: it is truncated or malformed: "), "{message}");
    }
}

#[test]
fn a_missing_file_is_reported_beside_other_errors() {
    let clients = Ca::new();
    let mut fixture = fixture_with_crls(&clients, "");
    let nowhere = |setting| file(Path::new("/nowhere/x.pem").to_owned(), setting);
    let crl = Some(nowhere("tls_client_crl"));
    fixture.files.client_auth = Some(crate::tls::ClientAuthFiles { ca: nowhere("tls_client_ca"), crl });
    let messages: Vec<_> = check_files(&fixture.files).iter().map(ToString::to_string).collect();
    assert!(messages.len() == 2 && messages.iter().all(|one| one.contains("can't be read")), "{messages:?}");
}

#[test]
fn lists_of_other_cas_are_named() {
    let (clients, other) = (Ca::named("the CA"), Ca::named("another CA"));
    let both = format!("{}{}", clients.crl(&[], NOW).pem().unwrap(), other.crl(&[], NOW).pem().unwrap());
    let fixture = fixture_with_crls(&clients, &both);
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let read =
        fixture.files.client_auth.unwrap().verifier(&provider).unwrap_or_else(|errors| panic!("{errors:?}"));
    assert_eq!(read.foreign_issuers, ["\"another CA\""]);
}

#[test]
fn the_list_that_expires_first_counts() {
    let (one, two) = (Ca::new(), Ca::named("another CA"));
    let lists = [one.crl(&[], (2000, 2008)), two.crl(&[], (1990, 2010))];
    let lists = lists.map(|list| Crl::parse(list.der().clone()).unwrap());
    let validity = CrlSet(lists.into()).crl_validity().unwrap();
    // Expiry at 2008-01-01; due an eighth of eight years earlier.
    assert_eq!(
        validity,
        CrlValidity { due: 1_199_145_600 - (1_199_145_600 - 946_684_800) / 8, expires: 1_199_145_600 }
    );
    let statuses = [validity.due - 1, validity.due, validity.expires - 1, validity.expires]
        .map(|now| validity.status(now));
    assert_eq!(statuses, [CrlStatus::Current, CrlStatus::Due, CrlStatus::Due, CrlStatus::Expired]);
}
