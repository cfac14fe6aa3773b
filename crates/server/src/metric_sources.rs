//! Metric sources, one for each part of the process, which report its present state. Sources must not block: a part
//! that hangs is reported with its last known values.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::cache::ReplicaCache;
use latchkey_core::usage::UsageTracker;
use latchkey_store::Store;
use latchkey_telemetry::{MetricSnapshot, definitions};
use latchkey_transport::tls::Acceptor;
use latchkey_transport::{ConnectionStats, PortConfig};
use tokio::sync::watch;

use crate::blocking_pool::BlockingPool;
use crate::follower::{Follower, FollowerStatus};
use crate::host_checks::HostStatus;
use crate::rate_limiter::RateLimiter;
use crate::readiness::Stage;

/// Reports the entries of the cache, their size, and its limit in bytes.
pub(crate) fn cache(cache: Arc<ReplicaCache>, max_bytes: usize) -> impl Fn(&mut MetricSnapshot) {
    move |snapshot| {
        for (kind, count) in cache.entries() {
            snapshot.add_usize(&definitions::CACHE_ENTRIES, &[kind], count);
        }
        snapshot.add_usize(&definitions::CACHE_BYTES, &[], cache.bytes());
        snapshot.add_usize(&definitions::CACHE_LIMIT, &[], max_bytes);
    }
}

/// Reports the change feed, the lease, and readiness.
pub(crate) fn feed(follower: Arc<Follower>, stage: watch::Receiver<Stage>) -> impl Fn(&mut MetricSnapshot) {
    move |snapshot| {
        let FollowerStatus { revision, lag, lease_remaining, polls, replicas, lost_revisions, reapplied } =
            follower.status();
        snapshot.add_u64(&definitions::LOST_REVISIONS, &[], lost_revisions);
        snapshot.add_u64(&definitions::REAPPLIED_REVOCATIONS, &[], reapplied);
        snapshot.add_f64(&definitions::CACHE_LEASE_REMAINING, &[], lease_remaining.as_secs_f64());
        snapshot.add_bool(&definitions::CACHE_LEASE_VALID, lease_remaining > Duration::ZERO);
        snapshot.add_u64(&definitions::FEED_REVISION, &[], revision);
        if let Some(lag) = lag {
            snapshot.add_f64(&definitions::FEED_LAG, &[], lag.as_secs_f64());
        }
        for (outcome, count) in ["ok", "error"].iter().zip(polls) {
            snapshot.add_u64(&definitions::FEED_POLLS, &[outcome], count);
        }
        if let Some(replicas) = replicas {
            snapshot.add_u64(&definitions::REPLICAS, &[], replicas);
        }
        snapshot.add_bool(&definitions::READY, stage.borrow().is_serving());
    }
}

/// Reports rate limits, and Redis if limits are shared.
pub(crate) fn limits(limits: RateLimiter) -> impl Fn(&mut MetricSnapshot) {
    move |snapshot| {
        if let Some(redis) = limits.redis() {
            snapshot.add_bool(&definitions::REDIS_BREAKER, !redis.is_shared());
            snapshot.add_u64(&definitions::REDIS_REQUESTS, &[], redis.requests());
            snapshot.add_u64(&definitions::REDIS_FAILURES, &[], redis.failures());
            if let Some(offset) = redis.clock_offset() {
                snapshot.add_f64(&definitions::REDIS_CLOCK, &[], offset);
            }
        }
        snapshot.add_usize(&definitions::RATE_LIMIT_BUCKETS, &[], limits.bucket_count());
    }
}

