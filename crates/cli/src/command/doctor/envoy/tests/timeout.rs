//! The timeout of Envoy's filter.

use super::*;

#[test]
fn a_timeout_is_neither_shorter_than_our_answer_nor_without_end() {
    let asks = |timeout: &str| {
        output(
            &with("/listener/http_filters/0/typed_config/grpc_service", "timeout", json!(timeout)),
            &requirements(),
        )[0]
        .0
    };
    assert_eq!(asks("0.1s"), Severity::Error);
    assert_eq!(asks("0s"), Severity::Error);
    assert_eq!(asks("200ms"), Severity::Error);
    assert_eq!(asks("5s"), Severity::Warning);
    assert_eq!(asks("0.25s"), Severity::Ok);
    let silent = with("/listener/http_filters/0/typed_config/grpc_service", "timeout", Value::Null);
    assert_eq!(output(&silent, &requirements())[0].0, Severity::Ok, "Envoy's own default is 200 ms");
}

#[test]
fn a_timeout_is_compared_with_the_check_deadline_of_the_settings() {
    let found = |timeout: Value, deadline| {
        let configuration = with("/listener/http_filters/0/typed_config/grpc_service", "timeout", timeout);
        let found = examine(&configuration, &requirements(), Duration::from_millis(deadline), None);
        assert_eq!(found.len(), 1, "{found:?}");
        found.into_iter().next().unwrap()
    };
    for short in [json!("0.2s"), json!("0.39s"), Value::Null] {
        let found = found(short, 400);
        assert!(found.severity == Severity::Error && found.message.contains("400ms"), "{found:?}");
        assert_eq!(found.remedy, "set grpc_service.timeout: 0.45s");
    }
    assert_eq!(found(json!("0.45s"), 400).severity, Severity::Ok);
    assert_eq!(found(json!("0.12s"), 100).severity, Severity::Ok);
    assert_eq!(found(json!("5.05s"), 5_000).severity, Severity::Ok, "the one that is suggested");
    assert_eq!(found(json!("6s"), 5_000).severity, Severity::Warning);
}
