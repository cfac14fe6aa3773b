//! A denial in the product's own words: the first entry of its document that fits the reason.

use latchkey_core::decision::Denial;
use latchkey_core::reason::Reason;

use super::headers::render_headers;
use super::{DenyResponse, problem};
use crate::profile::{HeaderTemplate, Profile};
use crate::template::{Escape, RenderInput, Template};
use crate::template_context::{CredentialFormat, TemplateContext};

/// A product's own denials, in the order that they are declared in.
#[derive(Debug, Default)]
pub(crate) struct CustomDenials(pub(crate) Vec<CustomDenial>);

/// One of them.
#[derive(Debug)]
pub(crate) struct CustomDenial {
    /// None: every reason.
    pub(crate) reasons: Vec<Reason>,
    /// None: whatever the credential looks like.
    pub(crate) credential: Option<CredentialFormat>,
    /// None: what the reason calls for.
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<HeaderTemplate>,
    pub(crate) escape: Escape,
    pub(crate) body: Template,
}

impl CustomDenials {
    fn of(&self, reason: Reason, looks: Option<CredentialFormat>) -> Option<&CustomDenial> {
        let fits = |d: &&CustomDenial| {
            (d.reasons.is_empty() || d.reasons.contains(&reason))
                && (d.credential.is_none() || d.credential == looks)
        };
        self.0.iter().find(fits)
    }
}

impl Profile {
    /// What the client gets in place of the upstream's answer.
    #[must_use]
    pub fn deny_response<'a>(
        &'a self,
        denial: &Denial,
        template_context: &TemplateContext<'_>,
    ) -> DenyResponse<'a> {
        let input = RenderInput { policy: &self.policy, template_context, denial: Some(denial), call: None };
        let mut refused =
            match self.rules.denials.of(denial.reason, CredentialFormat::of(template_context.credential)) {
                Some(own) => own.render(&input, denial.reason),
                None => problem::problem_details(
                    denial,
                    template_context.request_id,
                    self.name(),
                    problem::retry_after(&input),
                ),
            };
        for (name, value) in render_headers(&self.rules.response, &input).iter() {
            if !refused.headers.iter().any(|(n, _)| *n == name) {
                refused.headers.push((name, value.to_owned()));
            }
        }
        refused
    }
}

impl CustomDenial {
    fn render(&self, input: &RenderInput<'_>, reason: Reason) -> DenyResponse<'_> {
        let mut headers = render_headers(&self.headers, input).owned();
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            headers.push(("content-type", "text/plain".to_owned()));
        }
        let mut body = String::new();
        self.body.render(input, self.escape, &mut body);
        DenyResponse { status: self.status.unwrap_or_else(|| problem::status(reason)), headers, body }
    }
}
