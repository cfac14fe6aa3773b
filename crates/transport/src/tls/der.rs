//! Minimal reader of DER: the expiry of a certificate, and the validity and signature of a revocation list. rustls and
//! webpki have checked everything else. On unexpected content, functions return `None`.

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const BIT_STRING: u8 = 0x03;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// Tag `[0]` of the version, which only certificates of version 1 lack.
const VERSION: u8 = 0xa0;

/// Returns the expiry of a certificate in seconds since 1970 (RFC 5280, section 4.1).
pub(super) fn not_after(certificate: &[u8]) -> Option<i64> {
    let (certificate, _) = sequence(certificate)?;
    let (mut fields, _) = sequence(certificate)?;
    if fields.first() == Some(&VERSION) {
        fields = tlv(fields)?.2;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        fields = tlv(fields)?.2;
    }
    let (validity, _) = sequence(fields)?;
    let (tag, ends, _) = tlv(tlv(validity)?.2)?;
    parse_time(tag, ends)
}

/// Returns the times of this and the next update of a revocation list, in seconds since 1970 (RFC 5280, section 5.1).
pub(super) fn crl_update_times(list: &[u8]) -> Option<(i64, i64)> {
    let (list, _) = sequence(list)?;
    let (mut fields, _) = sequence(list)?;
    // Version, algorithm, issuer.
    for _ in 0..3 {
        fields = tlv(fields)?.2;
    }
    let (tag, from, rest) = tlv(fields)?;
    let (next, until, _) = tlv(rest)?;
    Some((parse_time(tag, from)?, parse_time(next, until)?))
}

/// Signed message, signature algorithm and signature.
pub(super) struct SignedData<'a> {
    pub(super) message: &'a [u8],
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
}

/// Splits a signed object, which is a certificate or a revocation list.
pub(super) fn split_signed(whole: &[u8]) -> Option<SignedData<'_>> {
    let (whole, _) = sequence(whole)?;
    let (_, rest) = sequence(whole)?;
    let message = whole.get(..whole.len() - rest.len())?;
    let (algorithm, signature) = sequence(rest)?;
    Some(SignedData { message, algorithm, signature: bit_string(signature)? })
}

/// Returns the algorithm and the key in a `SubjectPublicKeyInfo` without its own tag.
pub(super) fn public_key(info: &[u8]) -> Option<(&[u8], &[u8])> {
    let (algorithm, rest) = sequence(info)?;
    Some((algorithm, bit_string(rest)?))
}

/// Returns the values in a distinguished name without its own tag, for messages: `Example, Example's CA`.
pub(super) fn distinguished_name(mut parts: &[u8]) -> Option<String> {
    let mut values = Vec::new();
    while !parts.is_empty() {
        let (_, set, rest) = tlv(parts).filter(|(tag, ..)| *tag == SET)?;
        let (pair, _) = sequence(set)?;
        let (_, text, _) = tlv(tlv(pair)?.2)?;
        values.push(String::from_utf8_lossy(text).into_owned());
        parts = rest;
    }
    Some(values.join(", "))
}

/// Returns the content of a sequence and the bytes after it.
fn sequence(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    tlv(bytes).filter(|(tag, ..)| *tag == SEQUENCE).map(|(_, content, rest)| (content, rest))
}

/// Returns the bytes of a bit string without unused bits.
fn bit_string(bytes: &[u8]) -> Option<&[u8]> {
    let (_, content, _) = tlv(bytes).filter(|(tag, ..)| *tag == BIT_STRING)?;
    content.strip_prefix(&[0])
}

/// Returns the tag and content of an element, and the bytes after it.
fn tlv(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (length, rest) =
            rest.split_at_checked(usize::from(first & 0x7f)).filter(|(l, _)| l.len() <= 4)?;
        (length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// Parses `YYMMDDHHMMSSZ` (1950 to 2049) or `YYYYMMDDHHMMSSZ` into seconds since 1970.
fn parse_time(tag: u8, text: &[u8]) -> Option<i64> {
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => digits.split_at_checked(2)?,
        GENERALIZED_TIME => digits.split_at_checked(4)?,
        _ => return None,
    };
    let year: i64 = year.parse().ok()?;
    let year = match tag {
        UTC_TIME if year < 50 => 2000 + year,
        UTC_TIME => 1900 + year,
        _ => year,
    };
    let two = |n: usize| rest.get(2 * n..2 * n + 2)?.parse::<i64>().ok();
    let day = days_since_epoch(year, two(0)?, two(1)?);
    Some(day * 86_400 + two(2)? * 3_600 + two(3)? * 60 + two(4)?)
}

/// Returns the days since 1970 in the Gregorian calendar. Years are counted from March, so that a leap day is the last
/// day of a year.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;
    use crate::tls::fixture::Ca;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let ca = Ca::new();
        let of = |pem: &str| not_after(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap());
        assert_eq!(of(&ca.issue(&["a.test"], true).0), Some(978_307_200), "2001-01-01");
        assert_eq!(of(&ca.issue(&["a.test"], false).0), Some(67_090_118_400), "4096-01-01");
    }

    #[test]
    fn dates_of_both_forms_are_read_and_nothing_else() {
        assert_eq!(parse_time(UTC_TIME, b"700101000000Z"), Some(0));
        assert_eq!(parse_time(UTC_TIME, b"491231235959Z"), Some(2_524_607_999));
        assert_eq!(parse_time(GENERALIZED_TIME, b"20240229120000Z"), Some(1_709_208_000));
        for (tag, text) in [(4, &b"700101000000Z"[..]), (UTC_TIME, b"7001010000Z"), (UTC_TIME, b"7")] {
            assert_eq!(parse_time(tag, text), None);
        }
    }

    #[test]
    fn a_truncated_certificate_has_no_expiry() {
        let ca = Ca::new();
        let whole = CertificateDer::from_pem_slice(ca.issue(&["a.test"], true).0.as_bytes()).unwrap();
        for end in 0..whole.len() {
            assert_eq!(not_after(&whole[..end]), None);
        }
    }
}
