//! Responses that Envoy makes itself, in the format of the product.

use latchkey_server::profile_test::EnvoyReply;
use serde_json::{Value, json};

/// Returns the mapper that gives a local reply of Envoy the format of the product.
pub(super) fn mapper(reply: &EnvoyReply) -> Value {
    let value = json!({ "default_value": reply.status, "runtime_key": "latchkey.local_reply" });
    let status = json!({ "status_code_filter": { "comparison": { "op": "EQ", "value": value } } });
    let filter = match reply.flag {
        None => status,
        Some(flag) => {
            json!({ "and_filter": { "filters": [status, { "response_flag_filter": { "flags": [flag] } }] } })
        }
    };
    let mut mapper = json!({
        "filter": filter,
        "body_format_override": {
            "text_format_source": { "inline_string": reply.format }, "content_type": reply.content_type,
        },
    });
    if !reply.headers.is_empty() {
        // The filter adds the same headers to a reply that follows a Check: its values take precedence.
        let header = |(name, value): &(String, String)| {
            let header = json!({ "key": name, "value": value });
            json!({ "header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD" })
        };
        mapper["headers_to_add"] = reply.headers.iter().map(header).collect();
    }
    if reply.sent_status != reply.status {
        mapper["status_code"] = json!(reply.sent_status);
    }
    mapper
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_gets_the_headers_of_the_product() {
        let mut reply = EnvoyReply {
            status: 500,
            flag: Some("UAEX"),
            sent_status: 431,
            content_type: "application/json".to_owned(),
            format: "{}".to_owned(),
            headers: vec![("x-reset".to_owned(), "%START_TIME(%s)%".to_owned())],
        };
        let header = json!({ "key": "x-reset", "value": "%START_TIME(%s)%" });
        let added = json!([{ "header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD" }]);
        assert_eq!(
            (&mapper(&reply)["headers_to_add"], &mapper(&reply)["status_code"]),
            (&added, &json!(431))
        );
        reply.headers.clear();
        assert!(mapper(&reply).get("headers_to_add").is_none());
    }
}
