//! `[rate_limits]` and `[[plans]]`: classes and their buckets, and the plans that replace them.

use std::collections::BTreeMap;

use latchkey_core::enforce::Enforce;
use latchkey_core::limit::{Algorithm, Classes, Limit, Mode, Named, Per, Plan, Rule, When, parse_rate};

use super::enforce;
use super::names::{self, Once};
use crate::reader::{Section, Text, Value};

/// The most classes of a product.
const MOST_CLASSES: usize = 1_000;
/// The most buckets of a class.
const MOST_BUCKETS: usize = 16;
/// The most that a bucket holds; bucket arithmetic is proven for it.
const MOST_BURST: u64 = 1_000_000_000_000;

/// Classes, and plans by name.
pub(super) fn read(root: &mut Section<'_>, profile: &str) -> (Classes, Named<Plan>) {
    let own = root.section("rate_limits").map(|section| classes(&section)).unwrap_or_default();
    if own.len() > MOST_CLASSES {
        root.refuse(format!("{} rate classes are more than {MOST_CLASSES}", own.len()));
    }
    let tried: Vec<&str> =
        own.iter().filter(|class| class.enforce.is_shadow()).map(|c| c.name.value).collect();
    let rules = own.iter().map(|class| (class.name.value.into(), class.rules.clone()));
    let classes = Classes::new(profile, rules.take(MOST_CLASSES).collect::<BTreeMap<_, _>>());
    let classes = tried.into_iter().fold(classes, Classes::with_shadow);
    let plans = plans(root, &classes);
    (classes, plans)
}

fn plans(root: &mut Section<'_>, known: &Classes) -> Named<Plan> {
    let mut once = Once::default();
    let mut plans = Named::default();
    for mut section in root.sections("plans") {
        let name = section.needed_text("name");
        let limits = section.section("rate_limits");
        section.close();
        let mut plan = Plan::default();
        for Class { name, rules, enforce } in limits.iter().flat_map(classes) {
            if known.find(&name).is_none() {
                name.refuse(format!("there is no rate class \"{}\" to override", name.value));
            }
            if enforce.is_shadow() {
                name.refuse("a plan changes how much, not what is enforced; say \"shadow\" in [rate_limits]");
            }
            plan.0.insert(name.value.into(), rules);
        }
        let Some(name) = name else { continue };
        names::check(&name);
        once.check(&name, "plan");
        plans.insert(name.value.into(), plan);
    }
    plans
}

/// A class as it is declared.
struct Class<'d> {
    name: Text<'d>,
    rules: Vec<Rule>,
    enforce: Enforce,
}

/// A class is a list of buckets, or a table that has them as `buckets` and says more.
fn classes<'d>(section: &Section<'d>) -> Vec<Class<'d>> {
    let class = |(name, value): (Text<'d>, Value<'d>)| {
        names::check(&name);
        let table = if value.is_table() { value.section() } else { None };
        let Some(mut section) = table else {
            return Class { name, rules: buckets(&value), enforce: Enforce::On };
        };
        let rules = section.needed("buckets").map(|value| buckets(&value)).unwrap_or_default();
        let enforce = enforce::read(&mut section);
        section.close();
        Class { name, rules, enforce }
    };
    section.entries().into_iter().map(class).collect()
}

fn buckets(value: &Value<'_>) -> Vec<Rule> {
    let buckets = value.list().unwrap_or_default();
    if buckets.len() > MOST_BUCKETS {
        value.refuse(format!("{} buckets are more than {MOST_BUCKETS}", buckets.len()));
    }
    buckets.iter().filter_map(Value::section).filter_map(bucket).collect()
}

fn bucket(mut section: Section<'_>) -> Option<Rule> {
    let per = section.needed_text("per");
    let rate = section.needed_text("rate");
    let burst = section.value("burst");
    let algorithm = section.text("algorithm");
    let when = section.text("when");
    let mode = section.text("mode");
    let per = per.as_ref().and_then(whose);
    let limit = rate.and_then(|rate| limit(&rate, burst.as_ref()));
    let algorithm = algorithm.as_ref().map_or(Algorithm::default(), counting);
    let when = when.as_ref().map_or(When::default(), |text| attempts(text, per));
    let mode = mode.as_ref().and_then(sharing);
    section.close();
    Some(Rule { per: per?, limit: limit?, algorithm, when, mode })
}

fn whose(text: &Text<'_>) -> Option<Per> {
    let per = [Per::Key, Per::Tenant, Per::Ip].into_iter().find(|per| per.name() == text.value);
    if per.is_none() {
        text.refuse(format!("\"{}\" is none of \"key\", \"tenant\" and \"ip\"", text.value));
    }
    per
}

fn limit(rate: &Text<'_>, burst: Option<&Value<'_>>) -> Option<Limit> {
    let burst = burst.map(|value| {
        let count = value.count().filter(|count| {
            let right = (1..=MOST_BURST).contains(count);
            if !right {
                value.refuse(format!("a burst is a number from 1 to {MOST_BURST}"));
            }
            right
        });
        count.unwrap_or(1)
    });
    let (tokens, period) = parse_rate(rate).map_err(|bad| rate.refuse(bad.to_string())).ok()?;
    Some(Limit { tokens, period, burst: burst.unwrap_or(tokens) })
}

fn counting(text: &Text<'_>) -> Algorithm {
    match text.value {
        "token_bucket" => Algorithm::TokenBucket,
        "fixed_window" => Algorithm::FixedWindow,
        other => {
            text.refuse(format!("\"{other}\" is neither \"token_bucket\" nor \"fixed_window\""));
            Algorithm::default()
        }
    }
}

/// How replicas share the bucket; where the document doesn't say, its rate decides.
fn sharing(text: &Text<'_>) -> Option<Mode> {
    match text.value {
        "exact" => Some(Mode::Exact),
        "leased" => Some(Mode::Leased),
        other => {
            text.refuse(format!("\"{other}\" is neither \"exact\" nor \"leased\""));
            None
        }
    }
}

fn attempts(text: &Text<'_>, per: Option<Per>) -> When {
    match (text.value, per) {
        ("unauthenticated", None | Some(Per::Ip)) => When::Unauthenticated,
        ("unauthenticated", Some(Per::Key | Per::Tenant)) => {
            text.refuse("failed attempts have no key and no tenant; they count with per = \"ip\"");
            When::Unauthenticated
        }
        (other, _) => {
            text.refuse(format!(
                "\"{other}\" is not \"unauthenticated\"; leave \"when\" out for calls that pass"
            ));
            When::default()
        }
    }
}
