//! Tests of every time and duration in a request: one that no message can hold is refused, with its field and
//! the largest permitted value. A stored time that no message can hold is sent as the nearest one.

use std::collections::BTreeSet;

use latchkey_core::record::KeyRecord;
use latchkey_core::time::Timestamp;
use latchkey_proto::v1;
use latchkey_proto::v1::check_service_client::CheckServiceClient;
use latchkey_proto::v1::create_key_request::Expiry;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use prost_types::field_descriptor_proto::Type;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::harness::{GOOD, Harness, with_api_key};
use crate::time_fields::{DurationField, TimeField, create, duration, keys, time, update_expiry};

/// Seconds of 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;
/// Seconds of 0001-01-01T00:00:00Z.
const FIRST_SECOND: i64 = -62_135_596_800;
/// Seconds of the harness's clock.
const NOW: i64 = 2_000;
/// Seconds of the longest `google.protobuf.Duration`.
const LONGEST: i64 = 315_576_000_000;

/// Returns the only violation of a refused call.
fn violation(status: &Status) -> (String, String) {
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    assert_eq!(violations.len(), 1, "{violations:?}");
    (violations[0].field.clone(), violations[0].description.clone())
}

#[tokio::test]
async fn a_time_that_no_timestamp_can_hold_is_refused_in_every_field() {
    let harness = Harness::new();
    let invalid = [
        time(LAST_SECOND + 1, 0),
        time(i64::MAX, 999_999_999),
        time(FIRST_SECOND - 1, 999_999_999),
        time(i64::MIN, 0),
        time(NOW + 1, -1),
        time(NOW + 1, 1_000_000_000),
    ];
    for (field, name) in TimeField::ALL {
        for time in invalid {
            let (refused, description) = violation(&field.send(&harness, time).await.unwrap_err());
            assert_eq!(refused, name, "{field:?} {time:?}");
            assert!(description.contains("to 9999-12-31T23:59:59.999999999Z"), "{field:?}: {description}");
        }
    }
}

#[tokio::test]
async fn a_duration_that_is_malformed_or_too_long_is_refused_in_every_field() {
    let harness = Harness::new();
    let invalid = [
        duration(LONGEST + 1, 0),
        duration(i64::MAX, 999_999_999),
        duration(-1, 0),
        duration(i64::MIN, 0),
        duration(0, -1),
        duration(1, -1),
        duration(-1, 1),
        duration(1, 1_000_000_000),
    ];
    for (field, name) in DurationField::ALL {
        for duration in invalid {
            let (refused, description) = violation(&field.send(&harness, duration).await.unwrap_err());
            assert_eq!(refused, name, "{field:?} {duration:?}");
            assert!(description.contains("to 315,576,000,000 seconds"), "{field:?}: {description}");
        }
    }
}

#[tokio::test]
async fn the_first_and_the_last_time_are_valid() {
    let harness = Harness::new();
    for field in [TimeField::UsageEnd, TimeField::ShadowStart, TimeField::AuditStart, TimeField::AuditEnd] {
        for valid in [time(FIRST_SECOND, 0), time(LAST_SECOND, 999_999_999)] {
            assert!(field.send(&harness, valid).await.is_ok(), "{field:?}");
        }
    }
    assert!(TimeField::ImportCreation.send(&harness, time(FIRST_SECOND, 0)).await.is_ok());
    let last = time(LAST_SECOND, 999_000_000);
    let created = create(&harness, Expiry::ExpireTime(time(LAST_SECOND, 999_999_999))).await.unwrap();
    assert_eq!(created.expire_time, Some(last));
    assert_eq!(update_expiry(&harness, last).await.unwrap().expire_time, Some(last));
}

#[tokio::test]
async fn a_lifetime_that_ends_after_the_year_9999_is_refused_with_the_longest_one() {
    let harness = Harness::new();
    let longest = LAST_SECOND - NOW;
    let created = create(&harness, Expiry::Ttl(duration(longest, 0))).await.unwrap();
    assert_eq!(created.expire_time, Some(time(LAST_SECOND, 0)));
    for (field, name) in &DurationField::ALL[..2] {
        for seconds in [longest + 1, LONGEST] {
            let status = field.send(&harness, duration(seconds, 0)).await.unwrap_err();
            let (refused, description) = violation(&status);
            assert_eq!(refused, *name);
            assert!(description.contains(&format!("at most {longest} seconds")), "{description}");
        }
    }
}

#[tokio::test]
async fn a_duration_beyond_the_limit_of_its_field_is_refused_with_the_limit() {
    let harness = Harness::new();
    for (field, limit) in [(DurationField::RotateOverlap, "90 days"), (DurationField::SigningLead, "30 days")]
    {
        let status = field.send(&harness, duration(LONGEST, 0)).await.unwrap_err();
        assert!(violation(&status).1.contains(limit), "{status:?}");
    }
}

