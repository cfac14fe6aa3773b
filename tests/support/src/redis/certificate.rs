//! A certificate for loopback, and the CA that signed it: created for each server, and deleted with its folder.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::Folder;

pub(super) const CA: &str = "ca.pem";
pub(super) const CERTIFICATE: &str = "server.pem";
pub(super) const KEY: &str = "server.key";

/// Writes the three files into the folder.
pub(super) fn make(folder: &Folder) {
    let key = || KeyPair::generate().expect("a key pair");
    let ca_key = key();
    let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let _ = folder.write(CA, &ca.self_signed(&ca_key).expect("a CA").pem());
    let (issuer, server_key) = (Issuer::new(ca, ca_key), key());
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]);
    let server = server.expect("parameters").signed_by(&server_key, &issuer).expect("a certificate");
    let _ = folder.write(CERTIFICATE, &server.pem());
    let _ = folder.write(KEY, &server_key.serialize_pem());
}
