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
    /// The HTTP status that it is for.
    pub status: u16,
    /// The content type of the body.
    pub content_type: String,
    /// The body in Envoy's format for texts, with a command for the request's identifier.
    pub format: String,
}

/// Text in place of the request's identifier. No document has it.
const REQUEST_ID: &str = "latchkey-request-id-of-envoy";

impl Profile {
    /// Returns the responses of Envoy for errors that it finds before or without a Check. A status that the document
    /// uses for denials is left out, because Envoy would replace the denial too.
    #[must_use]
    pub fn envoy_replies(&self, max_body_bytes: u32) -> Vec<EnvoyReply> {
        let too_large = format!("The request body has more than {max_body_bytes} bytes.");
        let all = [
            (400, ErrorCode::InvalidArgument, "The request is malformed."),
            (413, ErrorCode::InvalidArgument, &too_large),
            (414, ErrorCode::InvalidArgument, "The path and the query are too long."),
            (431, ErrorCode::InvalidArgument, "The request headers are too large."),
            (502, ErrorCode::Unavailable, "The service is unavailable. Try again."),
            (503, ErrorCode::Unavailable, "The service is unavailable. Try again."),
            (504, ErrorCode::Unavailable, "The service did not answer in time. Try again."),
        ];
        let denials = &self.rules.denials.0;
        let free = |status: u16| denials.iter().all(|denial| denial.status != Some(status));
        let replies = all.into_iter().filter(|(status, _, _)| free(*status));
        replies.map(|(status, code, message)| self.envoy_reply(status, code, message)).collect()
    }

    fn envoy_reply(&self, status: u16, code: ErrorCode, message: &str) -> EnvoyReply {
        let (context, request) = (DecisionContext::default(), Request::default());
        let parsed = ParsedRequest { access: CheckInput::default(), request_id: Cow::Borrowed(REQUEST_ID) };
        let template_context = TemplateContext::new(&context, &request, &parsed, Timestamp::default());
        if !self.has_error_for(code) {
            return problem(status, message);
        }
        let response = self.error_response(code, message, &template_context);
        let content_type = response.headers.into_iter().find(|(name, _)| *name == "content-type");
        EnvoyReply {
            status,
            content_type: content_type.map_or_else(|| "application/json".to_owned(), |(_, value)| value),
            format: response.body.replace('%', "%%").replace(REQUEST_ID, "%REQ(X-REQUEST-ID)%"),
        }
    }
}

/// Returns problem details (RFC 9457) in Envoy's format.
fn problem(status: u16, message: &str) -> EnvoyReply {
    let message = serde_json::Value::from(message);
    EnvoyReply {
        status,
        content_type: "application/problem+json".to_owned(),
        format: format!(
            r#"{{"type":"about:blank","status":{status},"detail":{message},"request_id":"%REQ(X-REQUEST-ID)%"}}"#
        ),
    }
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
        assert_eq!(statuses, [413, 414, 431, 502, 503, 504], "400 is a denial of the document");
        let text = r#"{"100%%":"INVALID_ARGUMENT","text":"The request body has more than 9 bytes.","id":"%REQ(X-REQUEST-ID)%"}"#;
        assert_eq!(
            (replies[0].content_type.as_str(), replies[0].format.as_str()),
            ("application/x+json", text)
        );
    }

    #[test]
    fn without_errors_of_its_own_a_product_has_problem_details() {
        let profile = Profile::compile("name = 'p'", 1).unwrap_or_else(|e| panic!("{e}"));
        let reply = profile.envoy_replies(9).remove(1);
        assert_eq!((reply.status, reply.content_type.as_str()), (413, "application/problem+json"));
        assert!(reply.format.contains(r#""status":413,"detail":"The request body has more than 9 bytes.""#));
    }
}
