//! Responses that Envoy makes itself, in the format of the product's errors, for the generation of Envoy's
//! configuration.

use std::borrow::Cow;

use latchkey_core::check_input::CheckInput;
use latchkey_core::decision::DecisionContext;
use latchkey_core::time::Timestamp;

use crate::endpoint::ErrorCode;
use crate::parsed_request::ParsedRequest;
use crate::profile::Profile;
use crate::request::Request;
use crate::response::render_headers;
use crate::template::RenderInput;
use crate::template_context::TemplateContext;

/// Response that Envoy makes itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvoyReply {
    /// The HTTP status that Envoy chooses.
    pub status: u16,
    /// The flag of the response that it is for, if it is not for every response with the status.
    pub flag: Option<&'static str>,
    /// The HTTP status that the client gets.
    pub sent_status: u16,
    /// The content type of the body.
    pub content_type: String,
    /// The body in Envoy's format for texts, with commands for the request's identifier and for the time.
    pub format: String,
    /// The product's headers of every response: their names, and their values in the same format.
    pub headers: Vec<(String, String)>,
}

/// Error of Envoy: its status, the flag of the response if the status alone does not say which error it is, the status
/// that the client gets, the code and the message.
struct EnvoyError<'m>(u16, Option<&'static str>, u16, ErrorCode, &'m str);

/// Text in place of the request's identifier. No document has it.
const REQUEST_ID: &str = "latchkey-request-id-of-envoy";
/// Time in place of the request's.
const NOW: Timestamp = Timestamp(253_402_300_799_000);
/// Texts that templates write for that time, each with Envoy's command for it. A longer format is before one that is a part of it.
const TIMES: [(&str, &str); 4] = [
    ("9999-12-31T23:59:59.000Z", "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%"),
    ("9999-12-31T23:59:59", "%START_TIME(%Y-%m-%dT%H:%M:%S)%"),
    ("9999-12-31", "%START_TIME(%Y-%m-%d)%"),
    ("253402300799", "%START_TIME(%s)%"),
];
/// Envoy's flag of a response that ext_authz caused.
const BY_EXT_AUTHZ: &str = "UAEX";
/// Envoy's flag of the response to a request for which its configuration has no route. No denial has it.
const NO_ROUTE: &str = "NR";

impl Profile {
    /// Returns the responses of Envoy for errors that it finds before or without a Check. A status that the document
    /// uses for denials is left out, because Envoy would replace the denial too, unless a flag tells both apart. For that
    /// reason, the 403 that Envoy sends to an upgrade that its configuration does not permit keeps its empty body.
    #[must_use]
    pub fn envoy_replies(&self, max_body_bytes: u32) -> Vec<EnvoyReply> {
        let too_large = format!("The request body has more than {max_body_bytes} bytes.");
        let unavailable = "The service is unavailable. Try again.";
        let invalid = ErrorCode::InvalidArgument;
        let all = [
            EnvoyError(400, None, 400, invalid, "The request is malformed."),
            EnvoyError(404, Some(NO_ROUTE), 404, ErrorCode::NotFound, "There is nothing at this path."),
            EnvoyError(408, None, 408, invalid, "The request did not arrive completely in time."),
            EnvoyError(413, None, 413, invalid, &too_large),
            EnvoyError(414, None, 414, invalid, "The path and the query are too long."),
            EnvoyError(426, None, 426, invalid, "The request needs HTTP/1.1 or later."),
            EnvoyError(431, None, 431, invalid, "The request headers are too large."),
            // With the headers that a Check adds, the request has more than Envoy permits.
            EnvoyError(500, Some(BY_EXT_AUTHZ), 431, invalid, "The request headers are too large."),
            EnvoyError(500, None, 500, ErrorCode::Internal, "The service failed. Try again."),
            EnvoyError(501, None, 501, ErrorCode::Unimplemented, "The request's encoding is not supported."),
            EnvoyError(502, None, 502, ErrorCode::Unavailable, unavailable),
            EnvoyError(503, None, 503, ErrorCode::Unavailable, unavailable),
            EnvoyError(
                504,
                None,
                504,
                ErrorCode::Unavailable,
                "The service did not answer in time. Try again.",
            ),
        ];
        let denials = &self.rules.denials.0;
        let free = |status: u16| denials.iter().all(|denial| denial.status != Some(status));
        let replies =
            all.iter().filter(|EnvoyError(status, flag, ..)| *flag == Some(NO_ROUTE) || free(*status));
        replies.map(|error| self.envoy_reply(error)).collect()
    }

