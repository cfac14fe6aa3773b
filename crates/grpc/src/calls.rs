//! Who may call what: every RPC of the contract, in one table. A call that isn't in it is refused before
//! anything else is looked at, and one that is for operators is refused to everyone else before its message
//! is; a test holds the table against the contract's descriptors.

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Whoever reaches the port: the message carries the credential that is judged.
    Anyone,
    /// A key or user with the scope to manage its tenant's keys, for its tenant; operators for any.
    KeyManager,
    /// Operators.
    Operator,
}

/// An RPC of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// As it stands in the request's path.
    pub path: &'static str,
    /// Who may call it.
    pub who: Who,
    /// True for an RPC that decides about other requests. It keeps its own deadline and emits an event for each
    /// decision; every other RPC is measured as a whole.
    pub decides: bool,
}

const fn call(path: &'static str, who: Who) -> Call {
    Call { path, who, decides: false }
}

const fn check(path: &'static str) -> Call {
    Call { path, who: Who::Anyone, decides: true }
}

/// The question that Envoy asks.
pub(crate) const AUTHORIZE: &str = "/envoy.service.auth.v3.Authorization/Check";
/// The question that services ask.
pub(crate) const CHECK: &str = "/latchkey.v1.CheckService/Check";

/// Every RPC of the contract; those that are called most stand first.
pub const CALLS: &[Call] = &[
    check(AUTHORIZE),
    check(CHECK),
    check("/latchkey.v1.CheckService/BatchCheck"),
    call("/latchkey.v1.KeyService/CreateKey", Who::KeyManager),
    call("/latchkey.v1.KeyService/GetKey", Who::KeyManager),
    call("/latchkey.v1.KeyService/ListKeys", Who::KeyManager),
    call("/latchkey.v1.KeyService/UpdateKey", Who::KeyManager),
    call("/latchkey.v1.KeyService/RotateKey", Who::KeyManager),
    call("/latchkey.v1.KeyService/RevokeKey", Who::KeyManager),
    call("/latchkey.v1.KeyService/GetPublishableKey", Who::KeyManager),
    call("/latchkey.v1.KeyService/ImportKeys", Who::KeyManager),
    call("/latchkey.v1.KeyService/GetKeyUsage", Who::KeyManager),
    call("/latchkey.v1.TenantService/CreateTenant", Who::Operator),
    call("/latchkey.v1.TenantService/GetTenant", Who::KeyManager),
    call("/latchkey.v1.TenantService/ListTenants", Who::Operator),
    call("/latchkey.v1.TenantService/UpdateTenant", Who::Operator),
    call("/latchkey.v1.TenantService/SuspendTenant", Who::Operator),
    call("/latchkey.v1.TenantService/ResumeTenant", Who::Operator),
    call("/latchkey.v1.TenantService/CreateUser", Who::KeyManager),
    call("/latchkey.v1.TenantService/ListUsers", Who::KeyManager),
    call("/latchkey.v1.TenantService/SetUserPassword", Who::KeyManager),
    call("/latchkey.v1.TenantService/DisableUser", Who::KeyManager),
    call("/latchkey.v1.TenantService/UpdateUser", Who::KeyManager),
    call("/latchkey.v1.ProfileService/ApplyProfile", Who::Operator),
    call("/latchkey.v1.ProfileService/GetProfile", Who::Operator),
    call("/latchkey.v1.ProfileService/ListProfiles", Who::Operator),
    call("/latchkey.v1.AuditService/ListAuditEvents", Who::KeyManager),
    call("/latchkey.v1.AuditService/VerifyAuditLog", Who::Operator),
    call("/latchkey.v1.ShadowService/GetShadowReport", Who::Operator),
    call("/latchkey.v1.TokenService/IssueJwt", Who::Anyone),
    call("/latchkey.v1.TokenService/RefreshJwt", Who::Anyone),
    call("/latchkey.v1.TokenService/RevokeJwt", Who::Anyone),
    call("/latchkey.v1.TokenService/GetJwks", Who::Anyone),
    call("/latchkey.v1.SigningKeyService/ListSigningKeys", Who::Operator),
    call("/latchkey.v1.SigningKeyService/RotateSigningKey", Who::Operator),
    call("/latchkey.v1.SigningKeyService/WithdrawSigningKey", Who::Operator),
];

/// The RPC of this path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.path == path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_rpc_of_the_contract_has_one_row_and_every_row_an_rpc() {
        let files = FileDescriptorSet::decode(latchkey_proto::FILE_DESCRIPTOR_SET).unwrap();
        let mut contract = BTreeSet::new();
        for file in &files.file {
            for service in &file.service {
                for method in &service.method {
                    contract.insert(format!("/{}.{}/{}", file.package(), service.name(), method.name()));
                }
            }
        }
        let rows: BTreeSet<String> = CALLS.iter().map(|call| call.path.to_owned()).collect();
        assert_eq!(rows, contract);
        assert_eq!(rows.len(), CALLS.len());
    }

    #[test]
    fn a_path_is_found_by_its_very_spelling() {
        assert!(find(AUTHORIZE).is_some());
        for path in
            ["/envoy.service.auth.v3.Authorization/check", "/envoy.service.auth.v3.Authorization/Check/", ""]
        {
            assert_eq!(find(path), None, "{path}");
        }
    }
}
