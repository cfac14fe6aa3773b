//! Names that templates may use. None of them gives access to the credential's value. Apart from the names of
//! endpoints, the request identifier, the method and the path without its query, none gives access to a value that a
//! client sent.

use latchkey_core::decision::Denial;
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::reason::Reason;
use latchkey_core::time::Timestamp;

use super::rate_limit_name::RateLimitName;
use crate::contract::FieldType;
use crate::endpoint::{EndpointValues, Flaw, rfc3339_millis};
use crate::rate_limit_view::UnknownLimits;
use crate::template_context::TemplateContext;

/// Most bytes of a request's path. A longer one is denied, and left empty here.
const MAX_PATH_BYTES: usize = 8 * 1024;

/// Input for rendering a template.
#[derive(Clone, Copy)]
pub(crate) struct RenderInput<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) template_context: &'a TemplateContext<'a>,
    pub(crate) denial: Option<&'a Denial>,
    /// Values of limits that are not known.
    pub(crate) unknown_limits: UnknownLimits,
    /// Values of an endpoint's call.
    pub(crate) call: Option<EndpointValues<'a>>,
}

/// A value's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Text(Box<str>),
    Standard(StandardName),
    Binding(Box<str>),
    Metadata(Box<str>),
    Endpoint(EndpointName),
}

/// Names that only templates of endpoints and examples may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EndpointName {
    Path(Box<str>),
    Query(Box<str>),
    Header(Box<str>),
    Resource(Box<str>),
    Body(Box<str>, FieldType),
    /// A path into the RPC's response.
    Answer(Vec<Box<str>>, FieldType),
    /// A path into an item of the RPC's list.
    Item(Vec<Box<str>>, FieldType),
    Items,
    Code,
    Message,
    /// The HTTP status of an error.
    Status,
    /// The phrase of the HTTP status of an error.
    StatusText,
}

/// Names that all templates may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StandardName {
    RequestId,
    Reason,
    Message,
    Environment,
    TenantId,
    TenantSlug,
    SubjectType,
    SubjectId,
    SubjectName,
    KeyKind,
    KeyExpireDate,
    Scopes,
    MissingScopes,
    AllowedMethods,
    RoutePath,
    RequestMethod,
    RequestPath,
    Now,
    RateLimit(RateLimitName),
}

const STANDARD_NAMES: &[(&str, StandardName)] = &[
    ("request_id", StandardName::RequestId),
    ("reason", StandardName::Reason),
    ("message", StandardName::Message),
    ("environment", StandardName::Environment),
    ("tenant.id", StandardName::TenantId),
    ("tenant.slug", StandardName::TenantSlug),
    ("subject.type", StandardName::SubjectType),
    ("subject.id", StandardName::SubjectId),
    ("subject.name", StandardName::SubjectName),
    ("key.kind", StandardName::KeyKind),
    ("key.expire_date", StandardName::KeyExpireDate),
    ("scopes", StandardName::Scopes),
    ("missing_scopes", StandardName::MissingScopes),
    ("allowed_methods", StandardName::AllowedMethods),
    ("route.path", StandardName::RoutePath),
    ("request.method", StandardName::RequestMethod),
    ("request.path", StandardName::RequestPath),
    ("now", StandardName::Now),
    ("rate_limit.bucket", StandardName::RateLimit(RateLimitName::Bucket)),
    ("rate_limit.limit", StandardName::RateLimit(RateLimitName::Limit)),
    ("rate_limit.remaining", StandardName::RateLimit(RateLimitName::Remaining)),
    ("rate_limit.used", StandardName::RateLimit(RateLimitName::Used)),
    ("rate_limit.reset", StandardName::RateLimit(RateLimitName::Reset)),
    ("rate_limit.reset_after", StandardName::RateLimit(RateLimitName::ResetAfter)),
    ("rate_limit.retry_after", StandardName::RateLimit(RateLimitName::RetryAfter)),
];

