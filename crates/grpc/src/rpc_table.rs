//! Table of every RPC of the contract and its allowed callers. A call that is not in the table is rejected before
//! anything else is read. A call for operators is rejected for all other callers before its message is read. A test
//! compares the table with the contract's descriptors. A row without a role is for operators with all rights.

use latchkey_core::operator::OperatorRole;

/// Class of callers that may call an RPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallerClass {
    /// Every caller that reaches the port. The message contains the credential that is checked.
    Anyone,
    /// Every key, user and operator with a valid credential, also one without the scope to manage keys.
    Authenticated,
    /// Keys and users with the scope to manage the keys of their own tenant, and operators for every tenant.
    KeyManager,
    /// Operators.
    Operator,
}

/// RPC of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RpcEntry {
    /// Path of the HTTP request.
    pub path: &'static str,
    /// Class of callers that may call it.
    pub caller_class: CallerClass,
    /// Role with the fewest rights that an operator needs to call it.
    pub operator_role: OperatorRole,
    /// True for an RPC that decides about other requests. It keeps its own deadline and emits an event for each
    /// decision; every other RPC is measured as a whole.
    pub decides: bool,
}

const fn rpc(path: &'static str, caller_class: CallerClass) -> RpcEntry {
    RpcEntry { path, caller_class, operator_role: OperatorRole::Admin, decides: false }
}

/// Row of an RPC that only reads, and returns no secret.
const fn read(path: &'static str, caller_class: CallerClass) -> RpcEntry {
    RpcEntry { operator_role: OperatorRole::Read, ..rpc(path, caller_class) }
}

/// Row of an RPC by which the role `support` takes access away.
const fn support(path: &'static str, caller_class: CallerClass) -> RpcEntry {
    RpcEntry { operator_role: OperatorRole::Support, ..rpc(path, caller_class) }
}

const fn check(path: &'static str) -> RpcEntry {
    RpcEntry { decides: true, ..read(path, CallerClass::Anyone) }
}

/// Path of Envoy's Check.
pub(crate) const ENVOY_CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// Path of the native Check.
pub(crate) const NATIVE_CHECK: &str = "/latchkey.v1.CheckService/Check";

/// Path of a batch of native Checks.
pub(crate) const NATIVE_BATCH_CHECK: &str = "/latchkey.v1.CheckService/BatchCheck";

