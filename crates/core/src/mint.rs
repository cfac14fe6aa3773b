//! Creation of key values: a prefix, random characters and an optional checksum. The caller supplies the
//! randomness.

use rand::{Rng, RngExt as _};

use crate::key_kind::{BASE62, Encoding, KeyKind, checksum};
use crate::secret::PlainKey;

/// Returns a new value of this kind with this prefix.
pub fn mint(kind: &KeyKind, prefix: &str, random: &mut dyn Rng) -> PlainKey {
    let characters = kind.characters;
    let mut value = String::with_capacity(prefix.len() + characters + 6);
    value.push_str(prefix);
    let alphabet = alphabet(kind.encoding);
    for _ in 0..characters {
        value.push(char::from(alphabet[random.random_range(0..alphabet.len())]));
    }
    if kind.checksum {
        value.extend(checksum(&value).map(char::from));
    }
    PlainKey::new(value)
}

/// Returns a text of so many random base62 characters.
pub fn random_text(characters: usize, random: &mut dyn Rng) -> String {
    (0..characters).map(|_| char::from(BASE62[random.random_range(0..BASE62.len())])).collect()
}

fn alphabet(encoding: Encoding) -> &'static [u8] {
    match encoding {
        Encoding::Hex => b"0123456789abcdef",
        Encoding::Base62 => BASE62,
        Encoding::Base64Url => b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_",
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::key_kind::{ImportRules, Prefixes};
    use crate::scope::ScopeSet;

    #[test]
    fn a_minted_value_has_the_format_of_its_kind() {
        let mut random = rand::rngs::StdRng::from_seed([3; 32]);
        for (encoding, length) in [(Encoding::Hex, 64), (Encoding::Base62, 43), (Encoding::Base64Url, 43)] {
            for checksum in [false, true] {
                let kind = KeyKind {
                    name: "k".into(),
                    default: true,
                    prefixes: Prefixes::Shared("p_".into()),
                    encoding,
                    characters: encoding.characters(32),
                    checksum,
                    retrievable: false,
                    bindings: vec![],
                    max_scopes: ScopeSet::default(),
                    default_scopes: ScopeSet::default(),
                    creates_keys_in: Vec::new(),
                    lifetime: crate::key_kind::LifetimeRules::default(),
                    imports: ImportRules::default(),
                };
                let (one, two) = (mint(&kind, "p_", &mut random), mint(&kind, "p_", &mut random));
                assert!(kind.matches_format(one.reveal()) && one.reveal() != two.reveal());
                assert_eq!(one.reveal().len(), 2 + length + if checksum { 6 } else { 0 });
            }
        }
    }
}
