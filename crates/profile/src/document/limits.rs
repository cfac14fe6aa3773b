//! `[rate_limits]` and `[[plans]]`: rate classes with their buckets, and plans that override them.

use std::collections::BTreeMap;

use latchkey_core::enforcement::Enforcement;
use latchkey_core::limit::{
    BucketAlgorithm, BucketOwner, BucketRule, ChargeCondition, CountingMode, Limit, NameMap, Plan,
    RateClasses, parse_rate,
};

use super::enforce;
use super::names::{self, UniqueNames};
use crate::reader::{Section, Text, Value};

/// Maximum number of rate classes of a product.
const MAX_CLASSES: usize = 1_000;
/// Maximum number of buckets of a class.
const MAX_BUCKETS: usize = 16;
/// Maximum number of tokens in a bucket; the arithmetic of buckets is proven up to this number.
const MAX_BURST: u64 = 1_000_000_000_000;

/// Reads the rate classes, and the plans by name.
pub(super) fn read(root: &mut Section<'_>, profile: &str) -> (RateClasses, NameMap<Plan>) {
    let own = root.section("rate_limits").map(|section| classes(&section)).unwrap_or_default();
    if own.len() > MAX_CLASSES {
        root.report(format!("{} rate classes are more than {MAX_CLASSES}", own.len()));
    }
    let in_shadow: Vec<&str> =
        own.iter().filter(|class| class.enforce.is_shadow()).map(|c| c.name.value).collect();
    let rules = own.iter().map(|class| (class.name.value.into(), class.rules.clone()));
    let classes = RateClasses::new(profile, rules.take(MAX_CLASSES).collect::<BTreeMap<_, _>>());
    let classes = in_shadow.into_iter().fold(classes, RateClasses::with_shadow);
    let plans = plans(root, &classes);
    (classes, plans)
}

fn plans(root: &mut Section<'_>, known: &RateClasses) -> NameMap<Plan> {
    let mut unique = UniqueNames::default();
    let mut plans = NameMap::default();
    for mut section in root.sections("plans") {
        let name = section.required_text("name");
        let limits = section.section("rate_limits");
        section.close();
        let mut plan = Plan::default();
        for Class { name, rules, enforce } in limits.iter().flat_map(classes) {
            if known.find(&name).is_none() {
                name.report(format!("there is no rate class \"{}\" to override", name.value));
            }
            if enforce.is_shadow() {
                name.report(
                    "a plan changes limits and not their enforcement; write \"shadow\" in [rate_limits]",
                );
            }
            plan.0.insert(name.value.into(), rules);
        }
        let Some(name) = name else { continue };
        names::check(&name);
        unique.check(&name, "plan");
        plans.insert(name.value.into(), plan);
    }
    plans
}

/// A rate class as the document declares it.
struct Class<'d> {
    name: Text<'d>,
    rules: Vec<BucketRule>,
    enforce: Enforcement,
}

/// Reads rate classes. Each is a list of buckets, or a table with the list as `buckets` and further fields.
fn classes<'d>(section: &Section<'d>) -> Vec<Class<'d>> {
    let class = |(name, value): (Text<'d>, Value<'d>)| {
        names::check(&name);
        let table = if value.is_table() { value.section() } else { None };
        let Some(mut section) = table else {
            return Class { name, rules: buckets(&value), enforce: Enforcement::Enforced };
        };
        let rules = section.required("buckets").map(|value| buckets(&value)).unwrap_or_default();
        let enforce = enforce::read(&mut section);
        section.close();
        Class { name, rules, enforce }
    };
    section.entries().into_iter().map(class).collect()
}

fn buckets(value: &Value<'_>) -> Vec<BucketRule> {
    let buckets = value.list().unwrap_or_default();
    if buckets.len() > MAX_BUCKETS {
        value.report(format!("{} buckets are more than {MAX_BUCKETS}", buckets.len()));
    }
    buckets.iter().filter_map(Value::section).filter_map(bucket).collect()
}

