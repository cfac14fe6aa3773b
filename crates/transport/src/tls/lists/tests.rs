//! What is taken for a list, what would refuse everybody or hide somebody, and how old a list is.

use std::fs;
use std::path::Path;

use super::*;
use crate::tls::fixture::{Ca, SERIAL, write};
use crate::tls::tests::{House, VERSIONS, client, meet, named as file};
use crate::tls::{Files, check};

const NOW: (i32, i32) = (2020, 4000);

/// A port that asks for certificates of this CA, and has these lists.
fn listed(clients: &Ca, lists: &str) -> House {
    let mut house = House::new(Some(clients));
    let crl = file(write(house.path(), "lists.pem", lists), "tls_client_crl");
    house.files.clients.as_mut().unwrap().crl = Some(crl);
    house
}

fn told(files: &Files) -> String {
    let told = check(files);
    assert!(told.len() <= 1, "{told:?}");
    told.first().map(ToString::to_string).unwrap_or_default()
}

#[tokio::test]
async fn whoever_is_on_a_list_is_refused_by_both_versions_and_in_both_forms() {
    let clients = Ca::new();
    let shown = clients.issue(&["ops.example"], false);
    for version in VERSIONS {
        for (serial, enters) in [(SERIAL, false), (SERIAL + 1, true)] {
            let list = clients.list(&[serial], NOW);
            let house = listed(&clients, &list.pem().unwrap());
            let der = house.path().join("lists.pem");
            for form in ["PEM", "DER"] {
                let met = meet(&house.acceptor(), client(&house.ca.pem, Some(&shown), version)).await;
                assert_eq!(met.is_ok(), enters, "{version:?} {serial} {form}: {met:?}");
                fs::write(&der, list.der()).unwrap();
            }
        }
    }
}

#[test]
fn lists_that_would_refuse_everybody_or_hide_somebody_are_told() {
    let clients = Ca::named("the CA");
    let list = |ca: &Ca| ca.list(&[], NOW).pem().unwrap();
    let (own, strange) = (list(&clients), list(&Ca::named("another CA")));
    let part = |at: &str| clients.part(&[], NOW, Some(at)).pem().unwrap();
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
        let told = told(&listed(&clients, &lists).files);
        assert_eq!(told.is_empty(), wrong.is_empty(), "{wrong}: {told}");
        assert!(told.contains(wrong) && !told.contains("canary"), "{wrong}: {told}");
        assert!(told.is_empty() || told.starts_with("tls_client_crl ("), "{told}");
    }
}

#[test]
fn a_file_that_is_not_there_is_told_beside_what_else_is_wrong() {
    let clients = Ca::new();
    let mut house = listed(&clients, "");
    let nowhere = |setting| file(Path::new("/nowhere/x.pem").to_owned(), setting);
    let crl = Some(nowhere("tls_client_crl"));
    house.files.clients = Some(crate::tls::Clients { ca: nowhere("tls_client_ca"), crl });
    let told: Vec<_> = check(&house.files).iter().map(ToString::to_string).collect();
    assert!(told.len() == 2 && told.iter().all(|one| one.contains("can't be read")), "{told:?}");
}

#[test]
fn lists_of_other_cas_are_named() {
    let (clients, other) = (Ca::named("the CA"), Ca::named("another CA"));
    let both = format!("{}{}", clients.list(&[], NOW).pem().unwrap(), other.list(&[], NOW).pem().unwrap());
    let house = listed(&clients, &both);
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let read = house.files.clients.unwrap().verifier(&provider).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    assert_eq!(read.others, ["\"another CA\""]);
}

#[test]
fn the_list_that_runs_out_first_counts() {
    let (one, two) = (Ca::new(), Ca::named("another CA"));
    let lists = [one.list(&[], (2000, 2008)), two.list(&[], (1990, 2010))];
    let lists = lists.map(|list| List::parse(list.der().clone()).unwrap());
    let term = Lists(lists.into()).term().unwrap();
    // 2008-01-01, and an eighth of eight years before.
    assert_eq!(term, Term { due: 1_199_145_600 - (1_199_145_600 - 946_684_800) / 8, ends: 1_199_145_600 });
    let ages = [term.due - 1, term.due, term.ends - 1, term.ends].map(|now| term.age(now));
    assert_eq!(ages, [Age::Fresh, Age::Due, Age::Due, Age::Over]);
}
