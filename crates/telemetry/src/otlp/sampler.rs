//! Sampling of Checks as spans: the caller's decision is followed if there is one, and a ratio of the others is chosen
//! by trace id, so that all parties of a trace decide alike (OpenTelemetry's `TraceIdRatioBased`).

use latchkey_config::SamplerSettings;
use latchkey_core::thread;

use crate::splitmix64;

/// Trace that a call belongs to, from its `traceparent` (W3C Trace Context).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceParent {
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) sampled: bool,
}

impl TraceParent {
    /// Parses `00-TRACE-SPAN-FLAGS`; later versions may have more after that. Returns `None` for any other text.
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        let (version, end) = (text.get(..2)?, text.get(55));
        let dashes = [2, 35, 52].iter().all(|place| text.get(*place) == Some(&b'-'));
        let whole = match version {
            b"ff" => false,
            b"00" => end.is_none(),
            _ => end.is_none_or(|byte| *byte == b'-'),
        };
        let _ = hex(version)?;
        let (trace, span) = (hex(text.get(3..35)?)?, hex(text.get(36..52)?)?);
        let flags = hex(text.get(53..55)?)?;
        let span = u64::try_from(span).ok()?;
        let good = dashes && whole && trace != 0 && span != 0;
        good.then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

/// Parses hexadecimal digits; the specification allows lower case only.
fn hex(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0, |sum, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some((sum << 4) | u128::from(digit))
    })
}

/// Decides which Checks become spans.
pub(super) struct Sampler {
    parent: bool,
    /// Limit below which the upper 63 bits of a trace id's lower half must be.
    threshold: u64,
    seed: u64,
}

/// Identifiers of a span that is to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SpanIds {
    pub(super) trace: u128,
    pub(super) span: u64,
    pub(super) parent: Option<u64>,
}

impl Sampler {
    pub(super) fn new(settings: SamplerSettings, seed: u64) -> Self {
        Self { parent: settings.parent, threshold: threshold(settings.ratio), seed }
    }

    /// Returns the identifiers of a call's span, if the call is sampled.
    pub(super) fn sample(&self, traceparent: Option<&[u8]>) -> Option<SpanIds> {
        if let Some(parent) = traceparent.and_then(TraceParent::read) {
            let sampled =
                if self.parent { parent.sampled } else { self.is_below_threshold(low(parent.trace)) };
            return sampled.then(|| SpanIds {
                trace: parent.trace,
                span: self.number(),
                parent: Some(parent.span),
            });
        }
        let low = self.number();
        self.is_below_threshold(low).then(|| {
            let trace = (u128::from(self.number()) << 64) | u128::from(low);
            SpanIds { trace, span: self.number(), parent: None }
        })
    }

    fn is_below_threshold(&self, low: u64) -> bool {
        (low >> 1) < self.threshold
    }

    /// Returns a number other than 0; each process and thread has a sequence of its own.
    fn number(&self) -> u64 {
        let begin =
            || splitmix64::mix(self.seed.wrapping_add(splitmix64::mix(thread::thread_index() as u64 + 1)));
        STATE.with(|state| splitmix64::next(state, begin)).max(1)
    }
}

thread_local! {
    static STATE: splitmix64::State = const { splitmix64::State::new(None) };
}

#[expect(clippy::cast_possible_truncation, reason = "only the lower half is needed")]
fn low(trace: u128) -> u64 {
    trace as u64
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a ratio has fewer digits, and is between 0 and 1"
)]
fn threshold(share: f64) -> u64 {
    (share * (1_u64 << 63) as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn sampler(parent: bool, share: f64) -> Sampler {
        Sampler::new(SamplerSettings { parent, ratio: share }, 7)
    }

    #[test]
    fn a_traceparent_is_read_as_specified() {
        let parent = TraceParent::read(SENT.as_bytes()).unwrap();
        assert_eq!(parent.trace, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c);
        assert_eq!((parent.span, parent.sampled), (0xb7ad_6b71_6920_3331, true));
        assert!(!TraceParent::read(SENT.replace("-01", "-00").as_bytes()).unwrap().sampled);
        assert!(TraceParent::read(format!("cc{}-what", &SENT[2..]).as_bytes()).is_some(), "a later version");
        for bad in [
            "",
            "00",
            &SENT[..54],
            &format!("{SENT}0"),
            &format!("{SENT}-more"),
            &SENT.replace("00-", "ff-"),
            &SENT.to_uppercase(),
            &SENT.replace('-', "_"),
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        ] {
            assert_eq!(TraceParent::read(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_callers_decision_is_followed_if_configured() {
        let unsampled = SENT.replace("-01", "-00");
        let context = |sampler: &Sampler, sent: &str| sampler.sample(Some(sent.as_bytes()));
        let child = context(&sampler(true, 0.0), SENT).unwrap();
        assert_eq!((child.trace >> 120, child.parent), (0x0a, Some(0xb7ad_6b71_6920_3331)));
        assert_eq!(context(&sampler(true, 1.0), &unsampled), None);
        assert!(context(&sampler(false, 1.0), &unsampled).is_some());
        assert_eq!(context(&sampler(false, 0.0), SENT), None);
        assert_eq!(
            context(&sampler(true, 0.0), "nonsense"),
            None,
            "an invalid traceparent is not a decision"
        );
    }

    #[test]
    fn the_configured_ratio_of_all_others_is_sampled() {
        for (share, least, most) in [(0.0, 0, 0), (1.0, 10_000, 10_000), (0.1, 800, 1_200)] {
            let sampler = sampler(true, share);
            let context: Vec<SpanIds> = (0..10_000).filter_map(|_| sampler.sample(None)).collect();
            assert!((least..=most).contains(&context.len()), "{share}: {}", context.len());
            let spans: std::collections::BTreeSet<_> = context.iter().map(|c| (c.trace, c.span)).collect();
            assert_eq!(spans.len(), context.len(), "all identifiers are different");
            assert!(context.iter().all(|c| c.parent.is_none() && c.trace >> 64 != 0));
        }
    }
}
