//! Tests of patterns.

use proptest::prelude::*;

use super::*;

const UUID: &str = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}";

fn pattern(text: &str, lengths: RangeInclusive<usize>) -> KeyPattern {
    KeyPattern::new(text, lengths).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn a_pattern_matches_whole_values_of_its_lengths_alone() {
    let uuid = pattern(UUID, 16..=36);
    let value = "550e8400-e29b-41d4-a716-446655440000";
    assert!(uuid.matches(value));
    for other in ["", "550e8400", &value.to_uppercase(), &format!("{value}0"), &format!(" {value}")] {
        assert!(!uuid.matches(other), "{other}");
    }
    let any = pattern(".+", 16..=20);
    assert!(any.matches(&"a=.-".repeat(4)) && !any.matches(&"a".repeat(15)) && !any.matches(&"a".repeat(21)));
    // The alternatives are of the whole value, and not of its beginning or end.
    let two = pattern("a[0-9a-f]{32}|b[0-9a-f]{40}", 16..=41);
    let hex = "0f".repeat(20);
    assert!(two.matches(&format!("a{}", &hex[..32])) && two.matches(&format!("b{hex}")));
    assert!(!two.matches(&format!("a{hex}")) && !two.matches(&format!("b{}", &hex[..32])));
}

#[test]
fn characters_that_no_key_has_match_nothing() {
    let any = pattern("(?s:.)+", 16..=64);
    let base = "a".repeat(20);
    for character in [' ', ',', ';', '"', '\n', '\0', 'é', '\u{1F511}'] {
        assert!(!any.matches(&format!("{base}{character}")), "{character:?}");
    }
    assert!(any.matches("aA0!#$%&'()*+-./:<=>?@[]^_`{|}~"));
}

#[test]
fn a_pattern_that_is_none_or_matches_too_little_is_refused() {
    let refused = |text: &str| KeyPattern::new(text, 16..=64).unwrap_err();
    for wrong in ["(", ")", "a)(b", "[", "a{2", r"\p{L}", "(?<!a)b", "*"] {
        let error = refused(wrong);
        assert!(matches!(&error, PatternError::Syntax(text) if !text.is_empty()), "{wrong}: {error}");
    }
    assert_eq!(refused("abc"), PatternError::Empty(16, 64));
    assert_eq!(refused(" {20}"), PatternError::Empty(16, 64));
    assert!(matches!(refused("sk_live_[0-9]{8}"), PatternError::Guessable(bits) if bits < 27.0));
    assert_eq!(refused("(a|b){200}{200}{200}"), PatternError::TooLarge);
    assert_eq!(refused(&"a".repeat(600)), PatternError::TooLarge);
    assert_eq!(refused("[ab]*a[ab]{18}"), PatternError::TooLarge);
}

#[test]
fn a_pattern_knows_an_example_and_how_its_values_begin() {
    for text in [UUID, "[A-Za-z0-9]{20,64}", "prod_[1-9A-HJ-NP-Za-km-z]{22}", "(ab|cd)+=[0-9]{30}"] {
        let pattern = pattern(text, 16..=64);
        assert!(pattern.matches(pattern.example()), "{text}: {}", pattern.example());
        assert_eq!(pattern.shortest_value(), pattern.example().len(), "{text}");
    }
    let unkey = pattern("prod_[1-9A-HJ-NP-Za-km-z]{22}", 16..=64);
    assert!(unkey.can_begin_with("prod_2cG") && unkey.can_begin_with(""));
    assert!(!unkey.can_begin_with("test_2cG") && !unkey.can_begin_with("prod_0"));
}

#[test]
fn patterns_overlap_if_a_value_can_have_both_formats() {
    let uuid = pattern(UUID, 36..=36);
    let of = |text: &str| pattern(text, 16..=64);
    assert!(uuid.overlaps(&of("[0-9a-f-]+")) && uuid.overlaps(&uuid));
    assert!(!uuid.overlaps(&of("[A-Z0-9]{36}")) && !uuid.overlaps(&pattern("[0-9a-f-]+", 40..=64)));
    let own = KeyPattern::of_format("sk_", "[0-9a-f]", 64, 0).unwrap();
    assert!(own.overlaps(&pattern("sk_[0-9a-z]+", 16..=128)) && !own.overlaps(&uuid));
}

proptest! {
    #[test]
    fn no_value_or_pattern_panics(text in ".{0,40}", value in ".{0,80}") {
        if let Ok(pattern) = KeyPattern::new(&text, 8..=64) {
            let _any = pattern.matches(&value);
            prop_assert!(pattern.matches(pattern.example()));
        }
    }

    #[test]
    fn every_combination_of_alternatives_is_tried(value in "[ab]{0,40}") {
        // Among texts of the two letters, the expression matches those that begin with `a` and have eleven or more.
        let pattern = pattern("(a|ab)(c|bcd|b)*[ab0-9]{10,}", 8..=40);
        let expected = value.starts_with('a') && value.len() >= 11;
        prop_assert_eq!(pattern.matches(&value), expected);
    }
}
