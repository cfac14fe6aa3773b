//! Names in a client's certificate, which has been verified before. They are read by webpki, which verified it: a second
//! parser could take other names from the same bytes.

use latchkey_core::principal::{CertificateName, ClientCertificate};
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Maximum number of names; further ones are ignored, since every call searches through them.
const MAX_NAMES: usize = 64;

/// Returns the host names and URIs that a certificate was issued for.
pub(super) fn certificate_names(certificate: &CertificateDer<'_>) -> ClientCertificate {
    let Ok(parsed) = EndEntityCert::try_from(certificate) else { return ClientCertificate::default() };
    let named = |text: &str| CertificateName::parse(text);
    let hosts = parsed.valid_dns_names().filter_map(named).filter(|n| matches!(n, CertificateName::Dns(_)));
    let uris = parsed.valid_uri_names().filter_map(named).filter(|n| matches!(n, CertificateName::Uri(_)));
    ClientCertificate(hosts.chain(uris).take(MAX_NAMES).collect())
}
