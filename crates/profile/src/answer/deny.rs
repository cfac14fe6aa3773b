//! A denial in the product's own words: the first entry of its document that fits the reason.

use latchkey_core::decision::Denial;
use latchkey_core::reason::Reason;

use super::rendered::rendered;
use super::{Refused, problem};
use crate::facts::{Facts, Looks};
use crate::profile::{HeaderTemplate, Profile};
use crate::template::{Escape, Template, View};

/// A product's own denials, in the order that they are declared in.
#[derive(Debug, Default)]
pub(crate) struct Denials(pub(crate) Vec<OwnDenial>);

/// One of them.
#[derive(Debug)]
pub(crate) struct OwnDenial {
    /// None: every reason.
    pub(crate) reasons: Vec<Reason>,
    /// None: whatever the credential looks like.
    pub(crate) credential: Option<Looks>,
    /// None: what the reason calls for.
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<HeaderTemplate>,
    pub(crate) escape: Escape,
    pub(crate) body: Template,
}

impl Denials {
    fn of(&self, reason: Reason, looks: Option<Looks>) -> Option<&OwnDenial> {
        let fits = |d: &&OwnDenial| {
            (d.reasons.is_empty() || d.reasons.contains(&reason))
                && (d.credential.is_none() || d.credential == looks)
        };
        self.0.iter().find(fits)
    }
}

impl Profile {
    /// What the client gets in place of the upstream's answer.
    #[must_use]
    pub fn deny<'a>(&'a self, denial: &Denial, facts: &Facts<'_>) -> Refused<'a> {
        let view = View { policy: &self.policy, facts, denial: Some(denial), call: None };
        let mut refused = match self.customs.denials.of(denial.reason, Looks::of(facts.credential)) {
            Some(own) => own.render(&view, denial.reason),
            None => problem::problem(denial, facts.request_id, self.name(), problem::retry(&view)),
        };
        for (name, value) in rendered(&self.customs.response, &view).iter() {
            if !refused.headers.iter().any(|(n, _)| *n == name) {
                refused.headers.push((name, value.to_owned()));
            }
        }
        refused
    }
}

impl OwnDenial {
    fn render(&self, view: &View<'_>, reason: Reason) -> Refused<'_> {
        let mut headers = rendered(&self.headers, view).owned();
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            headers.push(("content-type", "text/plain".to_owned()));
        }
        let mut body = String::new();
        self.body.render(view, self.escape, &mut body);
        Refused { status: self.status.unwrap_or_else(|| problem::status(reason)), headers, body }
    }
}
