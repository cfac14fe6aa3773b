//! Everything that is told of the process, gathered when somebody asks: what was counted, and how each part is just
//! now. Nothing here waits: a part that hangs is told as it was last known.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use latchkey_core::memory::Memory;
use latchkey_core::usage::Usage;
use latchkey_store::Store;
use tokio::sync::watch;

use super::metric::Sheet;
use super::{Exported, Meter, Queries, catalogue, decisions, process, writer};
use crate::cores::Port;
use crate::follower::{Followed, Follower};
use crate::limits::Limits;
use crate::listen::Visits;
use crate::readiness::Stage;
use crate::tls::Acceptor;
use crate::workers::Threads;

/// The parts that are looked at.
pub(crate) struct Gauges {
    pub(crate) meter: Arc<Meter>,
    pub(crate) memory: Arc<Memory>,
    /// What memory may weigh.
    pub(crate) most: usize,
    pub(crate) follower: Arc<Follower>,
    pub(crate) stage: watch::Receiver<Stage>,
    pub(crate) limits: Limits,
    pub(crate) store: Arc<Store>,
    pub(crate) queries: Arc<Queries>,
    pub(crate) workers: Arc<Threads>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) exported: Arc<Exported>,
    /// The folder of the embedded database.
    pub(crate) folder: Option<PathBuf>,
    /// Once they are bound.
    pub(crate) ports: OnceLock<Vec<Arc<Port>>>,
    pub(crate) visits: OnceLock<Vec<Arc<Visits>>>,
}

impl Gauges {
    /// Everything, as it is now.
    pub(crate) fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::default();
        self.meter.tell(&mut sheet);
        self.memory(&mut sheet);
        self.feed(&mut sheet);
        self.limits(&mut sheet);
        self.store(&mut sheet);
        self.visits(&mut sheet);
        let (held, most) = self.workers.held();
        sheet.size(&catalogue::PASSWORD_QUEUE, &[], held);
        sheet.size(&catalogue::PASSWORD_QUEUE_LIMIT, &[], most);
        sheet.count(&catalogue::USAGE_DROPPED, &[], self.usage.dropped());
        sheet.count(&catalogue::LOG_DROPPED, &[], writer::dropped());
        sheet.count(&catalogue::DECISIONS_DROPPED, &[], decisions::dropped());
        self.exported.tell(&mut sheet);
        self.certificates(&mut sheet);
        sheet.count(&catalogue::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1);
        process::tell(&mut sheet);
        sheet
    }

    /// Of all ports, whichever comes first.
    fn certificates(&self, sheet: &mut Sheet) {
        let ports = || self.ports.get().into_iter().flatten().filter_map(|port| port.tls.as_ref());
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

    fn memory(&self, sheet: &mut Sheet) {
        for (kind, count) in self.memory.entries() {
            sheet.size(&catalogue::MEMORY_ENTRIES, &[kind], count);
        }
        sheet.size(&catalogue::MEMORY_BYTES, &[], self.memory.bytes());
        sheet.size(&catalogue::MEMORY_LIMIT, &[], self.most);
    }

    fn feed(&self, sheet: &mut Sheet) {
        let Followed { revision, lag, left, polls, replicas } = self.follower.followed();
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
        sheet.flag(&catalogue::READY, *self.stage.borrow() == Stage::Ready);
    }

    fn limits(&self, sheet: &mut Sheet) {
        if let Some(redis) = self.limits.shared() {
            sheet.flag(&catalogue::REDIS_BREAKER, !redis.is_shared());
            sheet.count(&catalogue::REDIS_QUESTIONS, &[], redis.asked());
            sheet.count(&catalogue::REDIS_FAILURES, &[], redis.failed());
        }
        sheet.size(&catalogue::BUCKETS, &[], self.limits.remembered());
    }

    fn visits(&self, sheet: &mut Sheet) {
        let all = || self.visits.get().into_iter().flatten();
        for visits in all() {
            sheet.size(&catalogue::CONNECTIONS, &[visits.name], visits.open());
        }
        for visits in all() {
            sheet.size(&catalogue::CONNECTIONS_LIMIT, &[visits.name], visits.most);
        }
        for visits in all() {
            for (outcome, count) in ["accepted", "refused"].iter().zip(visits.came()) {
                sheet.count(&catalogue::CONNECTIONS_CAME, &[visits.name, outcome], count);
            }
        }
    }

    fn store(&self, sheet: &mut Sheet) {
        self.queries.tell(sheet);
        let connections = self.store.connections();
        sheet.size(&catalogue::STORE_CONNECTIONS, &["idle"], connections.idle);
        sheet.size(&catalogue::STORE_CONNECTIONS, &["used"], connections.used);
        sheet.size(&catalogue::STORE_LIMIT, &[], connections.most);
        if let Some(disk) = self.folder.as_ref().and_then(|folder| rustix::fs::statvfs(folder).ok()) {
            sheet.count(&catalogue::DISK_FREE, &[], disk.f_bavail * disk.f_frsize);
            sheet.count(&catalogue::DISK_SIZE, &[], disk.f_blocks * disk.f_frsize);
        }
    }
}
