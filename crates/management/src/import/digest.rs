//! Spellings of an imported hash: hexadecimal digits, or base64 in the standard or the URL-safe alphabet, with or
//! without padding. The number of characters tells them apart.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(false);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// Returns the bytes of a hash of this length, or a description of why the text is not one.
pub(super) fn parse(text: &str, bytes: usize) -> Result<Vec<u8>, String> {
    let expected = || {
        let (digits, base64) = (bytes * 2, (bytes * 4).div_ceil(3));
        format!("must have {bytes} bytes, in {digits} hexadecimal digits or {base64} base64 characters")
    };
    let decoded = if text.len() == bytes * 2 {
        hexadecimal(text)
    } else {
        STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
    };
    match decoded {
        Some(hash) if hash.len() == bytes => Ok(hash),
        Some(hash) => Err(format!("{}, and has {} bytes in base64", expected(), hash.len())),
        None => Err(format!("{}, and has {} characters that are neither", expected(), text.chars().count())),
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_of_a_hash_is_read() {
        let hash: Vec<u8> = (0..32).map(|n| 255 - n * 3).collect();
        let hex = hash.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        let standard = base64::engine::general_purpose::STANDARD.encode(&hash);
        let url_safe = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&hash);
        assert!(standard.contains('/') && url_safe.contains('_'), "{standard} {url_safe}");
        let spellings = [&hex, &hex.to_uppercase(), &standard, &url_safe, standard.trim_end_matches('=')];
        for text in spellings {
            assert_eq!(parse(text, 32), Ok(hash.clone()), "{text}");
        }
        assert_eq!(parse(&"0f".repeat(64), 64), Ok(vec![0x0f; 64]));
    }

    #[test]
    fn a_hash_of_another_length_or_alphabet_is_refused() {
        for (text, words) in [
            ("", "has 0 bytes in base64"),
            (&*"0f".repeat(20), "has 30 bytes in base64"),
            (&*"0g".repeat(32), "64 characters that are neither"),
            ("ä", "1 characters that are neither"),
        ] {
            let error = parse(text, 32).unwrap_err();
            let rule = "32 bytes, in 64 hexadecimal digits or 43 base64 characters";
            assert!(error.contains(words) && error.contains(rule), "{text}: {error}");
        }
    }
}
