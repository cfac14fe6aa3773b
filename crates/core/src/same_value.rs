//! The rule for a value that several keys have. A kind may declare hashes of another system besides SHA-256, and an import
//! by hash does not show that a key of the same value is stored by another one.

use crate::record::KeyState;

/// Returns the key that decides about a value, of all keys that have it: the first one that is not in force, so that the
/// value is denied for the reason that it has; otherwise the only one. Two keys that are in force are an error, since the
/// value identifies neither of them. `None` means that there is no key.
///
/// A caller that gets a key in force must also make sure that no other key of the value was deleted: no deletion makes a
/// value valid.
///
/// ```
/// use latchkey_core::record::KeyState::{Active, Expired, Revoked};
/// use latchkey_core::same_value::deciding;
///
/// let decide = |states: &[_]| deciding(states.to_vec(), |state| *state);
/// assert_eq!(decide(&[Active]), Ok(Some(Active)));
/// assert_eq!(decide(&[Active, Revoked, Expired]), Ok(Some(Revoked)));
/// assert_eq!(decide(&[Active, Active]), Err((Active, Active)));
/// assert_eq!(decide(&[]), Ok(None));
/// ```
pub fn deciding<K>(
    keys: impl IntoIterator<Item = K>,
    state: impl Fn(&K) -> KeyState,
) -> Result<Option<K>, (K, K)> {
    let (mut first, mut second) = (None, None);
    for key in keys {
        if state(&key) != KeyState::Active {
            return Ok(Some(key));
        }
        if first.is_none() {
            first = Some(key);
        } else if second.is_none() {
            second = Some(key);
        }
    }
    match (first, second) {
        (Some(first), Some(second)) => Err((first, second)),
        (first, _) => Ok(first),
    }
}
