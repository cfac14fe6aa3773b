//! Reports of usage: by the hour, by key, tenant and profile, and the callers that see them.

use latchkey_proto::v1::{
    CheckRequest, DeleteKeyRequest, DeleteTenantRequest, GetKeyUsageRequest, GetUsageReportRequest,
    GetUsageReportResponse, UsageGroup, UsageLine,
};
use latchkey_testing::{Caller, call, key, on_both};
use prost_types::Timestamp;
use tonic::{Code, Status};

use crate::Shop;

on_both!(
    crate::Shop::open;
    calls_count_at_once_by_tenant_profile_and_hour,
    calls_of_the_last_minutes_count_at_once,
    the_keys_and_tenants_with_the_most_calls_come_first,
    a_deleted_key_still_counts_for_its_tenant,
    a_tenant_sees_its_own_usage_alone,
    what_is_wrong_is_named_with_the_choices,
    people_see_a_report,
);

async fn report(caller: &Caller, ask: GetUsageReportRequest) -> Result<GetUsageReportResponse, Status> {
    Ok(caller.usage().get_usage_report(ask).await?.into_inner())
}

fn of(tenant: &str, group: UsageGroup) -> GetUsageReportRequest {
    GetUsageReportRequest {
        tenant: tenant.to_owned(),
        group_by: group.into(),
        ..GetUsageReportRequest::default()
    }
}

/// Creates a key of a tenant and sends calls with it, of which these numbers are allowed and denied.
async fn used(shop: &Shop, tenant: &str, allowed: u32, denied: u32) -> String {
    let (made, value) = shop.operator.scoped_key(tenant, &["items.read"]).await;
    for _ in 0..allowed {
        let _ = shop.check(&value, "GET").await;
    }
    for _ in 0..denied {
        let _ = shop.check(&value, "POST").await;
    }
    made.id
}

async fn calls_count_at_once_by_tenant_profile_and_hour(shop: Shop) {
    used(&shop, "acme", 2, 1).await;
    used(&shop, "acme", 1, 0).await;
    used(&shop, "bank", 1, 0).await;
    let acme = report(&shop.operator, of("acme", UsageGroup::Hour)).await.expect("a report");
    assert_eq!((acme.allowed, acme.denied["INSUFFICIENT_SCOPE"]), (3, 1), "{acme:?}");
    assert_eq!(acme.lines.iter().map(|line| line.calls).sum::<u64>(), 4);
    assert!(acme.lines.iter().all(|line| line.hour.is_some_and(|hour| hour.seconds % 3_600 == 0)));
    let all = report(&shop.operator, of("", UsageGroup::Unspecified)).await.expect("a report");
    assert_eq!((all.allowed, all.lines.len()), (4, 0));
    let by_profile =
        |profile: &str| GetUsageReportRequest { profile: profile.to_owned(), ..of("", UsageGroup::Profile) };
    let shops = report(&shop.operator, by_profile("shop")).await.expect("a report");
    assert_eq!((shops.allowed, &*shops.lines[0].profile, shops.lines[0].calls), (4, "shop", 5));
    let (past, future) = (Timestamp { seconds: 1, nanos: 0 }, Timestamp { seconds: 4_000_000_000, nanos: 0 });
    for ask in [
        by_profile("other"),
        GetUsageReportRequest { start_time: Some(past), ..by_profile("other") },
        GetUsageReportRequest { end_time: Some(future), ..by_profile("other") },
        GetUsageReportRequest { tenant: "acme".to_owned(), ..by_profile("other") },
    ] {
        let unknown = report(&shop.operator, ask).await.expect_err("no such profile");
        assert_eq!(unknown.code(), Code::InvalidArgument, "{unknown:?}");
    }
    for ask in [of("acme", UsageGroup::Hour), by_profile("shop")] {
        let later = GetUsageReportRequest { start_time: Some(future), ..ask };
        assert_eq!(report(&shop.operator, later).await.expect("a report"), GetUsageReportResponse::default());
    }
}

