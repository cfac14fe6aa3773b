//! Sources of metrics, one for each part of the process: how it is just now. Nothing here waits: of a part that hangs,
//! the values that were known last are written.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use latchkey_core::memory::Memory;
use latchkey_core::usage::Usage;
use latchkey_store::Store;
use latchkey_telemetry::{Sheet, catalogue};
use latchkey_transport::Port;
use latchkey_transport::Visits;
use latchkey_transport::tls::Acceptor;
use tokio::sync::watch;

use crate::follower::{Followed, Follower};
use crate::limits::Limits;
use crate::readiness::Stage;
use crate::workers::Threads;

/// What is remembered, and how much it may weigh.
pub(crate) fn memory(memory: Arc<Memory>, most: usize) -> impl Fn(&mut Sheet) {
    move |sheet| {
        for (kind, count) in memory.entries() {
            sheet.size(&catalogue::MEMORY_ENTRIES, &[kind], count);
        }
        sheet.size(&catalogue::MEMORY_BYTES, &[], memory.bytes());
        sheet.size(&catalogue::MEMORY_LIMIT, &[], most);
    }
}

/// The change feed, the lease, and whether this process is ready.
pub(crate) fn feed(follower: Arc<Follower>, stage: watch::Receiver<Stage>) -> impl Fn(&mut Sheet) {
    move |sheet| {
        let Followed { revision, lag, left, polls, replicas } = follower.followed();
        sheet.real(&catalogue::LEASE_REMAINING, &[], left.as_secs_f64());
        sheet.flag(&catalogue::MEMORY_TRUSTED, left > Duration::ZERO);
        sheet.count(&catalogue::FEED_REVISION, &[], revision);
        if let Some(lag) = lag {
            sheet.real(&catalogue::FEED_LAG, &[], lag.as_secs_f64());
        }
        for (outcome, count) in ["ok", "failed"].iter().zip(polls) {
            sheet.count(&catalogue::FEED_POLLS, &[outcome], count);
        }
        if let Some(replicas) = replicas {
            sheet.count(&catalogue::REPLICAS, &[], replicas);
        }
        sheet.flag(&catalogue::READY, *stage.borrow() == Stage::Ready);
    }
}

/// Rate limits, and Redis where they are shared.
pub(crate) fn limits(limits: Limits) -> impl Fn(&mut Sheet) {
    move |sheet| {
        if let Some(redis) = limits.shared() {
            sheet.flag(&catalogue::REDIS_BREAKER, !redis.is_shared());
            sheet.count(&catalogue::REDIS_QUESTIONS, &[], redis.asked());
            sheet.count(&catalogue::REDIS_FAILURES, &[], redis.failed());
        }
        sheet.size(&catalogue::BUCKETS, &[], limits.remembered());
    }
}

/// Connections to the database; of the embedded one, the disk of this folder.
pub(crate) fn store(store: Arc<Store>, folder: Option<PathBuf>) -> impl Fn(&mut Sheet) {
    move |sheet| {
        let connections = store.connections();
        sheet.size(&catalogue::STORE_CONNECTIONS, &["idle"], connections.idle);
        sheet.size(&catalogue::STORE_CONNECTIONS, &["used"], connections.used);
        sheet.size(&catalogue::STORE_LIMIT, &[], connections.most);
        if let Some(disk) = folder.as_ref().and_then(|folder| rustix::fs::statvfs(folder).ok()) {
            sheet.count(&catalogue::DISK_FREE, &[], disk.f_bavail * disk.f_frsize);
            sheet.count(&catalogue::DISK_SIZE, &[], disk.f_blocks * disk.f_frsize);
        }
    }
}

/// Long work that waits or runs, and use of keys that was lost.
pub(crate) fn work(workers: Arc<Threads>, usage: Arc<Usage>) -> impl Fn(&mut Sheet) {
    move |sheet| {
        let (held, most) = workers.held();
        sheet.size(&catalogue::PASSWORD_QUEUE, &[], held);
        sheet.size(&catalogue::PASSWORD_QUEUE_LIMIT, &[], most);
        sheet.count(&catalogue::USAGE_DROPPED, &[], usage.dropped());
    }
}

/// Connections of every port.
pub(crate) fn visits(all: Vec<Arc<Visits>>) -> impl Fn(&mut Sheet) {
    move |sheet| {
        for visits in &all {
            sheet.size(&catalogue::CONNECTIONS, &[visits.name], visits.open());
        }
        for visits in &all {
            sheet.size(&catalogue::CONNECTIONS_LIMIT, &[visits.name], visits.most);
        }
        for visits in &all {
            for (outcome, count) in ["accepted", "refused"].iter().zip(visits.came()) {
                sheet.count(&catalogue::CONNECTIONS_CAME, &[visits.name, outcome], count);
            }
        }
    }
}

/// When certificates and revocation lists end: of all ports, whichever comes first.
pub(crate) fn certificates<M>(all: Vec<Arc<Port<M>>>) -> impl Fn(&mut Sheet) {
    move |sheet| {
        let ports = || all.iter().filter_map(|port| port.tls.as_ref());
        let terms = || ports().filter_map(Acceptor::term);
        let moments = [
            (&catalogue::CERTIFICATE_EXPIRY, ports().filter_map(Acceptor::ends).min()),
            (&catalogue::CRL_DUE, terms().map(|term| term.due).min()),
            (&catalogue::CRL_EXPIRY, terms().map(|term| term.ends).min()),
        ];
        for (metric, moment) in moments {
            if let Some(moment) = moment.and_then(|moment| u64::try_from(moment).ok()) {
                sheet.count(metric, &[], moment);
            }
        }
    }
}
