//! Pages of the log by caller, and errors of requests.

use latchkey_proto::v1::{AuditAnchor, ListAuditEventsRequest, VerifyAuditLogRequest};
use latchkey_testing::{Caller, on_both};
use prost_types::Timestamp;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::Shop;

on_both!(
    crate::Shop::open;
    pages_follow_each_other_newest_first_without_a_gap,
    a_tenant_sees_its_own_events_alone,
    a_page_token_holds_for_its_own_tenant_and_span_alone,
    a_span_of_time_chooses,
    every_wrong_field_of_an_audit_call_is_named,
    an_action_that_no_event_can_have_is_refused,
);

fn of(tenant: &str) -> ListAuditEventsRequest {
    ListAuditEventsRequest { tenant: tenant.to_owned(), ..ListAuditEventsRequest::default() }
}

async fn page(caller: &Caller, ask: ListAuditEventsRequest) -> (Vec<u64>, String) {
    let page = caller.audit().list_audit_events(ask).await.expect("a page").into_inner();
    (page.events.iter().map(|event| event.sequence).collect(), page.next_page_token)
}

async fn refused(caller: &Caller, ask: ListAuditEventsRequest) -> Status {
    caller.audit().list_audit_events(ask).await.expect_err("it is refused")
}

fn fields(status: &Status) -> Vec<String> {
    let wrong = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    wrong.into_iter().map(|violation| violation.field).collect()
}

async fn pages_follow_each_other_newest_first_without_a_gap(shop: Shop) {
    for _ in 0..5 {
        let _ = shop.operator.plain_key("acme", "live").await;
    }
    let all: Vec<u64> = shop.events().await.iter().map(|event| event.sequence).collect();
    let expected: Vec<u64> = (1..=all[0]).rev().collect();
    assert_eq!(all, expected);
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let ask = ListAuditEventsRequest { page_size: 3, page_token: token, ..of("") };
        let (events, next) = page(&shop.operator, ask).await;
        assert!(events.len() <= 3);
        seen.extend(events);
        // An event that is written meanwhile is on no later page.
        let _ = shop.operator.plain_key("acme", "live").await;
        token = next;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, all);
}

async fn a_tenant_sees_its_own_events_alone(shop: Shop) {
    let (id, acme) = shop.manager("acme").await;
    let (_, bank) = shop.manager("bank").await;
    let _ = acme.plain_key("", "live").await;
    let list = acme.audit().list_audit_events(of("")).await.expect("its own").into_inner();
    let actions: Vec<&str> = list.events.iter().map(|event| event.action.as_str()).collect();
    assert_eq!(actions, ["key.create", "key.create", "tenant.create"]);
    assert_eq!(list.events[0].actor, id);
    let tenant = &list.events[0].tenant_id;
    assert!(list.events.iter().all(|event| event.tenant_id == *tenant));
    for name in ["acme", tenant] {
        assert_eq!(page(&acme, of(name)).await.0.len(), 3, "{name}");
        assert_eq!(page(&shop.operator, of(name)).await.0.len(), 3, "{name}");
    }
    for name in ["acme", tenant, "nobody", "ACME", "00000000-0000-0000-0000-000000000000"] {
        let text = match name {
            "ACME" => "no such tenant: the text is not the id or the slug of a tenant".to_owned(),
            name => format!("tenant {name:?} was not found"),
        };
        let refusal = refused(&bank, of(name)).await;
        assert_eq!((refusal.code(), refusal.message()), (Code::NotFound, text.as_str()), "{name}");
    }
    assert_eq!(refused(&shop.operator, of("nobody")).await.code(), Code::NotFound);
    let (_, reader) = shop.key("acme", &["items.read"]).await;
    assert_eq!(refused(&shop.latchkey.caller(&reader), of("")).await.code(), Code::PermissionDenied);
    assert_eq!(refused(&shop.latchkey.anonymous(), of("")).await.code(), Code::Unauthenticated);
    let verify = acme.audit().verify_audit_log(VerifyAuditLogRequest::default()).await;
    assert_eq!(verify.expect_err("for operators").code(), Code::PermissionDenied);
}

