//! A certification authority of one's own, and what it signs.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};

/// A CA that nobody else has.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").finish_non_exhaustive()
    }
}

/// A certificate and its key, both PEM.
#[derive(Clone, Debug)]
pub struct Pair {
    /// The certificate.
    pub cert: String,
    /// Its key.
    pub key: String,
}

impl Default for Ca {
    fn default() -> Self {
        Self::new()
    }
}

impl Ca {
    /// Makes one.
    #[must_use]
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key can be made");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Of another name than what it signs, lest that be taken for self-signed.
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "a CA");
        let pem = params.self_signed(&key).expect("a CA signs itself").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate, PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate of these names: hosts, addresses, URIs.
    #[must_use]
    pub fn issue(&self, names: &[&str]) -> Pair {
        self.sign(names, CertificateParams::default())
    }

    /// One whose time was over long ago.
    #[must_use]
    pub fn ended(&self, names: &[&str]) -> Pair {
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
        let key = KeyPair::generate().expect("a key can be made");
        let cert = params.signed_by(&key, &self.issuer).expect("a CA signs").pem();
        Pair { cert, key: key.serialize_pem() }
    }
}
