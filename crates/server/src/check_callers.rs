//! Callers of Check: everyone who reaches the port, or those with a certificate or a key.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use latchkey_config::CheckAuth;
use latchkey_core::principal::ClientCertificate;
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
        CheckAuth::Key(keys) if bearer(headers).is_some_and(|key| keys.contain(key)) => Ok(()),
        CheckAuth::Key(_) => Err(Status::unauthenticated(
            "Check takes callers with a key of check_keys alone: send it as the metadata authorization: Bearer KEY",
        )),
    }
}

/// Returns the only bearer of the metadata.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

#[cfg(test)]
mod tests {
    use latchkey_config::CheckKeys;

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
            for sent in [vec![], vec![key.clone()], vec![format!("Bearer {key}x")], vec![good.clone(); 2]] {
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
