//! What templates may speak of. Nothing of the credential's value is among it, and nothing that a client
//! sent besides its request id.

use latchkey_core::decision::Denial;
use latchkey_core::limit::ceil_seconds;
use latchkey_core::policy::Policy;
use latchkey_core::principal::Principal;
use latchkey_core::time::Timestamp;

use crate::contract::Shape;
use crate::endpoint::Call;
use crate::facts::Facts;
use crate::gauge::Gauge;

/// What a template is rendered with.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) facts: &'a Facts<'a>,
    pub(crate) denial: Option<&'a Denial>,
    /// What an endpoint was asked, and what it is answered.
    pub(crate) call: Option<Call<'a>>,
}

/// A value's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Text(Box<str>),
    Known(Known),
    Binding(Box<str>),
    Metadata(Box<str>),
    Called(Called),
}

/// What only the templates of endpoints speak of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Called {
    Path(Box<str>),
    Query(Box<str>),
    Header(Box<str>),
    Resource(Box<str>),
    Body(Box<str>, Shape),
    /// A path into the answer.
    Answer(Vec<Box<str>>, Shape),
    /// A path into an item of the answer's list.
    Item(Vec<Box<str>>, Shape),
    Items,
    Code,
    Message,
    Now,
}

/// The names that are always there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
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
    RoutePath,
    Rate(Rate),
}

/// What is shown of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rate {
    Bucket,
    Limit,
    Remaining,
    Reset,
    RetryAfter,
}

const KNOWN: &[(&str, Known)] = &[
    ("request_id", Known::RequestId),
    ("reason", Known::Reason),
    ("message", Known::Message),
    ("environment", Known::Environment),
    ("tenant.id", Known::TenantId),
    ("tenant.slug", Known::TenantSlug),
    ("subject.type", Known::SubjectType),
    ("subject.id", Known::SubjectId),
    ("subject.name", Known::SubjectName),
    ("key.kind", Known::KeyKind),
    ("key.expire_date", Known::KeyExpireDate),
    ("scopes", Known::Scopes),
    ("missing_scopes", Known::MissingScopes),
    ("route.path", Known::RoutePath),
    ("rate_limit.bucket", Known::Rate(Rate::Bucket)),
    ("rate_limit.limit", Known::Rate(Rate::Limit)),
    ("rate_limit.remaining", Known::Rate(Rate::Remaining)),
    ("rate_limit.reset", Known::Rate(Rate::Reset)),
    ("rate_limit.retry_after", Known::Rate(Rate::RetryAfter)),
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
        KNOWN.iter().find(|(name, _)| *name == text).map(|(_, known)| Self::Known(*known))
    }

    /// Every name, for people.
    pub(super) fn all() -> String {
        let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
        format!("{}, bindings.NAME, metadata.NAME", names.join(", "))
    }

    /// Whether its value is a list of names.
    pub(super) fn is_list(&self) -> bool {
        match self {
            Self::Known(known) => matches!(known, Known::Scopes | Known::MissingScopes),
            Self::Called(Called::Body(_, shape) | Called::Answer(_, shape) | Called::Item(_, shape)) => {
                *shape == Shape::Texts
            }
            Self::Called(_) | Self::Text(_) | Self::Binding(_) | Self::Metadata(_) => false,
        }
    }

    /// Whether its value is a number's digits, or nothing.
    pub(super) fn is_number(&self) -> bool {
        match self {
            Self::Known(Known::Rate(rate)) => *rate != Rate::Bucket,
            Self::Known(_) | Self::Called(_) | Self::Text(_) | Self::Binding(_) | Self::Metadata(_) => false,
        }
    }

    /// Whether its value was rendered and escaped already.
    pub(super) fn is_rendered(&self) -> bool {
        matches!(self, Self::Called(Called::Items))
    }

    /// Writes its value; nothing where there is none.
    pub(super) fn write(&self, view: &View<'_>, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Binding(name) => push(out, view.who().and_then(|who| who.bindings().get(name))),
            Self::Metadata(name) => push(out, view.who().and_then(|who| who.metadata().get(name))),
            Self::Known(known) => known.write(view, out),
            Self::Called(called) => {
                if let Some(call) = &view.call {
                    call.write(called, view, out);
                }
            }
        }
    }
}