/// Reports connections to the database and, for an embedded one, its write-ahead log and the disk that has its file.
pub(crate) fn store(store: Arc<Store>, file: Option<PathBuf>) -> impl Fn(&mut MetricSnapshot) {
    move |snapshot| {
        let connections = store.connections();
        snapshot.add_usize(&definitions::DATABASE_CONNECTION_COUNT, &["idle"], connections.idle);
        snapshot.add_usize(&definitions::DATABASE_CONNECTION_COUNT, &["used"], connections.used);
        snapshot.add_usize(&definitions::DATABASE_CONNECTION_LIMIT, &[], connections.limit);
        let Some(file) = &file else { return };
        let mut log = file.clone().into_os_string();
        log.push("-wal");
        // There is no file while no connection is open.
        let bytes = std::fs::metadata(log).map_or(0, |metadata| metadata.len());
        snapshot.add_u64(&definitions::SQLITE_WAL, &[], bytes);
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Ok(disk) = rustix::fs::statvfs(folder.unwrap_or(Path::new("."))) {
            snapshot.add_u64(&definitions::DISK_FREE, &[], disk.f_bavail * disk.f_frsize);
            snapshot.add_u64(&definitions::DISK_SIZE, &[], disk.f_blocks * disk.f_frsize);
        }
    }
}

/// Reports the queue of the blocking pool, and key usage that was dropped.
pub(crate) fn work(
    blocking_pool: Arc<BlockingPool>,
    usage: Arc<UsageTracker>,
) -> impl Fn(&mut MetricSnapshot) {
    move |snapshot| {
        let (pending, limit) = blocking_pool.load();
        snapshot.add_usize(&definitions::BLOCKING_QUEUE, &[], pending);
        snapshot.add_usize(&definitions::BLOCKING_QUEUE_LIMIT, &[], limit);
        snapshot.add_u64(&definitions::USAGE_DROPPED, &[], usage.dropped());
    }
}

/// Reports the findings of the host checks.
pub(crate) fn host(status: Arc<HostStatus>) -> impl Fn(&mut MetricSnapshot) {
    move |snapshot| {
        for (check, count) in status.counts() {
            snapshot.add_usize(&definitions::HOST_FINDINGS, &[check], count);
        }
        if let Some(millis) = status.clock_offset() {
            let sign = if millis < 0 { -1.0 } else { 1.0 };
            let offset = sign * Duration::from_millis(millis.unsigned_abs()).as_secs_f64();
            snapshot.add_f64(&definitions::DATABASE_CLOCK, &[], offset);
        }
        if let Some(expiry) = status.client_ca_expiry().and_then(|expiry| u64::try_from(expiry).ok()) {
            snapshot.add_u64(&definitions::CLIENT_CA_EXPIRY, &[], expiry);
        }
    }
}

/// Reports connections of all ports.
pub(crate) fn connections(all: Vec<Arc<ConnectionStats>>) -> impl Fn(&mut MetricSnapshot) {
    move |snapshot| {
        for stats in &all {
            snapshot.add_usize(&definitions::CONNECTIONS, &[stats.name], stats.open());
        }
        for stats in &all {
            snapshot.add_usize(&definitions::CONNECTIONS_LIMIT, &[stats.name], stats.limit);
        }
        for stats in &all {
            for (outcome, count) in ["accepted", "handshake_error"].iter().zip(stats.outcomes()) {
                snapshot.add_u64(&definitions::CONNECTIONS_TOTAL, &[stats.name, outcome], count);
            }
        }
    }
}

/// Reports the earliest expiry of certificates and revocation lists of all ports.
pub(crate) fn certificates<M>(all: Vec<Arc<PortConfig<M>>>) -> impl Fn(&mut MetricSnapshot) {
    move |snapshot| {
        let ports = || all.iter().filter_map(|port| port.tls.as_ref());
        let validities = || ports().filter_map(Acceptor::crl_validity);
        let moments = [
            (&definitions::CERTIFICATE_EXPIRY, ports().filter_map(Acceptor::certificate_expiry).min()),
            (&definitions::CRL_DUE, validities().map(|validity| validity.due).min()),
            (&definitions::CRL_EXPIRY, validities().map(|validity| validity.expires).min()),
        ];
        for (metric, moment) in moments {
            if let Some(moment) = moment.and_then(|moment| u64::try_from(moment).ok()) {
                snapshot.add_u64(metric, &[], moment);
            }
        }
    }
}