/// All RPCs of the contract, with the most frequently called ones first.
pub const RPC_TABLE: &[RpcEntry] = &[
    check(ENVOY_CHECK),
    check(NATIVE_CHECK),
    check(NATIVE_BATCH_CHECK),
    rpc("/latchkey.v1.KeyService/CreateKey", CallerClass::KeyManager),
    read("/latchkey.v1.KeyService/GetKey", CallerClass::KeyManager),
    read("/latchkey.v1.KeyService/ListKeys", CallerClass::KeyManager),
    // The role `support` can set `disabled` alone.
    support("/latchkey.v1.KeyService/UpdateKey", CallerClass::KeyManager),
    rpc("/latchkey.v1.KeyService/RotateKey", CallerClass::KeyManager),
    support("/latchkey.v1.KeyService/RevokeKey", CallerClass::KeyManager),
    rpc("/latchkey.v1.KeyService/DeleteKey", CallerClass::KeyManager),
    support("/latchkey.v1.KeyService/RevokeKeys", CallerClass::KeyManager),
    support("/latchkey.v1.KeyService/DisableKeys", CallerClass::KeyManager),
    rpc("/latchkey.v1.KeyService/GetPublishableKey", CallerClass::KeyManager),
    rpc("/latchkey.v1.KeyService/ImportKeys", CallerClass::KeyManager),
    read("/latchkey.v1.KeyService/GetKeyUsage", CallerClass::KeyManager),
    rpc("/latchkey.v1.TenantService/CreateTenant", CallerClass::Operator),
    read("/latchkey.v1.TenantService/GetTenant", CallerClass::KeyManager),
    read("/latchkey.v1.TenantService/ListTenants", CallerClass::Operator),
    rpc("/latchkey.v1.TenantService/UpdateTenant", CallerClass::Operator),
    rpc("/latchkey.v1.TenantService/SuspendTenant", CallerClass::Operator),
    rpc("/latchkey.v1.TenantService/ResumeTenant", CallerClass::Operator),
    rpc("/latchkey.v1.TenantService/DeleteTenant", CallerClass::Operator),
    rpc("/latchkey.v1.TenantService/DeleteUser", CallerClass::KeyManager),
    rpc("/latchkey.v1.TenantService/CreateUser", CallerClass::KeyManager),
    read("/latchkey.v1.TenantService/ListUsers", CallerClass::KeyManager),
    rpc("/latchkey.v1.TenantService/SetUserPassword", CallerClass::KeyManager),
    support("/latchkey.v1.TenantService/DisableUser", CallerClass::KeyManager),
    rpc("/latchkey.v1.TenantService/UpdateUser", CallerClass::KeyManager),
    rpc("/latchkey.v1.ProfileService/ApplyProfile", CallerClass::Operator),
    read("/latchkey.v1.ProfileService/DiffProfile", CallerClass::Operator),
    read("/latchkey.v1.ProfileService/ListProfileVersions", CallerClass::Operator),
    rpc("/latchkey.v1.ProfileService/RollbackProfile", CallerClass::Operator),
    read("/latchkey.v1.ProfileService/GetProfile", CallerClass::Operator),
    rpc("/latchkey.v1.ProfileService/DeleteProfile", CallerClass::Operator),
    read("/latchkey.v1.ProfileService/ListProfiles", CallerClass::Operator),
    rpc("/latchkey.v1.ProfileService/SetProfileSecret", CallerClass::Operator),
    read("/latchkey.v1.ProfileService/ListProfileSecrets", CallerClass::Operator),
    rpc("/latchkey.v1.ProfileService/DeleteProfileSecret", CallerClass::Operator),
    read("/latchkey.v1.AuditService/ListAuditEvents", CallerClass::KeyManager),
    read("/latchkey.v1.AuditService/VerifyAuditLog", CallerClass::Operator),
    read("/latchkey.v1.ShadowService/GetShadowReport", CallerClass::Operator),
    read("/latchkey.v1.CallerService/WhoAmI", CallerClass::Authenticated),
    read("/latchkey.v1.UsageService/GetUsageReport", CallerClass::KeyManager),
    rpc("/latchkey.v1.TokenService/IssueJwt", CallerClass::Anyone),
    rpc("/latchkey.v1.TokenService/RefreshJwt", CallerClass::Anyone),
    rpc("/latchkey.v1.TokenService/RevokeJwt", CallerClass::Anyone),
    rpc("/latchkey.v1.TokenService/GetJwks", CallerClass::Anyone),
    read("/latchkey.v1.SigningKeyService/ListSigningKeys", CallerClass::Operator),
    rpc("/latchkey.v1.SigningKeyService/RotateSigningKey", CallerClass::Operator),
    rpc("/latchkey.v1.SigningKeyService/WithdrawSigningKey", CallerClass::Operator),
];

/// Returns the RPC with this path.
#[must_use]
pub fn find(path: &str) -> Option<&'static RpcEntry> {
    RPC_TABLE.iter().find(|rpc| rpc.path == path)
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
        let rows: BTreeSet<String> = RPC_TABLE.iter().map(|rpc| rpc.path.to_owned()).collect();
        assert_eq!(rows, contract);
        assert_eq!(rows.len(), RPC_TABLE.len());
    }

    #[test]
    fn a_path_is_found_by_its_exact_spelling() {
        assert!(find(ENVOY_CHECK).is_some());
        for path in
            ["/envoy.service.auth.v3.Authorization/check", "/envoy.service.auth.v3.Authorization/Check/", ""]
        {
            assert_eq!(find(path), None, "{path}");
        }
    }
}