    fn envoy_reply(&self, error: &EnvoyError<'_>) -> EnvoyReply {
        let EnvoyError(status, flag, sent_status, code, message) = *error;
        let id = self.request_id_command(status);
        let (context, request) = (DecisionContext::default(), Request::default());
        let parsed = ParsedRequest { access: CheckInput::default(), request_id: Cow::Borrowed(REQUEST_ID) };
        let template_context = TemplateContext::new(&context, &request, &parsed, NOW);
        let (content_type, format) = if self.has_error_for(code) {
            let response =
                self.error_response_with_status(code, Some(sent_status), message, &template_context);
            let content_type = response.headers.into_iter().find(|(name, _)| *name == "content-type");
            let content_type = content_type.map_or_else(|| "application/json".to_owned(), |(_, value)| value);
            (content_type, in_envoys_format(&response.body, &id))
        } else {
            problem(sent_status, message, &id)
        };
        let headers = self.envoy_headers(status, &template_context, &id);
        EnvoyReply { status, flag, sent_status, content_type, format, headers }
    }

    /// Returns the headers of every response. Those of the body are left out, and so are those with the request's
    /// identifier where Envoy makes one for the response: it would be another one than in the body.
    fn envoy_headers(
        &self,
        status: u16,
        template_context: &TemplateContext<'_>,
        id: &str,
    ) -> Vec<(String, String)> {
        let input = RenderInput {
            policy: &self.policy,
            template_context,
            denial: None,
            unknown_limits: self.rules.unknown_limits,
            call: None,
        };
        let is_kept = |name: &str, value: &str| {
            let is_unknown = is_before_identifier(status) && value.contains(REQUEST_ID);
            !name.starts_with("content-") && !is_unknown
        };
        let rendered = render_headers(&self.rules.response, &input);
        let kept = rendered.iter().filter(|&(name, value)| is_kept(name, value));
        kept.map(|(name, value)| (name.to_owned(), in_envoys_format(value, id))).collect()
    }

    /// Returns Envoy's command for the request's identifier, after the product's prefix.
    fn request_id_command(&self, status: u16) -> String {
        let command = if is_before_identifier(status) { "%UNIQUE_ID%" } else { "%REQ(X-REQUEST-ID)%" };
        let prefix = self.rules.request_ids.prefix().unwrap_or_default();
        format!("{}{command}", prefix.replace('%', "%%"))
    }
}

/// Returns true for a status that Envoy may send before the request has an identifier. Envoy gives it one after it has
/// read the head; before that, an identifier is one of the response alone.
fn is_before_identifier(status: u16) -> bool {
    matches!(status, 400 | 408 | 414 | 426 | 431 | 501)
}

/// Returns a rendered text in Envoy's format, with commands in place of the identifier and the time.
fn in_envoys_format(text: &str, id: &str) -> String {
    let text = text.replace('%', "%%").replace(REQUEST_ID, id);
    TIMES.iter().fold(text, |text, (time, command)| text.replace(time, command))
}

