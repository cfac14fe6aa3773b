//! Response to a denied request: the first of the document's denials that matches, or problem details.

use latchkey_core::decision::Denial;
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::reason::Reason;

use super::headers::render_headers;
use super::{DenyResponse, problem};
use crate::profile::{HeaderTemplate, Profile};
use crate::template::{Escape, RenderInput, Template};
use crate::template_context::{DeniedCredential, TemplateContext};

/// Status of a response to a method that a path does not have.
const METHOD_NOT_ALLOWED: u16 = 405;

/// A product's own denials, in the order that they are declared in.
#[derive(Debug, Default)]
pub(crate) struct CustomDenials(pub(crate) Vec<CustomDenial>);

/// A product's own denial.
#[derive(Debug)]
pub(crate) struct CustomDenial {
    /// Reasons that the denial applies to; empty for every reason.
    pub(crate) reasons: Vec<Reason>,
    /// Credential that the denial applies to; `None` for any.
    pub(crate) credential: Option<DeniedCredential>,
    /// Kinds of the known key that the denial applies to; empty for every credential.
    pub(crate) kinds: Vec<Box<str>>,
    /// HTTP status; `None` for the usual status of the reason.
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<HeaderTemplate>,
    pub(crate) escape: Escape,
    pub(crate) body: Template,
}

impl CustomDenials {
    fn of(
        &self,
        reason: Reason,
        policy: &Policy,
        template_context: &TemplateContext<'_>,
    ) -> Option<&CustomDenial> {
        let kind = template_context.context.principal.as_ref().map(Principal::kind);
        let matches = |d: &&CustomDenial| {
            (d.reasons.is_empty() || d.reasons.contains(&reason))
                && d.credential.is_none_or(|credential| credential.matches(policy, template_context))
                && (d.kinds.is_empty() || d.kinds.iter().any(|name| Some(&**name) == kind))
        };
        self.0.iter().find(matches)
    }
}

impl Profile {
    /// Renders the response to a denied request.
    #[must_use]
    pub fn deny_response<'a>(
        &'a self,
        denial: &Denial,
        template_context: &TemplateContext<'_>,
    ) -> DenyResponse<'a> {
        let input = RenderInput {
            policy: &self.policy,
            template_context,
            denial: Some(denial),
            unknown_limits: self.rules.unknown_limits,
            call: None,
        };
        let mut response = match self.rules.denials.of(denial.reason, &self.policy, template_context) {
            Some(own) => own.render(&input, denial),
            None => problem::problem_details(
                denial,
                template_context.request_id,
                problem::Challenge { scheme: self.challenge_scheme(), realm: self.name() },
                problem::retry_after(&input),
            ),
        };
        let has = |response: &DenyResponse<'_>, name: &str| response.headers.iter().any(|(n, _)| *n == name);
        for (name, value) in render_headers(&self.rules.response, &input).iter() {
            if !has(&response, name) {
                response.headers.push((name, value.to_owned()));
            }
        }
        // A 405 without it is invalid (RFC 9110 section 15.5.6), whatever the document says.
        if response.status == METHOD_NOT_ALLOWED && !has(&response, "allow") {
            let methods = input.allowed_methods();
            response.headers.extend(methods.map(|methods| ("allow", methods.join(", "))));
        }
        response
    }
}

impl CustomDenial {
    fn render(&self, input: &RenderInput<'_>, denial: &Denial) -> DenyResponse<'_> {
        let mut headers = render_headers(&self.headers, input).owned();
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            headers.push(("content-type", "text/plain".to_owned()));
        }
        let mut body = String::new();
        self.body.render(input, self.escape, &mut body);
        let status = self.status.unwrap_or_else(|| problem::status(denial.reason));
        DenyResponse { status, headers, body, message: problem::disclosed(denial).message }
    }
}
