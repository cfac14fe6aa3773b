//! A certificate authority for tests, and the certificates that it signs.

use std::sync::atomic::{AtomicU64, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, IsCa,
    Issuer, KeyIdMethod, KeyPair, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};

/// Serial number of the next certificate. No two certificates of a test process have the same.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// A certificate authority.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    serial: u64,
    /// Certificates up to the root, if this CA is not a root; they are sent along with certificates that it signs.
    intermediates: String,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").finish_non_exhaustive()
    }
}

/// A certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// Private key.
    pub key: String,
    /// The certificate's serial number.
    pub serial: u64,
}

impl Default for Ca {
    fn default() -> Self {
        Self::new()
    }
}

impl Ca {
    /// Creates a root CA.
    #[must_use]
    pub fn new() -> Self {
        Self::named("a CA")
    }

    /// Creates a root CA of this name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let (key, params) = authority(name);
        let pem = params.self_signed(&key).expect("a CA signs itself").pem();
        Self { issuer: Issuer::new(params, key), pem, serial: 0, intermediates: String::new() }
    }

    /// Creates a CA of this name whose certificate this CA signs.
    #[must_use]
    pub fn subordinate(&self, name: &str) -> Self {
        let (key, mut params) = authority(name);
        let serial = number(&mut params);
        let pem = params.signed_by(&key, &self.issuer).expect("a CA signs").pem();
        let intermediates = format!("{pem}{}", self.intermediates);
        Self { issuer: Issuer::new(params, key), pem, serial, intermediates }
    }

    /// Returns the serial number of the CA's own certificate, if another CA signed it.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Returns a valid revocation list, PEM, with these serial numbers.
    #[must_use]
    pub fn crl(&self, revoked: &[u64]) -> String {
        self.crl_of(revoked, (2020, 4000))
    }

    /// Returns an expired revocation list.
    #[must_use]
    pub fn expired_crl(&self, revoked: &[u64]) -> String {
        self.crl_of(revoked, (2000, 2001))
    }

    fn crl_of(&self, revoked: &[u64], (from, until): (i32, i32)) -> String {
        let revoked = revoked.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: date_time_ymd(from, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(from, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).expect("a CA signs its list").pem().expect("a list is PEM")
    }

    /// Returns the certificate of the CA, PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Issues a certificate with these names: hosts, addresses, URIs.
    #[must_use]
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.sign(names, CertificateParams::default())
    }

    /// Issues an expired certificate.
    #[must_use]
    pub fn expired(&self, names: &[&str]) -> Pair {
        let mut params = CertificateParams::default();
        (params.not_before, params.not_after) = (date_time_ymd(2000, 1, 1), date_time_ymd(2001, 1, 1));
        self.sign(names, params)
    }

    fn sign(&self, names: &[&str], mut params: CertificateParams) -> Pair {
        let text = |name: &str| name.try_into().expect("a name is ASCII");
        let name = |name: &&str| match (name.contains("://"), name.parse()) {
            (true, _) => SanType::URI(text(name)),
            (false, Ok(address)) => SanType::IpAddress(address),
            (false, Err(_)) => SanType::DnsName(text(name)),
        };
        params.subject_alt_names = names.iter().map(name).collect();
        let serial = number(&mut params);
        let key = KeyPair::generate().expect("a key can be made");
        let cert = params.signed_by(&key, &self.issuer).expect("a CA signs").pem();
        Pair { cert: format!("{cert}{}", self.intermediates), key: key.serialize_pem(), serial }
    }
}

/// Returns the key of a CA, and the parameters of its certificate.
fn authority(name: &str) -> (KeyPair, CertificateParams) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Its name differs from the names that it signs, so that no certificate of it looks self-signed.
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    (KeyPair::generate().expect("a key can be made"), params)
}

fn number(params: &mut CertificateParams) -> u64 {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    params.serial_number = Some(serial.into());
    serial
}