async fn the_keys_and_tenants_with_the_most_calls_come_first(shop: Shop) {
    let few = used(&shop, "acme", 1, 0).await;
    let most = used(&shop, "bank", 3, 0).await;
    let some = used(&shop, "acme", 1, 1).await;
    let keys = report(&shop.operator, of("", UsageGroup::Key)).await.expect("a report");
    let ids: Vec<&str> = keys.lines.iter().map(|line| &*line.key_id).collect();
    assert_eq!(ids, [&*most, &*some, &*few]);
    assert_eq!((&*keys.lines[0].tenant, &*keys.lines[0].key_name), ("bank", "api-server"));
    let first = GetUsageReportRequest { limit: 1, ..of("", UsageGroup::Key) };
    assert_eq!(report(&shop.operator, first).await.expect("a report").lines.len(), 1);
    let tenants = report(&shop.operator, of("", UsageGroup::Tenant)).await.expect("a report");
    let calls: Vec<_> = tenants.lines.iter().map(|line| (&*line.tenant, line.calls)).collect();
    assert!(calls == [("acme", 3), ("bank", 3)] || calls == [("bank", 3), ("acme", 3)], "{calls:?}");
    let own = report(&shop.operator, of("acme", UsageGroup::Key)).await.expect("a report");
    assert_eq!(own.lines.len(), 2);
}

async fn a_deleted_key_still_counts_for_its_tenant(shop: Shop) {
    let id = used(&shop, "acme", 2, 0).await;
    used(&shop, "acme", 1, 0).await;
    let ask = DeleteKeyRequest { id: id.clone(), force: true };
    shop.operator.keys().delete_key(ask).await.expect("deleted");
    let acme = report(&shop.operator, of("acme", UsageGroup::Key)).await.expect("a report");
    assert_eq!((acme.allowed, &*acme.lines[0].key_id, &*acme.lines[0].key_name), (3, &*id, ""));
    let ask = DeleteTenantRequest { tenant: "acme".to_owned() };
    let gone = shop.operator.tenants().delete_tenant(ask).await.expect("deleted").into_inner();
    let left = report(&shop.operator, of(&gone.id, UsageGroup::Tenant)).await.expect("a report");
    assert_eq!((left.allowed, &*left.lines[0].tenant_id, &*left.lines[0].tenant), (3, &*gone.id, ""));
}

async fn a_tenant_sees_its_own_usage_alone(shop: Shop) {
    used(&shop, "acme", 2, 0).await;
    used(&shop, "bank", 1, 0).await;
    let (_, value) = shop.operator.scoped_key("acme", &["api_keys.manage"]).await;
    let manager = shop.latchkey.caller(&value);
    let own = report(&manager, of("", UsageGroup::Tenant)).await.expect("its own");
    assert_eq!((own.allowed, own.lines.len(), &*own.lines[0].tenant), (2, 1, "acme"));
    assert_eq!(
        report(&manager, of("bank", UsageGroup::Key)).await.expect_err("foreign").code(),
        Code::NotFound
    );
    let (_, value) = shop.operator.scoped_key("acme", &["items.read"]).await;
    let reader = shop.latchkey.caller(&value);
    let status = report(&reader, of("", UsageGroup::Key)).await.expect_err("no manager");
    assert_eq!(status.code(), Code::PermissionDenied);
    let mut confined = key("acme", "test");
    confined.scopes = vec!["api_keys.manage".to_owned()];
    let (_, value) = shop.operator.key(confined.clone()).await;
    let there =
        report(&shop.latchkey.caller(&value), of("", UsageGroup::Key)).await.expect("its environment");
    assert_eq!((there.allowed, there.lines.len()), (0, 0), "the calls were those of live keys");
    confined.bindings.insert("merchant".to_owned(), "m_1".to_owned());
    let (_, value) = shop.operator.key(confined).await;
    let status = report(&shop.latchkey.caller(&value), of("", UsageGroup::Key)).await.expect_err("confined");
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("bound to a part"), "{status:?}");
}