#[tokio::test]
async fn a_stored_time_that_no_timestamp_can_hold_is_sent_as_the_nearest() {
    let harness = Harness::new();
    let (first, last) = (Some(time(FIRST_SECOND, 0)), Some(time(LAST_SECOND, 999_000_000)));
    for (created, expires) in [(i64::MIN, i64::MAX), (Timestamp::EARLIEST.0 - 1, Timestamp::LATEST.0 + 1)] {
        let id = harness.good;
        let stored = |key: &mut KeyRecord| {
            key.created = Timestamp(created);
            key.expires = Some(Timestamp(expires));
        };
        harness.store.keys.lock().unwrap().iter_mut().filter(|key| key.id == id).for_each(stored);
        let mut client = keys(&harness);
        let request = v1::GetKeyRequest { id: id.to_string() };
        let read = client.get_key(with_api_key(request, GOOD)).await.unwrap().into_inner();
        assert_eq!((read.create_time, read.expire_time, read.state()), (first, last, v1::KeyState::Active));
        let request = with_api_key(v1::ListKeysRequest::default(), GOOD);
        let listed = client.list_keys(request).await.unwrap().into_inner().keys;
        assert!(listed.iter().any(|key| key.id == read.id && key.expire_time == last));
        let check = v1::CheckRequest {
            credential: GOOD.into(),
            method: "GET".into(),
            path: "/v1/items".into(),
            ..v1::CheckRequest::default()
        };
        let mut client = CheckServiceClient::new(harness.routes.clone());
        let principal = client.check(check).await.unwrap().into_inner().principal.unwrap();
        assert_eq!(principal.expire_time, last);
    }
}

/// Returns the fields of a message and of the messages in it that hold a time or a duration.
fn collect(
    files: &FileDescriptorSet,
    message: &str,
    seen: &mut BTreeSet<String>,
    found: &mut BTreeSet<String>,
) {
    if !seen.insert(message.to_owned()) {
        return;
    }
    let Some(name) = message.strip_prefix(".latchkey.v1.") else { return };
    let all =
        files.file.iter().filter(|file| file.package() == "latchkey.v1").flat_map(|file| &file.message_type);
    for field in
        all.filter(|m| m.name() == name).flat_map(|m| &m.field).filter(|f| f.r#type() == Type::Message)
    {
        match field.type_name() {
            ".google.protobuf.Timestamp" | ".google.protobuf.Duration" => {
                found.insert(format!("{name}.{}", field.name()));
            }
            inner => collect(files, inner, seen, found),
        }
    }
}

#[test]
fn every_time_and_duration_of_a_request_is_tested() {
    let files = FileDescriptorSet::decode(latchkey_proto::FILE_DESCRIPTOR_SET).unwrap();
    let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
    let own = files.file.iter().filter(|file| file.package() == "latchkey.v1");
    for method in own.flat_map(|file| &file.service).flat_map(|service| &service.method) {
        collect(&files, method.input_type(), &mut seen, &mut found);
    }
    // Fields of a key or tenant that no update can change are ignored in requests, and so are their values.
    let ignored = ["Key.create_time", "Key.last_use_time", "Key.revoke_time", "Tenant.create_time"];
    found.retain(|field| !ignored.contains(&field.as_str()));
    let tested = [
        "CreateKeyRequest.expire_time",
        "CreateKeyRequest.ttl",
        "GetKeyUsageRequest.end_time",
        "GetKeyUsageRequest.start_time",
        "GetShadowReportRequest.start_time",
        "GetUsageReportRequest.end_time",
        "GetUsageReportRequest.start_time",
        "ImportedKey.create_time",
        "IssueJwtRequest.ttl",
        "Key.expire_time",
        "KeysFilter.unused_since",
        "ListAuditEventsRequest.end_time",
        "ListAuditEventsRequest.start_time",
        "ListKeysRequest.created_after",
        "ListKeysRequest.created_before",
        "ListKeysRequest.expires_after",
        "ListKeysRequest.expires_before",
        "ListKeysRequest.last_used_after",
        "ListKeysRequest.last_used_before",
        "ListTenantsRequest.created_after",
        "ListTenantsRequest.created_before",
        "ListUsersRequest.created_after",
        "ListUsersRequest.created_before",
        "RotateKeyRequest.expire_time",
        "RotateKeyRequest.overlap",
        "RotateKeyRequest.ttl",
        "RotateSigningKeyRequest.lead",
    ];
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), tested);
}
