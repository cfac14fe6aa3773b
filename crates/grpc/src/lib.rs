//! The door: messages of Envoy's and of our own contract into questions for the law, and its answers into
//! messages. No rule lives here and no store is known; what a caller may do is decided behind it.

pub mod calls;
mod convert;
mod deadline;
mod decision_event;
mod door;
mod ext_authz;
mod fast_path;
mod fate;
mod manage;
mod native;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use latchkey_core::gate::Gate;
use latchkey_core::ports::Limiter;
use latchkey_core::time::Clock;
use latchkey_core::witness::Witness;
use latchkey_management::{Auditor, Registrar, TokenDesk, UsageDesk};
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

use self::door::{Door, Porch};
use self::ext_authz::{Authorization, CheckHandler};
pub use self::fast_path::{CheckFastPath, CheckMethod, ResponseBody};
use self::manage::Desk;
use self::native::Checks;

/// What the services work with.
pub struct Services<L> {
    /// Decides.
    pub gate: Arc<Gate<L>>,
    /// Carries out management calls.
    pub registrar: Arc<Registrar>,
    /// Issues, renews and ends tokens, and manages users.
    pub tokens: Arc<TokenDesk>,
    /// Reads and checks the audit log.
    pub auditor: Arc<Auditor>,
    /// Tells of the use of keys.
    pub usage: Arc<UsageDesk>,
    /// The profiles in force.
    pub catalog: Arc<Catalog>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Whether calls can be answered yet; until then, all are UNAVAILABLE.
    pub ready: Arc<AtomicBool>,
    /// Who hears of every answer.
    pub witness: Arc<dyn Witness>,
}

/// Every service of the contract, behind the door. Reflection and health are added by whoever serves.
#[must_use]
pub fn routes<L: Limiter + 'static>(services: Services<L>) -> Routes {
    let envoy = Authorization::new(CheckHandler::new(&services));
    let checks = CheckServiceServer::new(Checks::new(&services));
    let Services { gate, registrar, tokens, auditor, usage, catalog, clock, ready, witness } = services;
    let desk = Desk { gate, registrar, tokens, auditor, usage, clock, catalog };
    let porch = Porch { ready, witness };
    Routes::new(Door::before(envoy, &porch))
        .add_service(Door::before(checks, &porch))
        .add_service(Door::before(KeyServiceServer::new(desk.clone()), &porch))
        .add_service(Door::before(TenantServiceServer::new(desk.clone()), &porch))
        .add_service(Door::before(ProfileServiceServer::new(desk.clone()), &porch))
        .add_service(Door::before(TokenServiceServer::new(desk.clone()), &porch))
        .add_service(Door::before(SigningKeyServiceServer::new(desk.clone()), &porch))
        .add_service(Door::before(ShadowServiceServer::new(desk.clone()), &porch))
        .add_service(Door::before(AuditServiceServer::new(desk), &porch))
}
