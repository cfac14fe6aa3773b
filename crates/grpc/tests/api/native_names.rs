//! Names in native Checks that the profile does not have: misspelt resources and unknown environments are denied.

use latchkey_proto::v1;

use crate::harness::Harness;
use crate::native::{check, good};

#[tokio::test]
async fn a_misspelt_resource_is_malformed_and_another_name_is_free() {
    let harness = Harness::new();
    let bound = ("merchant".to_owned(), "m_1".to_owned());
    harness.store.keys.lock().unwrap()[0].bindings = [bound].into();
    let named = |name: &str, id: &str| v1::CheckRequest {
        resource: [(name.to_owned(), id.to_owned())].into(),
        ..good()
    };
    for name in ["Merchant", "merchants", "merchant_id", "resource.merchant"] {
        let response = check(&harness, named(name, "m_2")).await.unwrap();
        let decision = (response.decision(), response.reason());
        assert_eq!(decision, (v1::Decision::Deny, v1::Reason::MalformedRequest), "{name}");
        assert!(response.message.ends_with("did you mean merchant?"), "{response:?}");
    }
    for (name, id, reason) in [
        ("merchant", "m_2", v1::Reason::ResourceMismatch),
        ("merchant", "m_1", v1::Reason::Ok),
        ("region", "eu", v1::Reason::Ok),
    ] {
        assert_eq!(check(&harness, named(name, id)).await.unwrap().reason(), reason, "{name}={id}");
    }
}

#[tokio::test]
async fn an_environment_that_the_profile_does_not_have_is_denied_on_a_public_route_too() {
    let harness = Harness::new();
    for (environment, reason) in
        [("", v1::Reason::Ok), ("live", v1::Reason::Ok), ("nope", v1::Reason::EnvironmentMismatch)]
    {
        let public = v1::CheckRequest {
            profile: "shop".into(),
            path: "/health".into(),
            environment: environment.into(),
            ..v1::CheckRequest::default()
        };
        let response = check(&harness, public).await.unwrap();
        assert_eq!(response.reason(), reason, "{environment}");
        assert!(
            reason == v1::Reason::Ok || response.message.contains("not one of live, test"),
            "{response:?}"
        );
    }
}
