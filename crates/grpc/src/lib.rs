//! gRPC services of Envoy's external authorization and of `latchkey.v1`. They convert messages to calls of the domain
//! logic and its results to messages. Rules and storage belong to other crates.

mod admission;
mod convert;
mod deadline;
mod decision_event;
mod ext_authz;
mod fast_path;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod manage;
mod native;
mod raw_codec;
pub mod rpc_table;
mod status;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use latchkey_core::gate::Gate;
use latchkey_core::observer::CheckObserver;
use latchkey_core::ports::Limiter;
use latchkey_core::time::Clock;
use latchkey_management::{Auditor, BulkChanges, Deletions, ManagementService, TokenIssuer, UsageReader};
use latchkey_profile::Catalog;
use latchkey_proto::v1::audit_service_server::AuditServiceServer;
use latchkey_proto::v1::caller_service_server::CallerServiceServer;
use latchkey_proto::v1::key_service_server::KeyServiceServer;
use latchkey_proto::v1::profile_service_server::ProfileServiceServer;
use latchkey_proto::v1::shadow_service_server::ShadowServiceServer;
use latchkey_proto::v1::signing_key_service_server::SigningKeyServiceServer;
use latchkey_proto::v1::tenant_service_server::TenantServiceServer;
use latchkey_proto::v1::token_service_server::TokenServiceServer;
use latchkey_proto::v1::usage_service_server::UsageServiceServer;
use tonic::service::Routes;

use self::admission::{AdmissionService, AdmissionState};
pub use self::convert::profile::diff_to_proto;
pub use self::ext_authz::MAX_MESSAGE_BYTES as MAX_CHECK_BYTES;
use self::ext_authz::{Authorization, CheckHandler};
pub use self::fast_path::{CheckFastPath, CheckMethod, ResponseBody};
use self::manage::ManagementApi;
use self::native::{NativeCheckHandler, NativeChecks};

/// Dependencies of the services.
pub struct Services<L> {
    /// Gate that decides about Checks and authenticates the callers of other RPCs.
    pub gate: Arc<Gate<L>>,
    /// Use cases of tenants, keys and profiles.
    pub management: Arc<ManagementService>,
    /// Use cases of tokens and users.
    pub tokens: Arc<TokenIssuer>,
    /// Use cases of the audit log.
    pub auditor: Arc<Auditor>,
    /// Changes of many keys at a time.
    pub bulk: Arc<BulkChanges>,
    /// Use cases that delete keys, users, tenants and profiles.
    pub deletions: Arc<Deletions>,
    /// Reader of key usage and of shadow reports.
    pub usage: Arc<UsageReader>,
    /// Profiles in force.
    pub catalog: Arc<Catalog>,
    /// Source of the current time.
    pub clock: Arc<dyn Clock>,
    /// True when the replica is ready. Until then, every call is rejected with `UNAVAILABLE`.
    pub ready: Arc<AtomicBool>,
    /// Maximum duration of a Check.
    pub check_deadline: Duration,
    /// Observer that gets an event for each Check and for the end of each other call.
    pub observer: Arc<dyn CheckObserver>,
}

/// Returns all services of the contract with admission in front of them. The server adds reflection and health.
#[must_use]
pub fn routes<L: Limiter + 'static>(services: Services<L>) -> Routes {
    let envoy = Authorization::new(CheckHandler::new(&services));
    let checks = NativeChecks::new(NativeCheckHandler::new(&services));
    let Services {
        gate,
        management,
        tokens,
        auditor,
        bulk,
        deletions,
        usage,
        catalog,
        clock,
        ready,
        observer,
        ..
    } = services;
    let management =
        ManagementApi { gate, management, tokens, auditor, bulk, deletions, usage, clock, catalog };
    let admission = AdmissionState { ready, observer };
    Routes::new(AdmissionService::new(envoy, &admission))
        .add_service(AdmissionService::new(checks, &admission))
        .add_service(AdmissionService::new(KeyServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(TenantServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(ProfileServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(TokenServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(SigningKeyServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(ShadowServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(CallerServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(UsageServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(AuditServiceServer::new(management), &admission))
}