async fn a_page_token_holds_for_its_own_tenant_and_span_alone(shop: Shop) {
    for tenant in ["acme", "bank"] {
        let _ = shop.operator.plain_key(tenant, "live").await;
    }
    let small = |tenant: &str| ListAuditEventsRequest { page_size: 1, ..of(tenant) };
    let (_, token) = page(&shop.operator, small("acme")).await;
    let with = |ask| ListAuditEventsRequest { page_token: token.clone(), ..ask };
    assert_eq!(page(&shop.operator, with(small("acme"))).await.0.len(), 1);
    let since = Some(Timestamp { seconds: 1, nanos: 0 });
    let wrong = [
        with(small("bank")),
        with(small("")),
        with(ListAuditEventsRequest { start_time: since, ..small("acme") }),
        ListAuditEventsRequest { page_token: format!("{token}x"), ..small("acme") },
        ListAuditEventsRequest { page_token: "é".repeat(40), ..small("acme") },
    ];
    for (number, ask) in wrong.into_iter().enumerate() {
        let refusal = refused(&shop.operator, ask).await;
        assert_eq!(
            (refusal.code(), fields(&refusal)),
            (Code::InvalidArgument, vec!["page_token".into()]),
            "{number}"
        );
    }
}

async fn a_span_of_time_chooses(shop: Shop) {
    let events = shop.events().await;
    let time = |sequence: usize| events[events.len() - sequence].time;
    let span = |start_time, end_time| ListAuditEventsRequest { start_time, end_time, ..of("") };
    let all = events.len();
    assert_eq!(page(&shop.operator, span(time(1), None)).await.0.len(), all);
    assert_eq!(page(&shop.operator, span(None, time(1))).await.0, Vec::<u64>::new(), "the end is left out");
    let future = Some(Timestamp { seconds: 4_000_000_000, nanos: 0 });
    assert_eq!(page(&shop.operator, span(None, future)).await.0.len(), all);
    assert_eq!(page(&shop.operator, span(future, None)).await.0.len(), 0);
}

async fn every_wrong_field_of_an_audit_call_is_named(shop: Shop) {
    let never = Timestamp { seconds: i64::MAX, nanos: -1 };
    let ask = ListAuditEventsRequest { start_time: Some(never), end_time: Some(never), ..of("") };
    assert_eq!(fields(&refused(&shop.operator, ask).await), ["start_time", "end_time"]);
    let ask = ListAuditEventsRequest {
        page_size: -1,
        page_token: "x".to_owned(),
        start_time: Some(Timestamp { seconds: 5, nanos: 0 }),
        end_time: Some(Timestamp { seconds: 5, nanos: 0 }),
        ..of("")
    };
    assert_eq!(fields(&refused(&shop.operator, ask).await), ["page_size", "page_token", "end_time"]);
    let short = AuditAnchor { sequence: 1, hash: vec![1; 31] };
    let ask = VerifyAuditLogRequest { anchors: vec![short.clone(); 1_001] };
    let refusal = shop.operator.audit().verify_audit_log(ask).await.expect_err("wrong");
    assert_eq!(fields(&refusal)[..2], ["anchors", "anchors[0].hash"]);
}

async fn an_action_that_no_event_can_have_is_refused(shop: Shop) {
    let (_, acme) = shop.manager("acme").await;
    let by = |action: &str| ListAuditEventsRequest { action: action.to_owned(), ..of("") };
    let from = |prefix: &str| ListAuditEventsRequest { action_prefix: prefix.to_owned(), ..of("") };
    let past = Some(Timestamp { seconds: 1, nanos: 0 });
    let future = Some(Timestamp { seconds: 4_000_000_000, nanos: 0 });
    let unknown = || "unknown".to_owned();
    for caller in [&shop.operator, &acme] {
        for (ask, field, words) in [
            (by("kye.create"), "action", "did you mean key.create?"),
            (by("key.*x"), "action", "there is no such action"),
            (by("*.create"), "action", "there is no such action"),
            (from("kye."), "action_prefix", "did you mean key.?"),
            (ListAuditEventsRequest { start_time: past, ..by("kye.create") }, "action", "key.create?"),
            (ListAuditEventsRequest { end_time: future, ..by("kye.create") }, "action", "key.create?"),
            (ListAuditEventsRequest { target: unknown(), ..by("kye.create") }, "action", "key.create?"),
            (
                ListAuditEventsRequest { actor: "latchkey".to_owned(), ..from("kye.") },
                "action_prefix",
                "key.?",
            ),
            (ListAuditEventsRequest { actor: unknown(), ..from("key.") }, "actor", "certificate NAME"),
        ] {
            let status = refused(caller, ask).await;
            assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec![field.to_owned()]));
            assert!(status.message().contains(words), "{status:?}");
        }
        let later = ListAuditEventsRequest { start_time: future, ..by("key.create") };
        for ask in [by("master_key.rewrap"), from("signing_key.wi"), by("key.delete"), later] {
            assert_eq!(page(caller, ask).await.0.len(), 0, "an action that can be and was not");
        }
    }
    for event in shop.events().await {
        assert!(!page(&shop.operator, by(&event.action)).await.0.is_empty(), "{}", event.action);
    }
}
