//! Every metric there is, once: `/metrics`, OTLP and the table in `docs/telemetry.md` are made from these rows. No
//! label says anything of which there is one for each key, tenant, user or address.

use super::metric::{Metric, MetricKind};

/// Bounds for Checks: from what memory answers in to what Envoy gives up after.
pub const CHECK_BOUNDS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 1.0,
];
/// Bounds for other calls, as OpenTelemetry's conventions advise them.
pub const CALL_BOUNDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Bounds for what the database is asked, as the conventions advise them for that.
pub const QUERY_BOUNDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

const ENTRYPOINT: (&str, &str) = ("entrypoint", "latchkey.entrypoint");
const SOURCE: (&str, &str) = ("source", "latchkey.source");
const LISTENER: (&str, &str) = ("listener", "latchkey.listener");
const OUTCOME: (&str, &str) = ("outcome", "latchkey.outcome");

macro_rules! metrics {
    ($($id:ident = $name:literal, $otel:literal, $kind:expr, $unit:literal, [$($label:expr),*], $help:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`")]
            pub static $id: Metric = Metric {
                name: $name, otel: $otel, kind: $kind, unit: $unit, labels: &[$($label),*], help: $help,
            };
        )*
        /// All of them.
        pub static ALL: &[&Metric] = &[$(&$id),*];
    };
}

metrics! {
    CHECKS = "latchkey_checks_total", "latchkey.checks", MetricKind::Counter, "{check}",
        [ENTRYPOINT, ("profile", "latchkey.profile"), OUTCOME, ("reason", "latchkey.reason"), SOURCE],
        "Checks answered: by entrypoint (ext_authz, native, http), profile (empty where none was found), outcome (allowed, denied, error), reason, and source (cache, database)";
    SHADOW = "latchkey_shadow_denials_total", "latchkey.shadow.denials", MetricKind::Counter, "{check}",
        [("profile", "latchkey.profile"), ("reason", "latchkey.reason")],
        "Checks that passed and would have been denied, since what denies them is in shadow: by profile and reason";
    CHECK_DURATION = "latchkey_check_duration_seconds", "latchkey.check.duration", MetricKind::Histogram(CHECK_BOUNDS), "s",
        [ENTRYPOINT, SOURCE], "How long Checks took, from the gate to the answer";
    CACHE_LOOKUPS ="latchkey_cache_lookups_total", "latchkey.cache.lookups", MetricKind::Counter, "{lookup}",
        [("result", "latchkey.cache.result")],
        "What Checks looked up: hit, negative_hit (remembered not to be there) or miss (the database was asked)";
    CACHE_ENTRIES ="latchkey_cache_entries", "latchkey.cache.entries", MetricKind::Gauge, "{entry}",
        [("kind", "latchkey.cache.kind")], "What is remembered: keys, absent keys, users, families and tokens";
    CACHE_BYTES ="latchkey_cache_bytes", "latchkey.cache.usage", MetricKind::Gauge, "By", [],
        "What everything remembered takes, about";
    CACHE_LIMIT ="latchkey_cache_limit_bytes", "latchkey.cache.limit", MetricKind::Gauge, "By", [],
        "What it may take (cache_max_bytes)";
    CACHE_LEASE_REMAINING = "latchkey_cache_lease_remaining_seconds", "latchkey.cache.lease.remaining", MetricKind::Gauge, "s", [],
        "How long memory is still trusted; 0: each Check asks the database";
    CACHE_LEASE_VALID ="latchkey_cache_lease_valid", "latchkey.cache.lease.valid", MetricKind::Gauge, "1", [],
        "1 while memory is trusted";
    FEED_REVISION = "latchkey_feed_revision", "latchkey.feed.revision", MetricKind::Gauge, "{revision}", [],
        "The newest change that memory knows of; the same on every replica, where all keep up";
    FEED_LAG = "latchkey_feed_lag_seconds", "latchkey.feed.lag", MetricKind::Gauge, "s", [],
        "How long ago the last read of the change feed began that read everything; absent until the first";
    FEED_POLLS = "latchkey_feed_polls_total", "latchkey.feed.polls", MetricKind::Counter, "{poll}", [OUTCOME],
        "Reads of the change feed: ok or error";
    REPLICAS = "latchkey_replicas", "latchkey.replicas", MetricKind::Gauge, "{replica}", [],
        "Replicas that may decide by memory, this one among them";
    READY = "latchkey_ready", "latchkey.ready", MetricKind::Gauge, "1", [], "1 while calls are taken";
    REDIS_BREAKER = "latchkey_redis_breaker_open", "latchkey.redis.breaker_open", MetricKind::Gauge, "1", [],
        "1 while Redis isn't asked and this process counts alone; only where Redis is set";
    REDIS_REQUESTS ="latchkey_redis_requests_total", "latchkey.redis.requests", MetricKind::Counter, "{request}", [],
        "What calls asked Redis";
    REDIS_FAILURES = "latchkey_redis_failures_total", "latchkey.redis.failures", MetricKind::Counter, "{request}", [],
        "What of that it didn't answer in time, or not so that it could be read";
    RATE_LIMIT_BUCKETS = "latchkey_rate_limit_buckets", "latchkey.rate_limit.buckets", MetricKind::Gauge, "{bucket}", [],
        "Buckets of rate limits that this process remembers";
    DATABASE_CONNECTION_COUNT = "latchkey_database_connections", "db.client.connection.count", MetricKind::Gauge, "{connection}",
        [("state", "db.client.connection.state")], "Connections to the database: idle or used";
    DATABASE_CONNECTION_LIMIT = "latchkey_database_connections_limit", "db.client.connection.max", MetricKind::Gauge, "{connection}", [],
        "Connections to the database that may be open (database_connections)";
    QUERY_DURATION = "latchkey_database_query_duration_seconds", "db.client.operation.duration",
        MetricKind::Histogram(QUERY_BOUNDS), "s",
        [("system", "db.system.name"), ("operation", "db.operation.name"), ("outcome", "error.type")],
        "How long the database took, the wait for a connection among it: by what it was asked and how that ended (ok, error, timeout, or cancelled, where the caller went away)";
    CONNECTIONS = "latchkey_connections", "latchkey.connection.count", MetricKind::Gauge, "{connection}", [LISTENER],
        "Connections that are open, by listener: grpc, management, http";
    CONNECTIONS_LIMIT = "latchkey_connections_limit", "latchkey.connection.max", MetricKind::Gauge, "{connection}",
        [LISTENER], "How many may be (max_connections for gRPC); more wait";
    CONNECTIONS_TOTAL ="latchkey_connections_total", "latchkey.connections", MetricKind::Counter, "{connection}",
        [LISTENER, OUTCOME],
        "New connections: accepted, or handshake_error, where the TLS handshake failed or took too long";
    TOKENS_ISSUED = "latchkey_tokens_issued_total", "latchkey.tokens.issued", MetricKind::Counter, "{call}",
        [("grant", "latchkey.grant"), OUTCOME],
        "Calls for tokens: by grant (key, password) and outcome (ok, rejected, error)";
    TOKENS_REFRESHED = "latchkey_tokens_refreshed_total", "latchkey.tokens.refreshed", MetricKind::Counter, "{call}",
        [OUTCOME], "Calls to renew tokens: ok, rejected or error";
    TOKENS_REUSED = "latchkey_tokens_reused_total", "latchkey.tokens.reused", MetricKind::Counter, "{token}", [],
        "Refresh tokens that came a second time; each has ended its family";
    LOGINS = "latchkey_logins_total", "latchkey.logins", MetricKind::Counter, "{login}", [OUTCOME],
        "Logins by password: success, failure, locked (tried too often) or busy (too many waited)";
    BLOCKING_QUEUE ="latchkey_blocking_queue_depth", "latchkey.blocking_queue.depth", MetricKind::Gauge, "{job}", [],
        "Pieces of long work that wait or run: passwords to be hashed, signing keys to be made";
    BLOCKING_QUEUE_LIMIT ="latchkey_blocking_queue_limit", "latchkey.blocking_queue.limit", MetricKind::Gauge, "{job}",
        [], "How many may; more are refused";
    CALL_DURATION = "rpc_server_call_duration_seconds", "rpc.server.call.duration", MetricKind::Histogram(CALL_BOUNDS), "s",
        [("rpc_system_name", "rpc.system.name"), ("rpc_method", "rpc.method"),
         ("rpc_response_status_code", "rpc.response.status_code")],
        "How long calls of every RPC but Check took, by method and gRPC status; a write's time has in it how long it took to spread";
    USAGE_DROPPED = "latchkey_usage_dropped_total", "latchkey.usage.dropped", MetricKind::Counter, "{use}", [],
        "Uses of keys that were not counted, for want of room";
    LOG_DROPPED = "latchkey_log_lines_dropped_total", "latchkey.log.dropped", MetricKind::Counter, "{line}", [],
        "Log lines that were dropped, since nobody read them";
    DECISIONS_DROPPED = "latchkey_decision_log_dropped_total", "latchkey.decision_log.dropped", MetricKind::Counter, "{line}", [],
        "Lines of the decision log that were dropped: nobody read them, or they could not be written";
    SPANS_SENT = "latchkey_spans_sent_total", "latchkey.spans.sent", MetricKind::Counter, "{span}", [],
        "Spans that a collector took";
    SPANS_DROPPED = "latchkey_spans_dropped_total", "latchkey.spans.dropped", MetricKind::Counter, "{span}", [],
        "Spans that were dropped: the queue was full, or no collector took them";
    EXPORTS = "latchkey_otlp_exports_total", "latchkey.otlp.exports", MetricKind::Counter, "{export}",
        [("signal", "latchkey.otlp.signal"), OUTCOME], "What was sent by OTLP: traces or metrics, ok or error";
    CERTIFICATE_EXPIRY = "latchkey_certificate_expiry_timestamp_seconds", "latchkey.certificate.expiry", MetricKind::Gauge, "s",
        [], "When the server's certificate ends, in seconds since 1970; only where TLS is served";
    CRL_DUE = "latchkey_crl_due_timestamp_seconds", "latchkey.crl.due", MetricKind::Gauge, "s", [],
        "When there should be a new revocation list (the last eighth of its time), in seconds since 1970; only where lists are read";
    CRL_EXPIRY = "latchkey_crl_expiry_timestamp_seconds", "latchkey.crl.expiry", MetricKind::Gauge, "s", [],
        "When the first revocation list runs out, in seconds since 1970; from then on whom its CA signed is refused";
    DISK_FREE = "latchkey_disk_free_bytes", "latchkey.disk.free", MetricKind::Gauge, "By", [],
        "What is left where the embedded database lies; only there";
    DISK_SIZE = "latchkey_disk_size_bytes", "latchkey.disk.size", MetricKind::Gauge, "By", [],
        "How large that disk is";
    BUILD_INFO = "latchkey_build_info", "latchkey.build.info", MetricKind::Gauge, "1",
        [("version", "service.version")], "1, and what runs";
    PROCESS_CPU = "process_cpu_seconds_total", "process.cpu.time", MetricKind::Counter, "s", [],
        "Processor time of this process";
    PROCESS_MEMORY = "process_resident_memory_bytes", "process.memory.usage", MetricKind::Gauge, "By", [],
        "Memory of this process";
    PROCESS_FILES = "process_open_fds", "process.unix.file_descriptor.count", MetricKind::Gauge, "{file_descriptor}", [],
        "Files and connections that are open";
    PROCESS_FILES_LIMIT = "process_max_fds", "process.unix.file_descriptor.limit", MetricKind::Gauge, "{file_descriptor}",
        [], "How many may be";
    PROCESS_THREADS = "process_threads", "process.thread.count", MetricKind::Gauge, "{thread}", [],
        "Threads of this process";
    PROCESS_START = "process_start_time_seconds", "process.start_time", MetricKind::Gauge, "s", [],
        "When this process began, in seconds since 1970";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::path::Path;

    use super::*;

    #[test]
    fn names_are_as_prometheus_and_opentelemetry_want_them() {
        let mut names = BTreeSet::new();
        for metric in ALL {
            let Metric { name, otel, kind, unit, labels, help } = metric;
            assert!(names.insert(name) && names.insert(otel), "{name} or {otel} stands twice");
            let plain = |text: &str, also: char| {
                text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == also)
            };
            assert!(plain(name, '_') && plain(otel, '.'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
            let said = match *unit {
                "s" => name.contains("seconds"),
                "By" => name.contains("bytes"),
                _ => !name.contains("seconds") && !name.contains("bytes"),
            };
            assert!(said, "{name} says its unit");
            assert!(
                !help.is_empty() && labels.iter().all(|(prom, otel)| plain(prom, '_') && plain(otel, '.'))
            );
        }
    }

    #[test]
    fn the_documentation_has_this_very_table() {
        let mut table =
            "| metric | type | labels | what it tells | by OTLP |\n|---|---|---|---|---|\n".to_owned();
        for Metric { name, otel, kind, labels, help, .. } in ALL {
            let labels: Vec<String> = labels.iter().map(|(label, _)| format!("`{label}`")).collect();
            let labels = labels.join(", ");
            writeln!(table, "| `{name}` | {} | {labels} | {help} | `{otel}` |", kind.name()).unwrap();
        }
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/telemetry.md");
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains(&table), "docs/telemetry.md must have:\n{table}");
    }

    #[test]
    fn bounds_go_up() {
        for bounds in [CHECK_BOUNDS, CALL_BOUNDS, QUERY_BOUNDS] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }
}