/// Returns the content type of problem details (RFC 9457), and their text in Envoy's format.
fn problem(status: u16, message: &str, id: &str) -> (String, String) {
    let message = serde_json::Value::from(message);
    (
        "application/problem+json".to_owned(),
        format!(r#"{{"type":"about:blank","status":{status},"detail":{message},"request_id":"{id}"}}"#),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_has_the_format_of_the_products_errors() {
        let document = "name = 'p'\n[[errors]]\nheaders = { content-type = 'application/x+json' }\n\
            body = '{\"100%\":\"{{ code }}\",\"text\":\"{{ message }}\",\"id\":\"{{ request_id }}\"}'\n\
            [[denials]]\nstatus = 400\n";
        let profile = Profile::compile(document, 1).unwrap_or_else(|e| panic!("{e}"));
        let replies = profile.envoy_replies(9);
        let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
        assert_eq!(
            statuses,
            [404, 408, 413, 414, 426, 431, 500, 500, 501, 502, 503, 504],
            "400 is a denial of the document"
        );
        assert_eq!((replies[6].flag, replies[6].sent_status), (Some("UAEX"), 431));
        assert_eq!((replies[7].flag, replies[7].sent_status), (None, 500), "the general one comes last");
        let text = r#"{"100%%":"INVALID_ARGUMENT","text":"The request body has more than 9 bytes.","id":"%REQ(X-REQUEST-ID)%"}"#;
        assert_eq!(
            (replies[2].content_type.as_str(), replies[2].format.as_str()),
            ("application/x+json", text)
        );
    }

    #[test]
    fn an_identifier_has_the_prefix_of_the_product_and_is_never_empty() {
        let document = "name = 'p'\n[request_id]\nprefix = 'req_'\n\
            [[errors]]\nbody = '{\"id\":\"{{ request_id }}\",\"status\":{{ status }}}'\n";
        let profile = Profile::compile(document, 1).unwrap_or_else(|e| panic!("{e}"));
        let format = |status: u16, flag: Option<&str>| {
            let replies = profile.envoy_replies(9);
            let found = replies.into_iter().find(|reply| reply.status == status && reply.flag == flag);
            found.unwrap_or_else(|| panic!("{status}")).format
        };
        assert_eq!(format(503, None), r#"{"id":"req_%REQ(X-REQUEST-ID)%","status":503}"#);
        assert_eq!(format(500, Some("UAEX")), r#"{"id":"req_%REQ(X-REQUEST-ID)%","status":431}"#);
        // Envoy finds these errors before the request has an identifier.
        assert_eq!(format(400, None), r#"{"id":"req_%UNIQUE_ID%","status":400}"#);
        assert_eq!(format(431, None), r#"{"id":"req_%UNIQUE_ID%","status":431}"#);
        // It can also have arrived in part, as far as the head.
        assert_eq!(format(408, None), r#"{"id":"req_%UNIQUE_ID%","status":408}"#);
    }

    #[test]
    fn a_reply_has_the_headers_of_every_response() {
        let document = "name = 'p'\nunknown_rate_limits = 'full'\n\
            [rate_limits]\ndefault = [{ per = 'key', rate = '300/min' }]\n\
            [response_headers]\nx-a-limit = '{{ rate_limit.limit }}'\nx-b-reset = '{{ rate_limit.reset }}'\n\
            x-c-id = '{{ request_id }}'\nx-d-use = '5%'\nx-e-kind = '{{ key.kind }}'\n\
            [[errors]]\nbody = '{\"at\":\"{{ now }}\",\"second\":\"{{ now | truncate(19) }}Z\"}'\n";
        let profile = Profile::compile(document, 1).unwrap_or_else(|e| panic!("{e}"));
        let replies = profile.envoy_replies(9);
        let of = |status: u16| {
            let found = replies.iter().find(|reply| reply.status == status);
            found.unwrap_or_else(|| panic!("{status}"))
        };
        let pairs = |status: u16| -> Vec<(&str, &str)> {
            of(status).headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
        };
        let [limit, reset, usage] =
            [("x-a-limit", "300"), ("x-b-reset", "%START_TIME(%s)%"), ("x-d-use", "5%%")];
        assert_eq!(pairs(503), [limit, reset, ("x-c-id", "%REQ(X-REQUEST-ID)%"), usage]);
        assert_eq!(pairs(400), [limit, reset, usage], "the identifier would be another one than in the body");
        let body =
            r#"{"at":"%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%","second":"%START_TIME(%Y-%m-%dT%H:%M:%S)%Z"}"#;
        assert_eq!(of(503).format, body);
    }

    #[test]
    fn a_denial_with_the_status_of_a_reply_keeps_its_body() {
        let document = "name = 'p'\n[[denials]]\nreasons = ['ROUTE_NOT_ALLOWED']\nstatus = 404\nbody = 'x'\n\
            [[denials]]\nreasons = ['EXPIRED']\nstatus = 408\nbody = 'x'\n";
        let profile = Profile::compile(document, 1).unwrap_or_else(|e| panic!("{e}"));
        let replies = profile.envoy_replies(9);
        let of = |status: u16| {
            let found = replies.iter().filter(|reply| reply.status == status);
            found.map(|reply| reply.flag).collect::<Vec<_>>()
        };
        // Envoy sets the flag only if it finds no route itself.
        assert_eq!((of(404), of(408)), (vec![Some("NR")], vec![]));
    }

    #[test]
    fn without_errors_of_its_own_a_product_has_problem_details() {
        let profile = Profile::compile("name = 'p'", 1).unwrap_or_else(|e| panic!("{e}"));
        let reply = profile.envoy_replies(9).remove(3);
        assert_eq!((reply.status, reply.content_type.as_str()), (413, "application/problem+json"));
        assert!(reply.format.contains(r#""status":413,"detail":"The request body has more than 9 bytes.""#));
    }
}
