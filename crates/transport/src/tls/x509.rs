//! Reading of certificates (RFC 5280, section 4.1) and revocation lists (RFC 5280, section 5.1) by `x509-parser`, for dates,
//! names and messages. It verifies nothing but the signature of a list: rustls and webpki verify certificates.

use rustls::pki_types::SignatureVerificationAlgorithm;
use x509_parser::asn1_rs::{self, BitString, FromDer as _, Sequence};
use x509_parser::certificate::{X509Certificate, X509CertificateParser};
use x509_parser::error::X509Error;
use x509_parser::nom::Parser as _;
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::RelativeDistinguishedName;

/// Parses a certificate. Extensions stay unread, because webpki has checked them.
fn parse_certificate(certificate: &[u8]) -> Result<X509Certificate<'_>, X509Error> {
    let (_, parsed) = X509CertificateParser::new().with_deep_parse_extensions(false).parse(certificate)?;
    Ok(parsed)
}

/// Returns the expiry of a certificate in seconds since 1970 (RFC 5280, section 4.1.2.5).
pub(super) fn not_after(certificate: &[u8]) -> Result<i64, X509Error> {
    Ok(parse_certificate(certificate)?.validity().not_after.timestamp())
}

/// Returns the begin and the end of a certificate's validity in seconds since 1970, and the name of its subject.
pub(super) fn validity(certificate: &[u8]) -> Result<(i64, i64, String), X509Error> {
    let parsed = parse_certificate(certificate)?;
    let validity = parsed.validity();
    let period = (validity.not_before.timestamp(), validity.not_after.timestamp());
    Ok((period.0, period.1, parsed.subject().to_string()))
}

/// Returns the cause for which rustls rejected a certificate: that of `x509-parser`, which names the wrong field, or that of
/// rustls if `x509-parser` accepts the certificate.
pub(super) fn rejection_cause(certificate: &[u8], error: &rustls::Error) -> String {
    parse_certificate(certificate)
        .map_or_else(|cause| format!("it is truncated or malformed: {cause}"), |_| error.to_string())
}

/// Fields of a revocation list (RFC 5280, section 5.1.2 and 5.2.3).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CrlFields {
    /// Time of this update, in seconds since 1970.
    pub(super) this_update: i64,
    /// Time of the next update, in seconds since 1970; `None` if the list does not give it.
    pub(super) next_update: Option<i64>,
    /// Number of the list in decimal digits; `None` if the list does not give it.
    pub(super) number: Option<String>,
}

/// Parses a revocation list.
pub(super) fn crl_fields(list: &[u8]) -> Result<CrlFields, X509Error> {
    let (_, list) = CertificateRevocationList::from_der(list)?;
    Ok(CrlFields {
        this_update: list.last_update().timestamp(),
        next_update: list.next_update().map(|time| time.timestamp()),
        number: list.crl_number().map(ToString::to_string),
    })
}

/// Returns whether a revocation list carries a signature by a key, whose `SubjectPublicKeyInfo` comes without its own tag.
/// The signature is verified by one of `algorithms` (RFC 5280, section 5.1.1).
pub(super) fn is_crl_signed_by(
    list: &[u8],
    key_info: &[u8],
    algorithms: &[&dyn SignatureVerificationAlgorithm],
) -> Result<bool, asn1_rs::Error> {
    let (_, whole) = Sequence::from_der(list)?;
    let (rest, _) = Sequence::from_der(&whole.content)?;
    let message = &whole.content[..whole.content.len() - rest.len()];
    let (rest, signature_algorithm) = Sequence::from_der(rest)?;
    let (_, signature) = BitString::from_der(rest)?;
    let (rest, key_algorithm) = Sequence::from_der(key_info)?;
    let (_, key) = BitString::from_der(rest)?;
    let mut suitable = algorithms.iter().filter(|one| {
        *one.public_key_alg_id() == *key_algorithm.content
            && *one.signature_alg_id() == *signature_algorithm.content
    });
    Ok(suitable.any(|one| one.verify_signature(&key.data, message, &signature.data).is_ok()))
}

