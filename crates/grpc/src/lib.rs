//! The door: messages of Envoy's and of our own contract into questions for the law, and its answers into
//! messages. No rule lives here and no store is known; what a caller may do is decided behind it.

mod admission;
mod convert;
mod deadline;
mod decision_event;
mod ext_authz;
mod fast_path;
mod manage;
mod native;
pub mod rpc_table;
mod status;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use latchkey_core::gate::Gate;
use latchkey_core::observer::CheckObserver;
use latchkey_core::ports::Limiter;
use latchkey_core::time::Clock;
use latchkey_management::{Auditor, ManagementService, TokenIssuer, UsageReader};
use latchkey_profile::Catalog;
use latchkey_proto::v1::audit_service_server::AuditServiceServer;
use latchkey_proto::v1::check_service_server::CheckServiceServer;
use latchkey_proto::v1::key_service_server::KeyServiceServer;
use latchkey_proto::v1::profile_service_server::ProfileServiceServer;
use latchkey_proto::v1::shadow_service_server::ShadowServiceServer;
use latchkey_proto::v1::signing_key_service_server::SigningKeyServiceServer;
use latchkey_proto::v1::tenant_service_server::TenantServiceServer;
use latchkey_proto::v1::token_service_server::TokenServiceServer;
use tonic::service::Routes;

use self::admission::{AdmissionService, AdmissionState};
use self::ext_authz::{Authorization, CheckHandler};
pub use self::fast_path::{CheckFastPath, CheckMethod, ResponseBody};
use self::manage::ManagementApi;
use self::native::NativeCheckHandler;

/// What the services work with.
pub struct Services<L> {
    /// Decides.
    pub gate: Arc<Gate<L>>,
    /// Carries out management calls.
    pub management: Arc<ManagementService>,
    /// Issues, renews and ends tokens, and manages users.
    pub tokens: Arc<TokenIssuer>,
    /// Reads and checks the audit log.
    pub auditor: Arc<Auditor>,
    /// Tells of the use of keys.
    pub usage: Arc<UsageReader>,
    /// The profiles in force.
    pub catalog: Arc<Catalog>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whether calls can be answered yet; until then, all are UNAVAILABLE.
    pub ready: Arc<AtomicBool>,
    /// Who hears of every answer.
    pub observer: Arc<dyn CheckObserver>,
}

/// Every service of the contract, behind the door. Reflection and health are added by whoever serves.
#[must_use]
pub fn routes<L: Limiter + 'static>(services: Services<L>) -> Routes {
    let envoy = Authorization::new(CheckHandler::new(&services));
    let checks = CheckServiceServer::new(NativeCheckHandler::new(&services));
    let Services { gate, management, tokens, auditor, usage, catalog, clock, ready, observer } = services;
    let management = ManagementApi { gate, management, tokens, auditor, usage, clock, catalog };
    let admission = AdmissionState { ready, observer };
    Routes::new(AdmissionService::new(envoy, &admission))
        .add_service(AdmissionService::new(checks, &admission))
        .add_service(AdmissionService::new(KeyServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(TenantServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(ProfileServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(TokenServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(SigningKeyServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(ShadowServiceServer::new(management.clone()), &admission))
        .add_service(AdmissionService::new(AuditServiceServer::new(management), &admission))
}
