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
    /// The body in Envoy's format for texts, with a command for the request's identifier.
    pub format: String,
}

/// Error of Envoy: its status, the flag of the response if the status alone does not say which error it is, the status
/// that the client gets, the code and the message.
struct EnvoyError<'m>(u16, Option<&'static str>, u16, ErrorCode, &'m str);

/// Text in place of the request's identifier. No document has it.
const REQUEST_ID: &str = "latchkey-request-id-of-envoy";
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
        let (content_type, format) = if self.has_error_for(code) {
            let (context, request) = (DecisionContext::default(), Request::default());
            let parsed =
                ParsedRequest { access: CheckInput::default(), request_id: Cow::Borrowed(REQUEST_ID) };
            let template_context = TemplateContext::new(&context, &request, &parsed, Timestamp::default());
            let response =
                self.error_response_with_status(code, Some(sent_status), message, &template_context);
            let content_type = response.headers.into_iter().find(|(name, _)| *name == "content-type");
            let content_type = content_type.map_or_else(|| "application/json".to_owned(), |(_, value)| value);
            (content_type, response.body.replace('%', "%%").replace(REQUEST_ID, &id))
        } else {
            problem(sent_status, message, &id)
        };
        EnvoyReply { status, flag, sent_status, content_type, format }
    }

    /// Returns Envoy's command for the request's identifier, after the product's prefix. Envoy gives a request its
    /// identifier after it has read the head; before that, the identifier is one of the response alone.
    fn request_id_command(&self, status: u16) -> String {
        let command = match status {
            400 | 408 | 414 | 426 | 431 | 501 => "%UNIQUE_ID%",
            _ => "%REQ(X-REQUEST-ID)%",
        };
        let prefix = self.rules.request_ids.prefix().unwrap_or_default();
        format!("{}{command}", prefix.replace('%', "%%"))
    }
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