impl Name {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let owned = |rest: &str| (!rest.is_empty()).then(|| Box::from(rest));
        if let Some(name) = text.strip_prefix("bindings.") {
            return owned(name).map(Self::Binding);
        }
        if let Some(name) = text.strip_prefix("metadata.") {
            return owned(name).map(Self::Metadata);
        }
        STANDARD_NAMES.iter().find(|(name, _)| *name == text).map(|(_, known)| Self::Standard(*known))
    }

    /// Returns all names as a list for messages.
    pub(super) fn all() -> String {
        let names: Vec<&str> = STANDARD_NAMES.iter().map(|(name, _)| *name).collect();
        format!("{}, bindings.NAME, metadata.NAME", names.join(", "))
    }

    /// Returns true if the value is a list of texts.
    pub(super) fn is_list(&self) -> bool {
        match self {
            Self::Standard(known) => matches!(
                known,
                StandardName::Scopes | StandardName::MissingScopes | StandardName::AllowedMethods
            ),
            Self::Endpoint(
                EndpointName::Body(_, field_type)
                | EndpointName::Answer(_, field_type)
                | EndpointName::Item(_, field_type),
            ) => *field_type == FieldType::TextList,
            Self::Endpoint(_) | Self::Text(_) | Self::Binding(_) | Self::Metadata(_) => false,
        }
    }

    /// Returns true if the value consists of digits or is empty.
    pub(super) fn is_number(&self) -> bool {
        match self {
            Self::Standard(StandardName::RateLimit(rate)) => *rate != RateLimitName::Bucket,
            Self::Standard(_) | Self::Endpoint(_) | Self::Text(_) | Self::Binding(_) | Self::Metadata(_) => {
                false
            }
        }
    }

    /// Returns true if the value is one of a rate limit that the call does not have.
    pub(super) fn is_unknown_limit(&self, input: &RenderInput<'_>) -> bool {
        match self {
            Self::Standard(StandardName::RateLimit(rate)) => !rate.is_known(input),
            Self::Standard(_) | Self::Endpoint(_) | Self::Text(_) | Self::Binding(_) | Self::Metadata(_) => {
                false
            }
        }
    }

    /// Returns true if the value is already rendered and escaped.
    pub(super) fn is_rendered(&self) -> bool {
        matches!(self, Self::Endpoint(EndpointName::Items))
    }

    /// Returns the flaw of the value in an endpoint's request, if it has one.
    pub(super) fn flaw(&self, input: &RenderInput<'_>) -> Option<Flaw> {
        match self {
            Self::Endpoint(name) => input.call.as_ref()?.flaw(name),
            Self::Standard(_) | Self::Text(_) | Self::Binding(_) | Self::Metadata(_) => None,
        }
    }

    /// Writes the value; writes nothing if there is none.
    pub(super) fn write(&self, input: &RenderInput<'_>, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Binding(name) => {
                push(out, input.principal().and_then(|principal| principal.bindings().get(name)));
            }
            Self::Metadata(name) => {
                push(out, input.principal().and_then(|principal| principal.metadata().get(name)));
            }
            Self::Standard(known) => known.write(input, out),
            Self::Endpoint(name) => {
                if let Some(call) = &input.call {
                    call.write(name, out);
                }
            }
        }
    }
}

impl StandardName {
    fn write(self, input: &RenderInput<'_>, out: &mut String) {
        let tenant = input.principal().map(|principal| &principal.tenant);
        match self {
            Self::RequestId => out.push_str(input.template_context.request_id),
            Self::Reason => push(out, input.denial.map(|d| d.reason.name())),
            Self::Message => push(out, input.denial.map(|d| &d.message)),
            Self::Environment => push(out, input.environment()),
            Self::TenantId => push(out, tenant.map(|t| t.id.text()).as_deref()),
            Self::TenantSlug => push(out, tenant.map(|t| &t.slug)),
            Self::SubjectType => push(out, input.principal().map(Principal::subject_type)),
            Self::SubjectId => push(out, input.principal().map(Principal::subject_text).as_deref()),
            Self::SubjectName => push(out, input.principal().map(Principal::subject_name)),
            Self::KeyKind => push(out, input.principal().map(Principal::kind)),
            Self::KeyExpireDate => {
                push(out, input.principal().and_then(Principal::expires).map(Timestamp::date));
            }
            Self::Scopes => input.scopes(out),
            Self::MissingScopes => input.missing_scopes(out),
            Self::AllowedMethods => join(out, input.allowed_methods().into_iter().flatten()),
            Self::RoutePath => push(out, input.route().map(|r| r.pattern.text())),
            Self::RequestMethod => out.push_str(input.template_context.method),
            Self::RequestPath => out.push_str(input.request_path()),
            Self::Now => out.push_str(&rfc3339_millis(&input.template_context.now.to_string())),
            Self::RateLimit(rate) => rate.write(input, out),
        }
    }
}

impl<'a> RenderInput<'a> {
    /// Returns the policy that the gate decided by.
    pub(crate) fn effective_policy(&self) -> &'a Policy {
        self.template_context.context.policy.as_deref().unwrap_or(self.policy)
    }

    /// Returns the route that matched the call.
    pub(crate) fn route(&self) -> Option<&'a latchkey_core::route::Route> {
        self.effective_policy().routes.get(self.template_context.context.route?)
    }

    /// Returns the methods that the path has, if the call is denied for its method. In other denials, they would show the
    /// routes to callers without a credential.
    pub(crate) fn allowed_methods(&self) -> Option<Vec<&'a str>> {
        self.denial.filter(|denial| denial.reason == Reason::MethodNotAllowed)?;
        let path = latchkey_core::route::parse(self.template_context.path);
        Some(self.effective_policy().routes.allowed_methods(&path))
    }

    /// Returns the path as sent, without its query, which may hold a credential.
    fn request_path(&self) -> &'a str {
        let path = self.template_context.path.split(['?', '#']).next().unwrap_or_default();
        if path.len() > MAX_PATH_BYTES { "" } else { path }
    }

    /// Returns the principal. A call that passes in shadow with an invalid credential has none.
    fn principal(&self) -> Option<&'a Principal> {
        let context = self.template_context.context;
        if self.denial.is_some() { context.principal.as_ref() } else { context.verified_principal() }
    }

    fn environment(&self) -> Option<&'a str> {
        self.principal().and_then(Principal::environment).or(self.template_context.environment)
    }

    fn scopes(&self, out: &mut String) {
        let Some(principal) = self.principal() else { return };
        join(out, self.effective_policy().scopes.names(&principal.granted));
    }

    fn missing_scopes(&self, out: &mut String) {
        let context = self.template_context.context;
        let names = self.effective_policy().scopes.names(&context.missing_scopes);
        join(out, names.chain(context.unknown_scopes.iter().map(String::as_str)));
    }
}

fn push(out: &mut String, text: Option<impl AsRef<str>>) {
    if let Some(text) = text {
        out.push_str(text.as_ref());
    }
}

fn join<'s>(out: &mut String, names: impl Iterator<Item = &'s str>) {
    for (index, name) in names.enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(name);
    }
}
