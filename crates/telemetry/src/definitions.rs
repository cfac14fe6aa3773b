//! Table of all metrics, which `/metrics`, OTLP and the table in `docs/telemetry.md` follow. No label has a value for
//! each key, tenant, user or address, so the number of series is bounded.

use super::metric::{Metric, MetricKind};

/// Bounds for Checks, in seconds: from the time of a cache hit to Envoy's timeout.
pub const CHECK_BOUNDS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 1.0,
];
/// Bounds for other calls, in seconds, as OpenTelemetry's conventions recommend.
pub const CALL_BOUNDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
/// Bounds for database queries, in seconds, as OpenTelemetry's conventions recommend.
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
        /// All metrics.
        pub static ALL: &[&Metric] = &[$(&$id),*];
    };
}

metrics! {
    CHECKS = "latchkey_checks_total", "latchkey.checks", MetricKind::Counter, "{check}",
        [ENTRYPOINT, ("profile", "latchkey.profile"), OUTCOME, ("reason", "latchkey.reason"), SOURCE],
        "Checks by entrypoint (ext_authz, native, http), profile (empty if none was found), outcome (allowed, denied, error), reason and source (cache, database)";
    SHADOW = "latchkey_shadow_denials_total", "latchkey.shadow.denials", MetricKind::Counter, "{check}",
        [("profile", "latchkey.profile"), ("reason", "latchkey.reason")],
        "Checks that were allowed only because of shadow mode, by profile and reason of the denial";
    CHECK_DURATION = "latchkey_check_duration_seconds", "latchkey.check.duration", MetricKind::Histogram(CHECK_BOUNDS), "s",
        [ENTRYPOINT, SOURCE], "Duration of Checks, from the gate to the response";
    CACHE_LOOKUPS ="latchkey_cache_lookups_total", "latchkey.cache.lookups", MetricKind::Counter, "{lookup}",
        [("result", "latchkey.cache.result")],
        "Cache lookups of Checks: hit, negative_hit (cached as nonexistent) or miss (the database was queried)";
    CACHE_ENTRIES ="latchkey_cache_entries", "latchkey.cache.entries", MetricKind::Gauge, "{entry}",
        [("kind", "latchkey.cache.kind")], "Entries in the cache by kind: keys, negative entries of keys, users, token families, tokens, and changes that are remembered for a recovery";
    CACHE_BYTES ="latchkey_cache_bytes", "latchkey.cache.usage", MetricKind::Gauge, "By", [],
        "Approximate size of the cache";
    CACHE_LIMIT ="latchkey_cache_limit_bytes", "latchkey.cache.limit", MetricKind::Gauge, "By", [],
        "Maximum size of the cache (cache_max_bytes)";
    CACHE_LEASE_REMAINING = "latchkey_cache_lease_remaining_seconds", "latchkey.cache.lease.remaining", MetricKind::Gauge, "s", [],
        "Remaining time of the cache lease; at 0, Checks are refused";
    CACHE_LEASE_VALID ="latchkey_cache_lease_valid", "latchkey.cache.lease.valid", MetricKind::Gauge, "1", [],
        "1 while the cache lease is valid";
    FEED_REVISION = "latchkey_feed_revision", "latchkey.feed.revision", MetricKind::Gauge, "{revision}", [],
        "Newest revision applied to the cache; equal on all replicas that are up to date";
    LOST_REVISIONS = "latchkey_lost_revisions_total", "latchkey.lost_revisions", MetricKind::Counter, "{revision}", [],
        "Revisions that this replica had applied and that the database lost: a restore, or a failover to a standby without them";
    REAPPLIED_REVOCATIONS = "latchkey_reapplied_revocations_total", "latchkey.reapplied_revocations", MetricKind::Counter, "{revocation}", [],
        "Revocations, suspensions and the like that this replica wrote again after the database had lost them";
    FEED_LAG = "latchkey_feed_lag_seconds", "latchkey.feed.lag", MetricKind::Gauge, "s", [],
        "Time since the start of the last complete round: a committed heartbeat, and every change applied; absent before the first one";
    FEED_POLLS = "latchkey_feed_polls_total", "latchkey.feed.polls", MetricKind::Counter, "{poll}", [OUTCOME],
        "Polls of the change feed: ok or error";
    REPLICAS = "latchkey_replicas", "latchkey.replicas", MetricKind::Gauge, "{replica}", [],
        "Replicas with a valid cache lease, including this one";
    READY = "latchkey_ready", "latchkey.ready", MetricKind::Gauge, "1", [], "1 while the replica accepts calls";
    REDIS_BREAKER = "latchkey_redis_breaker_open", "latchkey.redis.breaker_open", MetricKind::Gauge, "1", [],
        "1 while Redis is bypassed after failures and this process enforces rate limits alone; only with redis_url";
    REDIS_REQUESTS ="latchkey_redis_requests_total", "latchkey.redis.requests", MetricKind::Counter, "{request}", [],
        "Requests to Redis on behalf of calls";
    REDIS_FAILURES = "latchkey_redis_failures_total", "latchkey.redis.failures", MetricKind::Counter, "{request}", [],
        "Requests to Redis that timed out or got an unreadable response";
    REDIS_CLOCK = "latchkey_redis_clock_offset_seconds", "latchkey.redis.clock_offset", MetricKind::Gauge, "s", [],
        "Clock of Redis minus the clock of this replica, the largest of all nodes; only with redis_url, absent before the first response";
    RATE_LIMIT_BUCKETS = "latchkey_rate_limit_buckets", "latchkey.rate_limit.buckets", MetricKind::Gauge, "{bucket}", [],
        "Rate limit buckets in this process";
    DATABASE_CONNECTION_COUNT = "latchkey_database_connections", "db.client.connection.count", MetricKind::Gauge, "{connection}",
        [("state", "db.client.connection.state")], "Open connections to the database by state: idle or used";
    DATABASE_CONNECTION_LIMIT = "latchkey_database_connections_limit", "db.client.connection.max", MetricKind::Gauge, "{connection}", [],
        "Maximum number of connections to the database (database_connections)";
    QUERY_DURATION = "latchkey_database_query_duration_seconds", "db.client.operation.duration",
        MetricKind::Histogram(QUERY_BOUNDS), "s",
        [("system", "db.system.name"), ("operation", "db.operation.name"), ("outcome", "error.type")],
        "Duration of database queries, including the wait for a connection, by operation and outcome (ok, error, timeout, or cancelled if the caller stopped waiting)";
    CONNECTIONS = "latchkey_connections", "latchkey.connection.count", MetricKind::Gauge, "{connection}", [LISTENER],
        "Open connections by listener: grpc, management, http, admin";
    CONNECTIONS_LIMIT = "latchkey_connections_limit", "latchkey.connection.max", MetricKind::Gauge, "{connection}",
        [LISTENER], "Maximum number of open connections by listener (max_connections for gRPC); further ones wait";
    CONNECTIONS_TOTAL ="latchkey_connections_total", "latchkey.connections", MetricKind::Counter, "{connection}",
        [LISTENER, OUTCOME],
        "New connections by listener: accepted, or handshake_error if the TLS handshake failed or timed out";
    TOKENS_ISSUED = "latchkey_tokens_issued_total", "latchkey.tokens.issued", MetricKind::Counter, "{call}",
        [("grant", "latchkey.grant"), OUTCOME],
        "Requests for tokens by grant (key, password) and outcome (ok, rejected, error)";
    TOKENS_REFRESHED = "latchkey_tokens_refreshed_total", "latchkey.tokens.refreshed", MetricKind::Counter, "{call}",
        [OUTCOME], "Requests to refresh tokens: ok, rejected or error";
    TOKENS_REUSED = "latchkey_tokens_reused_total", "latchkey.tokens.reused", MetricKind::Counter, "{token}", [],
        "Refresh tokens that were used a second time; each reuse ends the token family";
    LOGINS = "latchkey_logins_total", "latchkey.logins", MetricKind::Counter, "{login}", [OUTCOME],
        "Logins by password: success, failure, locked (too many attempts) or busy (too many logins in the queue)";
    BLOCKING_QUEUE ="latchkey_blocking_queue_depth", "latchkey.blocking_queue.depth", MetricKind::Gauge, "{job}", [],
        "Jobs that are queued or running on blocking threads: password hashing and creation of signing keys";
    BLOCKING_QUEUE_LIMIT ="latchkey_blocking_queue_limit", "latchkey.blocking_queue.limit", MetricKind::Gauge, "{job}",
        [], "Maximum number of such jobs; further ones are rejected";
    CALL_DURATION = "rpc_server_call_duration_seconds", "rpc.server.call.duration", MetricKind::Histogram(CALL_BOUNDS), "s",
        [("rpc_system_name", "rpc.system.name"), ("rpc_method", "rpc.method"),
         ("rpc_response_status_code", "rpc.response.status_code")],
        "Duration of all RPCs except Check, by method and gRPC status; a write includes its propagation";
    USAGE_DROPPED = "latchkey_usage_dropped_total", "latchkey.usage.dropped", MetricKind::Counter, "{use}", [],
        "Uses of keys that were not counted because the buffer was full";
    LOG_DROPPED = "latchkey_log_lines_dropped_total", "latchkey.log.dropped", MetricKind::Counter, "{line}", [],
        "Dropped log lines: the queue was full, or a line could not be written";
    DECISIONS_DROPPED = "latchkey_decision_log_dropped_total", "latchkey.decision_log.dropped", MetricKind::Counter, "{line}", [],
        "Dropped lines of the decision log: the queue was full, or a line could not be written";
    SPANS_SENT = "latchkey_spans_sent_total", "latchkey.spans.sent", MetricKind::Counter, "{span}", [],
        "Spans that a collector accepted";
    SPANS_DROPPED = "latchkey_spans_dropped_total", "latchkey.spans.dropped", MetricKind::Counter, "{span}", [],
        "Dropped spans: the queue was full, or no collector accepted them";
    EXPORTS = "latchkey_otlp_exports_total", "latchkey.otlp.exports", MetricKind::Counter, "{export}",
        [("signal", "latchkey.otlp.signal"), OUTCOME], "Exports by OTLP by signal (traces, metrics) and outcome (ok, error)";
    CERTIFICATE_EXPIRY = "latchkey_certificate_expiry_timestamp_seconds", "latchkey.certificate.expiry", MetricKind::Gauge, "s",
        [], "Expiry of the server's certificate, in seconds since 1970; only with TLS";
    CLIENT_CA_EXPIRY = "latchkey_client_ca_expiry_timestamp_seconds", "latchkey.client_ca.expiry", MetricKind::Gauge, "s", [],
        "Expiry of the client CA that expires first, in seconds since 1970; only with tls_client_ca or management_tls_client_ca";
    CRL_DUE = "latchkey_crl_due_timestamp_seconds", "latchkey.crl.due", MetricKind::Gauge, "s", [],
        "Time at which a new revocation list is due (an eighth of the validity before its expiry), in seconds since 1970; only with revocation lists";
    CRL_EXPIRY = "latchkey_crl_expiry_timestamp_seconds", "latchkey.crl.expiry", MetricKind::Gauge, "s", [],
        "Expiry of the revocation list that expires first, in seconds since 1970; after it, clients of that list's CA are rejected";
    HOST_FINDINGS = "latchkey_findings", "latchkey.findings", MetricKind::Gauge, "{finding}", [("check", "latchkey.check")],
        "Present findings of the checks that the process makes at its start and every minute, by check (secret_files, certificates, database_clock, disk, signing_keys, lookups); the log describes each";
    DATABASE_CLOCK = "latchkey_database_clock_offset_seconds", "latchkey.database.clock_offset", MetricKind::Gauge, "s", [],
        "Clock of the database minus the clock of this replica; only with PostgreSQL, absent before the first answer";
    DISK_FREE = "latchkey_disk_free_bytes", "latchkey.disk.free", MetricKind::Gauge, "By", [],
        "Free space of the file system that holds the embedded database; only with SQLite";
    DISK_SIZE = "latchkey_disk_size_bytes", "latchkey.disk.size", MetricKind::Gauge, "By", [],
        "Size of the file system that holds the embedded database; only with SQLite";
    SQLITE_WAL = "latchkey_sqlite_wal_bytes", "latchkey.sqlite.wal", MetricKind::Gauge, "By", [],
        "Size of the write-ahead log file of the embedded database, which grows while a reader of another program keeps SQLite from reusing it; only with SQLite";
    BUILD_INFO = "latchkey_build_info", "latchkey.build.info", MetricKind::Gauge, "1",
        [("version", "service.version")], "Always 1; the label is the version of the program";
    PROCESS_CPU = "process_cpu_seconds_total", "process.cpu.time", MetricKind::Counter, "s", [],
        "CPU time of this process";
    PROCESS_MEMORY = "process_resident_memory_bytes", "process.memory.usage", MetricKind::Gauge, "By", [],
        "Resident memory of this process";
    PROCESS_FILES = "process_open_fds", "process.unix.file_descriptor.count", MetricKind::Gauge, "{file_descriptor}", [],
        "Open file descriptors of this process, including connections";
    PROCESS_FILES_LIMIT = "process_max_fds", "process.unix.file_descriptor.limit", MetricKind::Gauge, "{file_descriptor}",
        [], "Maximum number of open file descriptors";
    PROCESS_THREADS = "process_threads", "process.thread.count", MetricKind::Gauge, "{thread}", [],
        "Threads of this process";
    PROCESS_START = "process_start_time_seconds", "process.start_time", MetricKind::Gauge, "s", [],
        "Start of this process, in seconds since 1970";
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
            assert!(names.insert(name) && names.insert(otel), "{name} or {otel} is not unique");
            let plain = |text: &str, also: char| {
                text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == also)
            };
            assert!(plain(name, '_') && plain(otel, '.'), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == MetricKind::Counter, "{name}");
            let has_unit = match *unit {
                "s" => name.contains("seconds"),
                "By" => name.contains("bytes"),
                _ => !name.contains("seconds") && !name.contains("bytes"),
            };
            assert!(has_unit, "{name} must name its unit");
            assert!(
                !help.is_empty() && labels.iter().all(|(prom, otel)| plain(prom, '_') && plain(otel, '.'))
            );
        }
    }

    #[test]
    fn the_documentation_has_the_same_table() {
        let mut table =
            "| metric | type | labels | description | name in OTLP |\n|---|---|---|---|---|\n".to_owned();
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
    fn bounds_are_in_ascending_order() {
        for bounds in [CHECK_BOUNDS, CALL_BOUNDS, QUERY_BOUNDS] {
            assert!(bounds.is_sorted_by(|a, b| a < b));
        }
    }
}
