//! JSON with an object that has a name twice. Readers of JSON take one of the two values and ignore the other, so that a
//! key could be imported as enabled that the file disables.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Checks that no object of a JSON text has a name twice. An error shows no name, which may be a key.
pub(super) fn check(text: &str) -> Result<(), String> {
    let unique: Result<Unique, serde_json::Error> = serde_json::from_str(text);
    unique.map(|Unique| ()).map_err(|error| error.to_string())
}

/// JSON whose objects have each name once.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

/// Visitor of any value.
struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Unique;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_unit<E>(self) -> Result<Unique, E> {
        Ok(Unique)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unique, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(Unique)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Unique, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("an object has a name twice"));
            }
            fields.next_value::<Unique>()?;
        }
        Ok(Unique)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_an_object_has_twice_is_found_at_each_depth() {
        for text in [
            r#"{"a": 1, "b": 2, "a": 1}"#,
            r#"{"keys": [{"key": {"name": "x"}}, {"disabled": true, "disabled": false}]}"#,
            r#"{"a": {"b": {}, "c": null, "\u0062": 1.5}}"#,
        ] {
            let error = check(text).unwrap_err();
            assert!(error.starts_with("an object has a name twice at line 1"), "{error}");
        }
    }

    #[test]
    fn names_of_different_objects_can_be_equal() {
        assert_eq!(check(r#"[{"a": {"a": [true, -1, "a"]}}, {"a": 12345678901234567890}, null]"#), Ok(()));
    }
}