impl Known {
    fn write(self, view: &View<'_>, out: &mut String) {
        let tenant = view.who().map(|who| &who.tenant);
        match self {
            Self::RequestId => out.push_str(view.facts.request_id),
            Self::Reason => push(out, view.denial.map(|d| d.reason.name())),
            Self::Message => push(out, view.denial.map(|d| &d.message)),
            Self::Environment => push(out, view.environment()),
            Self::TenantId => push(out, tenant.map(|t| t.id.text()).as_deref()),
            Self::TenantSlug => push(out, tenant.map(|t| &t.slug)),
            Self::SubjectType => push(out, view.who().map(Principal::subject_type)),
            Self::SubjectId => push(out, view.who().map(Principal::subject_text).as_deref()),
            Self::SubjectName => push(out, view.who().map(Principal::subject_name)),
            Self::KeyKind => push(out, view.who().map(Principal::kind)),
            Self::KeyExpireDate => push(out, view.who().and_then(Principal::expires).map(Timestamp::date)),
            Self::Scopes => view.scopes(out),
            Self::MissingScopes => view.missing(out),
            Self::RoutePath => push(out, view.route().map(|r| r.pattern.text())),
            Self::Rate(rate) => rate.write(view, out),
        }
    }
}

impl Rate {
    fn write(self, view: &View<'_>, out: &mut String) {
        let Some(gauge) = Gauge::of(view) else { return };
        match self {
            Self::Bucket => out.extend([gauge.per.name(), "/", gauge.class]),
            Self::Limit => digits(out, gauge.limit),
            Self::Remaining => digits(out, gauge.remaining),
            Self::Reset => digits(out, view.facts.now.after(gauge.reset).ceil_seconds()),
            Self::RetryAfter => digits(out, ceil_seconds(gauge.retry)),
        }
    }
}

impl<'a> View<'a> {
    /// The profile that was judged by.
    pub(crate) fn judged_by(&self) -> &'a Policy {
        self.facts.seen.policy.as_deref().unwrap_or(self.policy)
    }

    /// The route that took the call.
    pub(crate) fn route(&self) -> Option<&'a latchkey_core::route::Route> {
        self.judged_by().routes.get(self.facts.seen.route?)
    }

    /// Who is asking. A call that passes though its credential is not in order is nobody's.
    fn who(&self) -> Option<&'a Principal> {
        let seen = self.facts.seen;
        if self.denial.is_some() { seen.principal.as_ref() } else { seen.vouched() }
    }

    fn environment(&self) -> Option<&'a str> {
        self.who().and_then(Principal::environment).or(self.facts.environment)
    }

    fn scopes(&self, out: &mut String) {
        let Some(principal) = self.who() else { return };
        join(out, self.judged_by().scopes.names(&principal.granted));
    }

    fn missing(&self, out: &mut String) {
        let seen = self.facts.seen;
        let names = self.judged_by().scopes.names(&seen.missing);
        join(out, names.chain(seen.unknown.iter().map(String::as_str)));
    }
}

fn push(out: &mut String, text: Option<impl AsRef<str>>) {
    if let Some(text) = text {
        out.push_str(text.as_ref());
    }
}

fn digits(out: &mut String, number: impl itoa::Integer) {
    out.push_str(itoa::Buffer::new().format(number));
}

fn join<'s>(out: &mut String, names: impl Iterator<Item = &'s str>) {
    for (place, name) in names.enumerate() {
        if place > 0 {
            out.push(' ');
        }
        out.push_str(name);
    }
}
