//! Tenants: created once by their slug, changed by field, suspended and resumed.

use std::collections::HashMap;

use latchkey_proto::v1::{
    CheckRequest, CreateTenantRequest, GetTenantRequest, ResumeTenantRequest, SuspendTenantRequest, Tenant,
    UpdateTenantRequest,
};
use tonic::Code;

use crate::{Shop, refused};
use latchkey_testing::{Database, field_mask, on_both};

on_both!(
    a_slug_is_taken_once,
    a_tenant_is_found_by_id_and_by_slug,
    a_suspended_tenant_is_denied_until_it_is_resumed,
    a_plan_changes_the_limits_at_once,
);

async fn a_slug_is_taken_once(database: Database) {
    let shop = Shop::open(database).await;
    let ask = CreateTenantRequest {
        slug: "acme".to_owned(),
        profile: "shop".to_owned(),
        ..CreateTenantRequest::default()
    };
    assert_eq!(refused(shop.operator.tenants().create_tenant(ask).await), Code::AlreadyExists);
}

async fn a_tenant_is_found_by_id_and_by_slug(database: Database) {
    let shop = Shop::open(database).await;
    let get = |tenant: &str| GetTenantRequest { tenant: tenant.to_owned() };
    let by_slug = shop.operator.tenants().get_tenant(get("acme")).await.expect("a tenant").into_inner();
    let by_id = shop.operator.tenants().get_tenant(get(&by_slug.id)).await.expect("a tenant").into_inner();
    assert_eq!(by_slug, by_id);
    assert_eq!((by_slug.slug.as_str(), by_slug.profile.as_str(), by_slug.suspended), ("acme", "shop", false));
    for nobody in ["nobody", "ACME", "", "00000000-0000-7000-8000-000000000000"] {
        let code = refused(shop.operator.tenants().get_tenant(get(nobody)).await);
        assert!(
            code == Code::NotFound || (nobody.is_empty() && code == Code::InvalidArgument),
            "{nobody}: {code:?}"
        );
    }
}

async fn a_suspended_tenant_is_denied_until_it_is_resumed(database: Database) {
    let shop = Shop::open(database).await;
    let (_, value) = shop.operator.plain_key("acme", "live").await;
    let (_, bystander) = shop.operator.plain_key("bank", "live").await;
    let manager = shop.manager("acme", |_| ()).await;
    assert!(shop.admits(&value).await);
    let suspend = SuspendTenantRequest { tenant: "acme".to_owned(), reason: "unpaid".to_owned() };
    let output = shop.operator.tenants().suspend_tenant(suspend).await.expect("suspended").into_inner();
    assert!(output.suspended && !shop.admits(&value).await && shop.admits(&bystander).await);
    let code = refused(manager.try_key(latchkey_testing::key("", "live")).await);
    assert!(matches!(code, Code::PermissionDenied | Code::Unauthenticated), "{code:?}");
    let resume = ResumeTenantRequest { tenant: "acme".to_owned() };
    let output = shop.operator.tenants().resume_tenant(resume).await.expect("resumed").into_inner();
    assert!(!output.suspended && shop.admits(&value).await);
}

async fn a_plan_changes_the_limits_at_once(database: Database) {
    let shop = Shop::open(database).await;
    let (_, value) = shop.operator.plain_key("acme", "live").await;
    let limit = async || {
        let ask = CheckRequest {
            credential: value.clone(),
            cost: Some(0),
            scopes_only: true,
            ..CheckRequest::default()
        };
        shop.operator.check(ask).await.rate_limits[0].limit
    };
    assert_eq!(limit().await, 100);
    let change = |tenant: Tenant, path: &str| UpdateTenantRequest {
        tenant: Some(tenant),
        update_mask: Some(field_mask(&[path])),
    };
    let acme = || Tenant { slug: "acme".to_owned(), ..Tenant::default() };
    let big = Tenant { plan: "big".to_owned(), ..acme() };
    let output =
        shop.operator.tenants().update_tenant(change(big, "plan")).await.expect("changed").into_inner();
    assert_eq!((output.plan.as_str(), output.display_name.as_str()), ("big", "Tenant acme"));
    assert_eq!(limit().await, 1_000);
    let rate_limits = HashMap::from([("default".to_owned(), "key 5000/min".to_owned())]);
    let custom = Tenant { rate_limits, ..acme() };
    shop.operator.tenants().update_tenant(change(custom, "rate_limits")).await.expect("changed");
    assert_eq!(limit().await, 5_000);
    // A tenant as a response has it, with the id and the slug, can be sent back.
    let whole = Tenant { display_name: "Acme".to_owned(), ..output.clone() };
    let renamed =
        shop.operator.tenants().update_tenant(change(whole, "display_name")).await.expect("changed");
    assert_eq!(renamed.into_inner().display_name, "Acme");
    let other = Tenant { slug: "globex".to_owned(), ..output.clone() };
    let answer = shop.operator.tenants().update_tenant(change(other, "display_name")).await;
    assert!(answer.as_ref().is_err_and(|status| status.message().contains("tenant.slug")), "{answer:?}");
    assert_eq!(refused(answer), Code::InvalidArgument);
    for path in ["slug", "profile", "suspended", "id", "nonsense"] {
        let answer = shop.operator.tenants().update_tenant(change(acme(), path)).await;
        assert_eq!(refused(answer), Code::InvalidArgument, "{path}");
    }
}