/// Returns the values in a distinguished name without its own tag, for messages: `Example, Example's CA`.
pub(super) fn distinguished_name(mut name: &[u8]) -> Result<String, X509Error> {
    let mut values = Vec::new();
    while !name.is_empty() {
        let (rest, part) = RelativeDistinguishedName::from_der(name)?;
        values.extend(part.iter().map(|value| String::from_utf8_lossy(value.as_slice()).into_owned()));
        name = rest;
    }
    Ok(values.join(", "))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;
    use crate::tls::fixture::Ca;

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let ca = Ca::new();
        let of = |pem: &str| not_after(&der(pem));
        assert_eq!(of(&ca.issue(&["a.test"], true).0), Ok(978_307_200), "2001-01-01");
        assert_eq!(of(&ca.issue(&["a.test"], false).0), Ok(67_090_118_400), "4096-01-01");
    }

    #[test]
    fn dates_of_both_forms_are_read_and_nothing_else() {
        let whole = der(&Ca::new().issue(&["a.test"], true).0).to_vec();
        let until = b"\x17\x0d010101000000Z";
        let at = whole.windows(until.len()).position(|window| window == until).expect("2001-01-01");
        let with = |time: &[u8]| {
            let mut changed = whole.clone();
            changed[at..at + until.len()].copy_from_slice(time);
            not_after(&changed)
        };
        assert_eq!(with(b"\x17\x0d700101000000Z"), Ok(0));
        assert_eq!(with(b"\x17\x0d491231235959Z"), Ok(2_524_607_999));
        assert_eq!(with(b"\x17\x0d991231235959Z"), Ok(946_684_799));
        for wrong in [b"\x04\x0d700101000000Z", b"\x17\x0d701301000000Z", b"\x17\x0d70010100000?Z"] {
            assert_eq!(with(wrong), Err(X509Error::InvalidDate));
        }
    }

    #[test]
    fn a_truncated_certificate_has_no_expiry() {
        let whole = der(&Ca::new().issue(&["a.test"], true).0);
        for end in 0..whole.len() {
            assert!(not_after(&whole[..end]).is_err());
        }
    }

    #[test]
    fn the_fields_of_a_revocation_list_are_read_and_a_truncated_one_has_none() {
        let list = Ca::new().crl(&[1, 2], (2000, 2055));
        let (this_update, next_update) = (946_684_800, Some(2_682_374_400));
        let fields = CrlFields { this_update, next_update, number: Some("1".to_owned()) };
        assert_eq!(crl_fields(list.der()), Ok(fields), "2000-01-01 to 2055-01-01");
        for end in 0..list.der().len() {
            assert!(crl_fields(&list.der()[..end]).is_err());
        }
    }

    #[test]
    fn a_signature_is_by_the_key_that_made_it_and_no_other() {
        let (ca, other) = (Ca::new(), Ca::new());
        let list = ca.crl(&[], (2000, 2008));
        let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.all;
        let by = |list: &[u8], ca: &Ca| {
            let ca = der(&ca.pem);
            let root = webpki::anchor_from_trusted_cert(&ca).unwrap();
            is_crl_signed_by(list, &root.subject_public_key_info, algorithms)
        };
        assert_eq!((by(list.der(), &ca), by(list.der(), &other)), (Ok(true), Ok(false)));
        let mut changed = list.der().to_vec();
        let end = changed.len() - 1;
        changed[end] ^= 1;
        assert_eq!(by(&changed, &ca), Ok(false));
        assert!(by(&changed[..end], &ca).is_err());
    }

    #[test]
    fn a_name_has_all_of_its_values() {
        let part = |values: &[u8]| [&[0x31, u8::try_from(values.len()).unwrap()], values].concat();
        let organisation = b"\x30\x0e\x06\x03\x55\x04\x0a\x0c\x07Example";
        let common_name = b"\x30\x09\x06\x03\x55\x04\x03\x13\x02CA";
        let apart = [part(organisation), part(common_name)].concat();
        assert_eq!(distinguished_name(&apart).unwrap(), "Example, CA");
        let together = part(&[&organisation[..], common_name].concat());
        assert_eq!(distinguished_name(&together).unwrap(), "Example, CA");
        assert_eq!(distinguished_name(&[]).unwrap(), "");
        assert!(distinguished_name(&apart[..apart.len() - 1]).is_err());
    }
}
