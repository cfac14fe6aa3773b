//! Tests of the conversion of errors.

use super::*;

#[test]
fn a_database_that_is_busy_or_going_away_is_an_outage() {
    for code in ["57014", "57P01", "40P01", "42501", "53300", "25006", "0A000", "5", "13", "1032", "266"] {
        assert!(is_transient(code), "{code}");
    }
}

#[test]
fn a_refusal_is_named_and_a_session_that_ended_is_none() {
    for (code, words) in [
        ("42501", "lacks a permission"),
        ("53300", "no more connections"),
        ("53100", "disk is full"),
        ("13", "disk is full"),
        ("25006", "no writes"),
        ("1544", "no writes"),
        ("28P01", "role or its password"),
        ("9", "interrupted"),
        ("10", "can't be used"),
        ("778", "can't be read or written"),
        ("14", "can't be opened"),
        ("15", "locks"),
    ] {
        assert!(is_transient(code) && problem_of(code).is_some_and(|text| text.contains(words)), "{code}");
    }
    for code in ["57P01", "57014", "08006", "40003", "58030", "11", "26", ""] {
        assert_eq!(problem_of(code), None, "{code}");
    }
}

#[test]
fn a_database_that_must_not_be_used_is_not_said_to_be_silent_and_its_words_are_not_repeated() {
    let refused = DbErr::Conn(RuntimeErr::Internal("the server db1 is a standby".to_owned()));
    let unusable = classify_error(&refused);
    assert_eq!(unusable, SystemError::database_refused(UNUSABLE));
    assert_eq!(unusable.to_string(), "the database can't be used: see /readyz or Latchkey's log");
    let behind = SystemError::from(StoreError::Stale).to_string();
    assert!(!behind.contains("answer"), "{behind}");
    let silent = SqlxError::Io(std::io::Error::other("no connection within 3s"));
    let silent = DbErr::Conn(RuntimeErr::SqlxError(silent.into()));
    assert_eq!(classify_error(&silent), SystemError::database());
}

#[test]
fn a_wrong_statement_is_no_outage() {
    for code in ["42P01", "23505", "22P02", "1", "19", "2067", "11", ""] {
        assert!(!is_transient(code), "{code}");
    }
}

#[test]
fn a_session_that_was_ended_or_cannot_write_is_closed() {
    for code in ["08006", "57P01", "57P05", "25006", "25P03", "25P04", "0A000"] {
        assert!(ends_session(code), "{code}");
    }
    for code in ["57014", "55P03", "40001", "23505", "25P02", "5", "1032", "08", ""] {
        assert!(!ends_session(code), "{code}");
    }
}

#[test]
fn a_write_that_was_not_stored_is_a_refusal_with_its_cause() {
    let text = SystemError::from(StoreError::NotStored).to_string();
    assert!(
        text.starts_with("the database refused the call: a trigger, a rule or row-level security"),
        "{text}"
    );
    assert!(!StoreError::NotStored.breaks_connection());
}