fn bucket(mut section: Section<'_>) -> Option<BucketRule> {
    let per = section.required_text("per");
    let rate = section.required_text("rate");
    let burst = section.value("burst");
    let algorithm = section.text("algorithm");
    let when = section.text("when");
    let mode = section.text("mode");
    let per = per.as_ref().and_then(parse_owner);
    let limit = rate.and_then(|rate| limit(&rate, burst.as_ref()));
    let limit = limit.map(|limit| with_algorithm(limit, algorithm.as_ref(), burst.as_ref()));
    let algorithm = algorithm.as_ref().map_or(BucketAlgorithm::default(), parse_algorithm);
    let when = when.as_ref().map_or(ChargeCondition::default(), |text| parse_when(text, per));
    let mode = mode.as_ref().and_then(parse_mode);
    section.close();
    Some(BucketRule { per: per?, limit: limit?, algorithm, when, mode })
}

fn parse_owner(text: &Text<'_>) -> Option<BucketOwner> {
    let per = [BucketOwner::Key, BucketOwner::Tenant, BucketOwner::Ip]
        .into_iter()
        .find(|per| per.name() == text.value);
    if per.is_none() {
        text.report(format!("\"{}\" is none of \"key\", \"tenant\" and \"ip\"", text.value));
    }
    per
}

fn limit(rate: &Text<'_>, burst: Option<&Value<'_>>) -> Option<Limit> {
    let burst = burst.map(|value| {
        let count = value.count().filter(|count| {
            let valid = (1..=MAX_BURST).contains(count);
            if !valid {
                value.report(format!("a burst is a number from 1 to {MAX_BURST}"));
            }
            valid
        });
        count.unwrap_or(1)
    });
    let (tokens, period) = parse_rate(rate).map_err(|bad| rate.report(bad.to_string())).ok()?;
    Some(Limit { tokens, period, burst })
}

/// Applies a declared algorithm to the limit: a token bucket without a burst holds the tokens of the rate. A window has
/// no burst.
fn with_algorithm(limit: Limit, algorithm: Option<&Text<'_>>, burst: Option<&Value<'_>>) -> Limit {
    match (algorithm.map(|text| text.value), burst) {
        (Some("token_bucket"), None) => Limit { burst: Some(limit.tokens), ..limit },
        (Some(window @ ("fixed_window" | "sliding_window")), Some(burst)) => {
            burst.report(format!(
                "a {window} has no burst; remove \"burst\", or write algorithm = \"token_bucket\""
            ));
            Limit { burst: None, ..limit }
        }
        (Some(_) | None, _) => limit,
    }
}

fn parse_algorithm(text: &Text<'_>) -> BucketAlgorithm {
    match text.value {
        "token_bucket" => BucketAlgorithm::TokenBucket,
        "fixed_window" => BucketAlgorithm::FixedWindow,
        "sliding_window" => BucketAlgorithm::SlidingWindow,
        other => {
            text.report(format!(
                "\"{other}\" is none of \"sliding_window\", \"token_bucket\" and \"fixed_window\""
            ));
            BucketAlgorithm::default()
        }
    }
}

/// Reads how replicas share the bucket; by default, the rate decides.
fn parse_mode(text: &Text<'_>) -> Option<CountingMode> {
    match text.value {
        "exact" => Some(CountingMode::Exact),
        "leased" => Some(CountingMode::Leased),
        other => {
            text.report(format!("\"{other}\" is neither \"exact\" nor \"leased\""));
            None
        }
    }
}

fn parse_when(text: &Text<'_>, per: Option<BucketOwner>) -> ChargeCondition {
    match (text.value, per) {
        ("unauthenticated", None | Some(BucketOwner::Ip)) => ChargeCondition::Unauthenticated,
        ("unauthenticated", Some(BucketOwner::Key | BucketOwner::Tenant)) => {
            text.report("failed attempts have no key and no tenant; write per = \"ip\"");
            ChargeCondition::Unauthenticated
        }
        (other, _) => {
            text.report(format!("\"{other}\" is not \"unauthenticated\"; omit \"when\" for calls that pass"));
            ChargeCondition::default()
        }
    }
}