async fn calls_of_the_last_minutes_count_at_once(shop: Shop) {
    let id = used(&shop, "acme", 2, 1).await;
    used(&shop, "bank", 1, 0).await;
    let last = |tenant: &str, group| GetUsageReportRequest { recent_minutes: 20, ..of(tenant, group) };
    let acme = report(&shop.operator, last("acme", UsageGroup::Minute)).await.expect("a report");
    assert_eq!((acme.allowed, acme.denied["INSUFFICIENT_SCOPE"]), (2, 1), "{acme:?}");
    assert_eq!(acme.lines.iter().map(|line| line.calls).sum::<u64>(), 3);
    let whole = |line: &UsageLine| line.hour.is_none() && line.minute.is_some_and(|at| at.seconds % 60 == 0);
    assert!(acme.lines.iter().all(whole), "{acme:?}");
    let keys = report(&shop.operator, last("", UsageGroup::Key)).await.expect("a report");
    assert_eq!((keys.allowed, &keys.lines[0].key_id, keys.lines[0].calls), (3, &id, 3));
    let all = report(&shop.operator, of("bank", UsageGroup::Minute)).await.expect("a report");
    assert_eq!((all.allowed, all.lines.len()), (1, 1), "every minute that is kept");
    let ask = GetKeyUsageRequest { id: id.clone(), recent_minutes: 20, ..GetKeyUsageRequest::default() };
    let of_key = shop.operator.keys().get_key_usage(ask).await.expect("usage").into_inner();
    assert_eq!(of_key.minutes.iter().map(|minute| minute.allowed).sum::<u64>(), 2, "{of_key:?}");
    assert!(crate::usage(&shop.operator, &id).await.minutes.is_empty(), "unless they are asked for");
    // Stored minutes that are older do not count.
    let _ = shop.latchkey.sql("UPDATE key_usage_minutes SET minute = minute - 30");
    let acme = report(&shop.operator, last("acme", UsageGroup::Minute)).await.expect("a report");
    assert_eq!((acme.allowed, acme.lines.len()), (0, 0), "{acme:?}");
    let text = shop.latchkey.cli_text(&["usage", "--minutes", "55", "--tenant", "acme"]);
    assert!(text.contains("INSUFFICIENT_SCOPE 1"), "{text}");
    let text = shop.latchkey.cli_text(&["key", "usage", &id, "--minutes", "55"]);
    assert!(text.contains("MINUTE") && text.contains("HOUR"), "{text}");
}

async fn what_is_wrong_is_named_with_the_choices(shop: Shop) {
    let later = Some(Timestamp { seconds: 2_000, nanos: 0 });
    let sooner = Some(Timestamp { seconds: 1_000, nanos: 0 });
    let minutes =
        |recent_minutes| GetUsageReportRequest { recent_minutes, ..GetUsageReportRequest::default() };
    let by_hour = UsageGroup::Hour.into();
    for (ask, field) in [
        (GetUsageReportRequest { group_by: 9, ..GetUsageReportRequest::default() }, "group_by"),
        (GetUsageReportRequest { limit: 1_001, ..GetUsageReportRequest::default() }, "limit"),
        (GetUsageReportRequest { limit: -1, ..GetUsageReportRequest::default() }, "limit"),
        (minutes(61), "recent_minutes"),
        (minutes(-1), "recent_minutes"),
        (GetUsageReportRequest { group_by: by_hour, ..minutes(1) }, "group_by"),
        (GetUsageReportRequest { start_time: sooner, ..minutes(1) }, "start_time"),
        (
            GetUsageReportRequest { start_time: later, end_time: sooner, ..GetUsageReportRequest::default() },
            "end_time",
        ),
    ] {
        let status = report(&shop.operator, ask).await.expect_err(field);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().contains(field), "{status:?}");
    }
    assert_eq!(
        report(&shop.operator, of("nobody", UsageGroup::Hour)).await.expect_err("none").code(),
        Code::NotFound
    );
}

async fn people_see_a_report(shop: Shop) {
    let id = used(&shop, "acme", 2, 1).await;
    let _ = shop.latchkey.anonymous().check(CheckRequest { dry_run: true, ..call("x", "GET") }).await;
    let text = shop.latchkey.cli_text(&["usage", "--tenant", "acme"]);
    assert!(
        text.contains("CALLS") && text.contains("total") && text.contains("INSUFFICIENT_SCOPE 1"),
        "{text}"
    );
    let text = shop.latchkey.cli_text(&["usage", "--top", "keys"]);
    assert!(text.contains(&id) && text.contains("acme"), "{text}");
    let json = shop.latchkey.cli_text(&["usage", "--top", "tenants", "--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("an object");
    assert_eq!((&json["lines"][0]["tenant"], &json["lines"][0]["calls"]), (&"acme".into(), &"3".into()));
}
