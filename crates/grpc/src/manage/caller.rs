//! Authentication of a call by the credential in its metadata, `authorization: Bearer …` or `x-api-key`. It is read by
//! the rules of a product's request: two different credentials are rejected, because it is undefined which one the caller
//! means, and `authorization` with another scheme is not one. A call without a credential is authenticated by the client
//! certificate of its connection, if there is one.

use latchkey_core::check_input::PresentedCredential;
use latchkey_core::error::RequestError;
use latchkey_core::operator::OperatorRole;
use latchkey_core::ports::Limiter;
use latchkey_core::principal::ClientCertificate;
use latchkey_core::secret::PlainKey;
use latchkey_management::{CallContext, Caller};
use latchkey_profile::{Catalog, EndpointProfile, Header, Request as HttpRequest, management_credential};
use tonic::metadata::MetadataMap;
use tonic::{Request, Status};

use super::ManagementApi;
use crate::deadline::CallerDeadline;
use crate::rpc_table::{CallerClass, RpcEntry};
use crate::status::{error_to_status, request_error_to_status};

impl<L: Limiter> ManagementApi<L> {
    /// Authenticates a call. Returns its caller, its message and its context.
    ///
    /// Fails if the credential is missing or invalid, or if the caller's class may not call this RPC.
    pub(super) async fn authenticate<T>(&self, call: Request<T>) -> Result<(Caller, T, CallContext), Status> {
        let credential = credential(call.metadata());
        let address = call.remote_addr().map(|address| address.ip());
        let caller = match (credential.presented(), call.extensions().get::<ClientCertificate>()) {
            (PresentedCredential::Missing, Some(certificate)) => {
                self.management.certificate_caller(certificate).await
            }
            (credential, _) => {
                let found = self.gate.caller(credential, address).await;
                found.map(|(principal, version)| Caller::from(principal).with_profile_version(version))
            }
        }
        .map_err(error_to_status)?;
        check_profile(endpoint_profile(&call), &caller)?;
        let entry = call.extensions().get::<&RpcEntry>().copied();
        check_caller_class(entry, &caller)?;
        if entry.is_none_or(|entry| entry.caller_class != CallerClass::Authenticated) {
            self.management.manages_keys(&caller).map_err(|r| request_error_to_status(&r))?;
        }
        let context = self.context(&call);
        Ok((caller, call.into_inner(), context))
    }

    /// Returns the call's identifier and its deadline.
    pub(super) fn context<T>(&self, call: &Request<T>) -> CallContext {
        let deadline = call.extensions().get::<CallerDeadline>();
        CallContext {
            request_id: request_id(&self.catalog, call.metadata()),
            deadline: deadline.map(|deadline| deadline.tick(self.clock.monotonic())),
            address: call.remote_addr().map(|address| address.ip()),
            profile: endpoint_profile(call).map(Into::into),
        }
    }
}

/// Returns the profile whose endpoint makes the call; `None` for a call by gRPC.
fn endpoint_profile<T>(call: &Request<T>) -> Option<&str> {
    call.extensions().get::<EndpointProfile>().map(|profile| &*profile.0)
}

/// Fails if an endpoint calls for a caller of another profile. On a public route, no other step compares them.
fn check_profile(endpoint: Option<&str>, caller: &Caller) -> Result<(), Status> {
    let own = caller.identity().map(|own| &*own.tenant.profile);
    if endpoint.is_none() || endpoint == own {
        return Ok(());
    }
    Err(request_error_to_status(&RequestError::Unauthenticated("the credential is not valid")))
}

/// Fails if the RPC is for operators and the caller is not one, or if the caller is an operator whose role may not call
/// it. A call without a row of the table is treated as a call for operators with all rights: it has not passed
/// admission.
fn check_caller_class(entry: Option<&RpcEntry>, caller: &Caller) -> Result<(), Status> {
    let operators_only = entry.is_none_or(|entry| entry.caller_class == CallerClass::Operator);
    let least = entry.map_or(OperatorRole::Admin, |entry| entry.operator_role);
    if operators_only || caller.role().is_some() {
        caller.require_role(least).map_err(|error| request_error_to_status(&error))
    } else {
        Ok(())
    }
}

