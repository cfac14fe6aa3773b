//! Tests of what the doctor reports about Redis.

use super::*;

const DEADLINE: Duration = Duration::from_millis(20);

fn severities(probe: &Probe) -> Vec<Severity> {
    probe_findings(probe, false, DEADLINE).iter().map(|finding| finding.severity).collect()
}

#[test]
fn lost_buckets_and_slow_responses_are_reported() {
    let good = Probe { policy: "noeviction".into(), latency: Duration::from_micros(200), ..Probe::default() };
    assert_eq!(severities(&good), [Severity::Ok]);
    let with = |policy: &str, most_memory| Probe { policy: policy.into(), most_memory, ..good.clone() };
    assert_eq!(severities(&with("allkeys-lru", 0)), [Severity::Ok], "memory is never short");
    assert_eq!(severities(&with("allkeys-lru", 1)), [Severity::Error]);
    assert_eq!(severities(&with("volatile-random", 1)), [Severity::Error]);
    assert_eq!(severities(&with("volatile-lru", 1)), [Severity::Warning]);
    assert_eq!(severities(&with("volatile-ttl", 1)), [Severity::Ok]);
    assert_eq!(severities(&Probe { evicted: 1, ..good.clone() }), [Severity::Error]);
    assert_eq!(severities(&Probe { role: "slave".into(), ..good.clone() }), [Severity::Error]);
    assert_eq!(severities(&Probe { latency: Duration::from_millis(6), ..good.clone() }), [Severity::Warning]);
    assert_eq!(severities(&Probe { latency: DEADLINE, ..good }), [Severity::Error]);
}

#[test]
fn a_failure_of_tls_is_no_silence() {
    let severity = |words: &str| unusable_finding("a:1", None, &Unreachable(words.to_owned())).severity;
    assert_eq!(TLS_FAILURES.map(severity), [Severity::Error; 3]);
}

#[test]
fn a_response_time_is_compared_with_the_deadline_of_the_settings() {
    let found = |latency, deadline| {
        let millis = Duration::from_millis;
        latency_finding(millis(latency), millis(deadline)).map(|found| (found.severity, found.message))
    };
    assert_eq!(found(30, 200), None);
    assert_eq!(found(60, 200).unwrap().0, Severity::Warning);
    let (severity, message) = found(6, 5).unwrap();
    assert!(severity == Severity::Error && message.contains("give up after 5ms"), "{message}");
}

#[test]
fn a_cluster_must_be_complete_and_configured_as_a_cluster() {
    let messages_of = |cluster: Option<&str>, in_cluster| {
        let probe = Probe { role: "slave".into(), cluster: cluster.map(str::to_owned), ..Probe::default() };
        probe_findings(&probe, in_cluster, DEADLINE)
            .iter()
            .map(|finding| finding.message.clone())
            .collect::<String>()
    };
    assert!(
        messages_of(Some("ok"), true).contains("evicts no buckets"),
        "a replica is acceptable in a cluster"
    );
    assert!(messages_of(Some("fail"), true).contains("incomplete"));
    assert!(messages_of(None, true).contains("not a node of a cluster"));
    assert!(messages_of(Some("ok"), false).contains("a node of a cluster"));
    assert!(messages_of(Some(""), true).contains("evicts no buckets"), "its state could not be read");
    assert!(!messages_of(Some("ok"), true).contains("0ns"), "its latency was not measured");
    // With `cluster-require-full-coverage no`, the state stays `ok`.
    let probe = Probe { cluster: Some("ok".to_owned()), missing_slots: 256, ..Probe::default() };
    let found = probe_findings(&probe, true, DEADLINE);
    assert!(matches!(&found[..], [only] if only.severity == Severity::Error), "{found:?}");
    assert!(found[0].message.contains("256 of its slots"), "{found:?}");
}

#[test]
fn a_missing_right_to_read_is_a_warning_and_a_part_that_fails_is_named_as_one() {
    let refused = || Some("NOPERM this user has no permissions".to_owned());
    for cluster in [None, Some(String::new())] {
        let probe = Probe { unreadable: refused(), cluster, ..Probe::default() };
        let found = probe_findings(&probe, true, DEADLINE);
        assert!(matches!(&found[..], [only] if only.severity == Severity::Warning), "{found:?}");
    }
    let probe = Probe { refused: refused(), counts_partly: true, ..Probe::default() };
    assert!(trial_findings(&probe)[0].message.starts_with("a part of the cluster does not count limits"));
    let probe = Probe { counts_partly: false, ..probe };
    assert!(trial_findings(&probe)[0].message.starts_with("it does not count limits"));
}
