//! Fixtures of tests: a CA with its certificates and revocation lists, and a clock.

use std::path::{Path, PathBuf};

use latchkey_core::time::{Clock, Moment, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationList, CertificateRevocationListParams,
    CrlDistributionPoint, CrlIssuingDistributionPoint, DistinguishedName, DnType, IsCa, Issuer, KeyIdMethod,
    KeyPair, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

/// Clock that stands still, in November 2023.
pub(crate) struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Moment {
        Moment { wall: Timestamp(1_700_000_000_000), ..Moment::default() }
    }
}

/// Serial number of every certificate that a CA of these tests signs.
pub(crate) const SERIAL: u64 = 7;

/// CA of a test.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Ca {
    pub(crate) fn new() -> Self {
        Self::named("a CA")
    }

    pub(crate) fn named(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // The name differs from those of the certificates that it signs, which would otherwise count as self-signed.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Issues a certificate with these names; returns it and its key in PEM.
    pub(crate) fn issue(&self, names: &[&str], ended: bool) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.serial_number = Some(SERIAL.into());
        let name = |text: &&str| match (text.contains(':'), text.parse()) {
            (true, _) => SanType::URI((*text).try_into().unwrap()),
            (false, Ok(address)) => SanType::IpAddress(address),
            (false, Err(_)) => SanType::DnsName((*text).try_into().unwrap()),
        };
        params.subject_alt_names = names.iter().map(name).collect();
        if ended {
            (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1));
        }
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }

    /// Issues a revocation list that is valid from the first year until the second.
    pub(crate) fn crl(&self, revoked: &[u64], (from, until): (i32, i32)) -> CertificateRevocationList {
        self.partitioned_crl(revoked, (from, until), None)
    }

    /// Issues a revocation list for the certificates of a distribution point.
    pub(crate) fn partitioned_crl(
        &self,
        serials: &[u64],
        (from, until): (i32, i32),
        at: Option<&str>,
    ) -> CertificateRevocationList {
        let revoked = |serial: &u64| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(from, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let point = |uri: &str| CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint { uris: vec![uri.to_owned()] },
            scope: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(from, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: at.map(point),
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap()
    }
}

/// Writes a file into a folder and returns its path.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