/// Credential of a call, without the call's lifetime.
enum SentCredential {
    Value(PlainKey),
    Missing,
    Ambiguous,
    Malformed,
}

impl SentCredential {
    fn presented(&self) -> PresentedCredential<'_> {
        match self {
            Self::Value(value) => PresentedCredential::of(value.reveal()),
            Self::Missing => PresentedCredential::Missing,
            Self::Ambiguous => PresentedCredential::Ambiguous,
            Self::Malformed => PresentedCredential::Malformed,
        }
    }
}

/// Returns the credential in a call's metadata.
fn credential(metadata: &MetadataMap) -> SentCredential {
    let named = |name: &'static str| {
        let values = metadata.get_all(name).into_iter();
        values.map(move |value| Header { name: name.as_bytes(), value: value.as_bytes() })
    };
    let headers = named("authorization").chain(named("x-api-key")).collect();
    let call = HttpRequest { headers, ..HttpRequest::default() };
    match management_credential(&call) {
        PresentedCredential::Value(value) => SentCredential::Value(PlainKey::new(value.to_owned())),
        PresentedCredential::Missing => SentCredential::Missing,
        PresentedCredential::Ambiguous => SentCredential::Ambiguous,
        PresentedCredential::Malformed | PresentedCredential::NotAKey | PresentedCredential::NotAJwt => {
            SentCredential::Malformed
        }
    }
}

/// Returns the identifier in the call's metadata, or a new one if that is missing or not valid.
fn request_id(catalog: &Catalog, metadata: &MetadataMap) -> String {
    let sent = metadata.get("x-request-id").map(|id| Header { name: b"x-request-id", value: id.as_bytes() });
    let call = HttpRequest { headers: sent.into_iter().collect(), ..HttpRequest::default() };
    catalog.request_id(&call).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&'static str, &str)]) -> String {
        let mut metadata = MetadataMap::new();
        for (name, value) in entries {
            metadata.append(*name, value.parse().unwrap());
        }
        match credential(&metadata).presented() {
            PresentedCredential::Value(value) => value.to_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn both_entries_are_read() {
        assert_eq!(read(&[("authorization", "Bearer k_1")]), "k_1");
        assert_eq!(read(&[("authorization", "bearer  k_1")]), "k_1");
        assert_eq!(read(&[("x-api-key", "k_1")]), "k_1");
        assert_eq!(read(&[("x-api-key", "k_1"), ("authorization", "Bearer k_1")]), "k_1");
        assert_eq!(read(&[("x-api-key", "k_1"), ("authorization", "Basic azox")]), "k_1");
        assert_eq!(read(&[("x-api-key", "k_1"), ("x-api-key", "k_1")]), "k_1");
        assert_eq!(read(&[("authorization", "Bearer k_1"), ("authorization", "Bearer k_1")]), "k_1");
    }

    #[test]
    fn two_different_credentials_are_ambiguous() {
        assert_eq!(read(&[("x-api-key", "k_1"), ("authorization", "Bearer k_2")]), "Ambiguous");
        assert_eq!(read(&[("x-api-key", "k_1"), ("x-api-key", "k_2")]), "Ambiguous");
        assert_eq!(read(&[("authorization", "Bearer k_1"), ("authorization", "Bearer k_2")]), "Ambiguous");
    }

    #[test]
    fn nothing_else_is_a_credential() {
        assert_eq!(read(&[]), "Missing");
        assert_eq!(read(&[("authorization", "Bearer ")]), "Missing");
        assert_eq!(read(&[("authorization", "Basic azox")]), "Missing");
        assert_eq!(read(&[("authorization", "k_1")]), "Missing");
        assert_eq!(read(&[("x-api-key", "k 1")]), "Malformed");
    }
}
