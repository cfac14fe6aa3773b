//! Callers of Check: everyone who reaches the port, or those with a certificate or a key.

use http::HeaderMap;
use latchkey_config::{CheckAuth, CheckKeys};
use latchkey_core::check_input::PresentedCredential;
use latchkey_core::principal::ClientCertificate;
use latchkey_profile::{Header, Request, management_credential};
use latchkey_proto::envoy::auth::authorization_server;
use latchkey_proto::v1::check_service_server;
use tonic::Status;

/// Returns whether a path belongs to a service of Checks.
fn is_check(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default();
    [authorization_server::SERVICE_NAME, check_service_server::SERVICE_NAME].contains(&service)
}

/// Returns an error for a Check of a caller who may not call it.
pub(crate) fn check_caller(
    auth: &CheckAuth,
    path: &str,
    headers: &HeaderMap,
    certificate: Option<&ClientCertificate>,
) -> Result<(), Status> {
    match auth {
        CheckAuth::None => Ok(()),
        _ if !is_check(path) => Ok(()),
        CheckAuth::Certificate if certificate.is_some() => Ok(()),
        CheckAuth::Certificate => {
            Err(Status::unauthenticated("Check takes callers with a certificate alone"))
        }
        CheckAuth::Key(keys) if has_key(headers, keys) => Ok(()),
        CheckAuth::Key(_) => Err(Status::unauthenticated(
            "Check takes callers with a key of check_keys alone: send it as the metadata authorization: Bearer KEY",
        )),
    }
}

/// Returns whether the credential in the metadata is one of the keys. It is read as that of a management call.
fn has_key(headers: &HeaderMap, keys: &CheckKeys) -> bool {
    let named = |name: &'static str| {
        let values = headers.get_all(name).iter();
        values.map(move |value| Header { name: name.as_bytes(), value: value.as_bytes() })
    };
    let headers = named("authorization").chain(named("x-api-key")).collect();
    let request = Request { headers, ..Request::default() };
    matches!(management_credential(&request), PresentedCredential::Value(key) if keys.contain(key))
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    #[test]
    fn a_key_is_asked_for_checks_alone() {
        let key = "k".repeat(32);
        let auth = CheckAuth::Key(CheckKeys::parse(&key).unwrap());
        let call = |path: &str, sent: &[String]| {
            let mut headers = HeaderMap::new();
            for value in sent {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            check_caller(&auth, path, &headers, None).is_ok()
        };
        let good = format!("Bearer {key}");
        for path in [
            "/envoy.service.auth.v3.Authorization/Check",
            "/latchkey.v1.CheckService/Check",
            "/latchkey.v1.CheckService/BatchCheck",
        ] {
            assert!(call(path, std::slice::from_ref(&good)) && call(path, &[format!("bearer {key}")]));
            assert!(call(path, &vec![good.clone(); 2]), "equal values are one credential");
            let two = vec![good.clone(), format!("Bearer {key}x")];
            for sent in [vec![], vec![key.clone()], vec![format!("Bearer {key}x")], two] {
                assert!(!call(path, &sent), "{path} {sent:?}");
            }
        }
        assert!(call("/latchkey.v1.KeyService/ListKeys", &[]) && call("/grpc.health.v1.Health/Check", &[]));
    }

    #[test]
    fn a_certificate_is_asked_for_where_the_settings_say_so() {
        let call = |certificate: Option<&ClientCertificate>| {
            let path = "/latchkey.v1.CheckService/Check";
            check_caller(&CheckAuth::Certificate, path, &HeaderMap::new(), certificate)
        };
        assert!(call(None).is_err() && call(Some(&ClientCertificate(Vec::new().into()))).is_ok());
    }
}
