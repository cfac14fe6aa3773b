//! Names of the values of a call's most restrictive bucket.

use latchkey_core::limit::ceil_seconds;

use super::RenderInput;
use crate::rate_limit_view::RateLimitView;

/// Value of the most restrictive bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RateLimitName {
    Bucket,
    Limit,
    Remaining,
    /// The calls that the bucket has no room for until it refills.
    Used,
    /// The time at which the bucket is full again, in Unix seconds.
    Reset,
    /// The seconds until the bucket is full again.
    ResetAfter,
    RetryAfter,
}

impl RateLimitName {
    /// Writes the value; writes nothing if there is none.
    pub(super) fn write(self, input: &RenderInput<'_>, out: &mut String) {
        let Some(rate_limit_view) = RateLimitView::of(input) else { return };
        match self {
            Self::Bucket => out.extend([rate_limit_view.per.name(), "/", rate_limit_view.class]),
            Self::Limit => digits(out, rate_limit_view.limit),
            Self::Remaining => digits(out, rate_limit_view.remaining),
            Self::Used => digits(out, rate_limit_view.capacity.saturating_sub(rate_limit_view.remaining)),
            Self::Reset => digits(out, input.template_context.now.plus(rate_limit_view.reset).ceil_seconds()),
            Self::ResetAfter => digits(out, ceil_seconds(rate_limit_view.reset)),
            // There is no time to wait if no wait helps.
            Self::RetryAfter => {
                if let Some(wait) = rate_limit_view.retry {
                    digits(out, ceil_seconds(wait));
                }
            }
        }
    }

    /// Returns whether a call has this value.
    pub(super) fn is_known(self, input: &RenderInput<'_>) -> bool {
        RateLimitView::of(input).is_some_and(|view| self != Self::RetryAfter || view.retry.is_some())
    }
}

fn digits(out: &mut String, number: impl itoa::Integer) {
    out.push_str(itoa::Buffer::new().format(number));
}
