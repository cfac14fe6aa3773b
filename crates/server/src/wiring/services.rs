//! Construction of the services that the gRPC and HTTP ports share.

use std::sync::Arc;

use latchkey_config::Settings;
use latchkey_core::gate::{Gate, GateParts};
use latchkey_grpc::Services;
use latchkey_management::{
    Auditor, BulkChanges, Deletions, ManagementService, ManagementServiceParts, TokenIssuer,
    TokenIssuerParts, UsageReader,
};
use latchkey_store::ManagementLookups;
use tokio::runtime::Handle;

use super::SharedParts;
use crate::anchor::AuditAnchorWriter;
use crate::follower::Follower;
use crate::lookup_batcher::{BatchingKeyStore, LateLookups};
use crate::rate_limiter::RateLimiter;
use crate::readiness::Readiness;

/// Creates the services from their dependencies.
pub(super) fn services(
    settings: &Settings,
    shared: &SharedParts,
    follower: &Arc<Follower>,
    anchor_writer: &AuditAnchorWriter,
    readiness: &Readiness,
) -> Services<RateLimiter> {
    let random = shared.random.clone();
    let runtime = Handle::current();
    let gate = |store: BatchingKeyStore| {
        Gate::new(GateParts {
            store: Arc::new(store),
            policies: shared.catalog.clone(),
            limiter: shared.limiter.clone(),
            cache: shared.cache.clone(),
            clock: shared.clock.clone(),
            usage: shared.usage.clone(),
            lease: follower.clone(),
        })
    };
    let patient_lookups = || {
        let store = Arc::new(ManagementLookups(shared.store.clone()));
        BatchingKeyStore::new(store, &runtime, shared.deadlines.management)
    };
    let late_lookups = LateLookups::new(runtime.clone(), gate(patient_lookups()));
    let check_lookups =
        BatchingKeyStore::new(shared.store.clone(), &runtime, shared.deadlines.check.lookup());
    let gate = gate(check_lookups.on_late(move |subject| late_lookups.start(subject)));
    let management = ManagementService::new(ManagementServiceParts {
        store: shared.store.clone(),
        policies: shared.catalog.clone(),
        propagation: follower.clone(),
        clock: shared.clock.clone(),
        sealer: shared.sealer.clone(),
        random: Arc::new(move || random.generator()),
    });
    let management = Arc::new(management.with_certificate_operators(shared.operators.clone()));
    let tokens = TokenIssuer::new(TokenIssuerParts {
        management: management.clone(),
        store: shared.store.clone(),
        keys: Arc::new(patient_lookups()),
        cache: shared.cache.clone(),
        blocking: shared.blocking_pool.clone(),
        observer: shared.observer.clone(),
    });
    let tokens = Arc::new(tokens);
    let deletions = Deletions::new(management.clone(), tokens.clone(), shared.store.clone());
    let usage = UsageReader::new(management.clone(), shared.usage.clone(), shared.store.clone());
    let usage = Arc::new(usage);
    let bulk = BulkChanges::new(management.clone(), usage.clone(), shared.store.clone());
    let (log, anchors) = (shared.store.clone(), anchor_writer.store());
    let auditor = Auditor::new(management.clone(), log, anchors, settings.audit_token_retention);
    Services {
        gate: Arc::new(gate),
        management,
        auditor: Arc::new(auditor),
        bulk: Arc::new(bulk),
        usage,
        deletions: Arc::new(deletions),
        tokens,
        catalog: shared.catalog.clone(),
        clock: shared.clock.clone(),
        ready: readiness.accepting(),
        check_deadline: shared.deadlines.check.total,
        observer: shared.observer.clone(),
    }
}
