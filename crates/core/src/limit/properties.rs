//! Property: over any sequence of calls, plans, overrides and pauses, no window admits more than the largest limit that
//! held in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::local::LocalLimiter;
use super::*;
use crate::limit::parse_key_limit;
use crate::record::TenantRecord;
use crate::record::fixture::records;
use crate::time::MonotonicInstant;

const MINUTE: Duration = Duration::from_mins(1);

/// A step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// A call of this cost, with a valid or an invalid credential.
    Call(u32, bool),
    /// Milliseconds that pass.
    Pause(u64),
    /// The tenant's plan.
    Plan(Option<usize>),
    /// The key's own limit, in tokens a minute.
    OfKey(Option<u64>),
    /// The tenant's limit for a key or an address.
    OfTenant(Option<(BucketOwner, u64)>),
}

fn rule(per: BucketOwner, limit: &str, when: ChargeCondition) -> BucketRule {
    let limit = parse_key_limit(limit).unwrap();
    BucketRule { per, limit, algorithm: BucketAlgorithm::default(), when, mode: None }
}

fn classes() -> RateClasses {
    let rules = vec![
        rule(BucketOwner::Ip, "12/min", ChargeCondition::Allowed),
        rule(BucketOwner::Ip, "5/min", ChargeCondition::Unauthenticated),
        rule(BucketOwner::Key, "6/min", ChargeCondition::Allowed),
        rule(BucketOwner::Key, "1000/h", ChargeCondition::Allowed),
    ];
    RateClasses::new("p", BTreeMap::from([("default".into(), rules)]))
}

/// Plans that change a rule, add rules around it, and replace rules in another order.
fn plans() -> Vec<Plan> {
    use ChargeCondition::{Allowed, Unauthenticated};
    let plan = |rules: Vec<BucketRule>| Plan([("default".into(), rules)].into_iter().collect());
    vec![
        plan(vec![rule(BucketOwner::Key, "3/min", Allowed)]),
        plan(vec![
            rule(BucketOwner::Key, "4/s", Allowed),
            rule(BucketOwner::Key, "21/min", Allowed),
            rule(BucketOwner::Ip, "30/min", Allowed),
        ]),
        plan(vec![
            rule(BucketOwner::Ip, "2/min", Unauthenticated),
            rule(BucketOwner::Tenant, "9/min", Allowed),
            rule(BucketOwner::Key, "1000/h", Allowed),
            rule(BucketOwner::Key, "9/min", Allowed),
        ]),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let owner = prop_oneof![Just(BucketOwner::Key), Just(BucketOwner::Ip)];
    let step = prop_oneof![
        12 => (prop_oneof![4 => Just(1u32), 1 => 0..40u32], prop::bool::weighted(0.8))
            .prop_map(|(cost, good)| Step::Call(cost, good)),
        4 => prop_oneof![0..3_000u64, 0..70_000u64].prop_map(Step::Pause),
        1 => prop::option::of(0..3usize).prop_map(Step::Plan),
        1 => prop::option::of(1..40u64).prop_map(Step::OfKey),
        1 => prop::option::of((owner, 1..40u64)).prop_map(Step::OfTenant),
    ];
    prop::collection::vec(step, 1..200)
}

fn overrides(limit: Option<(BucketOwner, u64)>) -> LimitOverrides {
    let per_minute = |tokens| Limit { tokens, period: MINUTE, burst: None };
    let all = limit.map(|(per, tokens)| ("default".into(), vec![(per, per_minute(tokens))]));
    LimitOverrides(all.into_iter().collect(), BTreeSet::new())
}

/// Calls that were admitted and limits that held, by the owner and the condition.
#[derive(Default)]
struct History {
    admitted: Vec<(u64, u64)>,
    held: Vec<(u64, u64)>,
}

impl History {
    /// Checks the minute that ends with the last admitted call.
    fn check(&self) -> Result<(), TestCaseError> {
        let Some((end, _)) = self.admitted.last() else { return Ok(()) };
        let minute = u64::try_from(MINUTE.as_nanos()).unwrap();
        let within = |at: &u64| at + minute > *end;
        let sum: u64 = self.admitted.iter().filter(|(at, _)| within(at)).map(|(_, cost)| cost).sum();
        let largest = self.held.iter().filter(|(at, _)| within(at)).map(|(_, limit)| *limit).max();
        prop_assert!(Some(sum) <= largest, "{sum} admitted in a minute, and {largest:?} allowed");
        Ok(())
    }
}

fn run(steps: &[Step]) -> Result<(), TestCaseError> {
    let (limiter, classes, plans) = (LocalLimiter::new(), classes(), plans());
    let (_, mut tenant): (_, TenantRecord) = records();
    let (mut now, mut plan, mut of_key) = (1u64 << 50, None, LimitOverrides::default());
    let mut histories: BTreeMap<(BucketOwner, ChargeCondition), History> = BTreeMap::new();
    for step in steps {
        let (cost, when) = match step {
            Step::Pause(millis) => {
                now += millis * 1_000_000;
                continue;
            }
            Step::Plan(index) => {
                plan = index.map(|index| &plans[index]);
                continue;
            }
            Step::OfKey(tokens) => {
                of_key = overrides(tokens.map(|tokens| (BucketOwner::Key, tokens)));
                continue;
            }
            Step::OfTenant(limit) => {
                tenant.limits = overrides(*limit);
                continue;
            }
            Step::Call(cost, true) => (*cost, ChargeCondition::Allowed),
            Step::Call(_, false) => (1, ChargeCondition::Unauthenticated),
        };
        let address = Some(std::net::IpAddr::from([192, 0, 2, 1]));
        let subjects =
            LimitSubjects { subject: Some((7, Some(&of_key))), tenant: Some((&tenant, plan)), address };
        let class = classes.fallback().unwrap();
        let charges = bucket_charges(&classes, class, when, &subjects);
        let options = ChargeOptions { cost, dry_run: false };
        let granted = limiter.charge_now(&charges, options, MonotonicInstant(now), &mut Levels::new());
        let mut owners = Vec::new();
        for charge in charges.iter().filter(|charge| charge.limit.period == MINUTE) {
            let history = histories.entry((charge.bucket.per, when)).or_default();
            history.held.push((now, charge.limit.tokens));
            // An override is charged in each bucket that it replaces.
            let counted = owners.contains(&charge.bucket.per);
            owners.push(charge.bucket.per);
            if granted && cost > 0 && !counted {
                history.admitted.push((now, cost.into()));
                history.check()?;
            }
        }
    }
    Ok(())
}

/// Limits of a class, of a plan and of a key itself.
type Limits = (&'static [&'static str], Option<&'static [&'static str]>, Option<&'static str>);

/// Limits that all admit twenty calls a day, by another rule each.
const TWENTY_A_DAY: [Limits; 9] = [
    (&["20/d"], None, None),
    (&["60/min"], Some(&["20/d"]), None),
    (&["60/min"], Some(&["50/s", "20/d"]), None),
    (&["60/min", "90/h"], Some(&["20/d", "70/h"]), None),
    (&["60/min"], None, Some("20/d")),
    (&["90/h"], Some(&["50/s"]), Some("20/d")),
    (&[], None, Some("20/d")),
    (&[], Some(&["20/d"]), None),
    (&[], Some(&["20/d", "100/7d"]), None),
];

/// Returns how many of these calls at one moment are admitted.
fn admitted(limiter: &LocalLimiter, (class, plan, own): &Limits, calls: u32) -> u32 {
    let rules = |limits: &[&str]| -> Vec<BucketRule> {
        limits.iter().map(|limit| rule(BucketOwner::Key, limit, ChargeCondition::Allowed)).collect()
    };
    let classes = RateClasses::new("p", BTreeMap::from([("default".into(), rules(class))]));
    let plan = plan.map(|limits| Plan([("default".into(), rules(limits))].into_iter().collect()));
    let own = own.map(|limit| ("default".into(), vec![(BucketOwner::Key, parse_key_limit(limit).unwrap())]));
    let own = LimitOverrides(own.into_iter().collect(), BTreeSet::new());
    let (_, tenant): (_, TenantRecord) = records();
    let subjects = LimitSubjects {
        subject: Some((7, Some(&own))),
        tenant: Some((&tenant, plan.as_ref())),
        address: None,
    };
    let class = classes.fallback().unwrap();
    let charges = bucket_charges(&classes, class, ChargeCondition::Allowed, &subjects);
    let options = ChargeOptions { cost: 1, dry_run: false };
    let passes = || limiter.charge_now(&charges, options, MonotonicInstant(1 << 50), &mut Levels::new());
    (0..calls).map(|_| u32::from(passes())).sum()
}

proptest! {
    #[test]
    fn no_window_admits_more_than_the_largest_limit_that_held_in_it(steps in steps()) {
        run(&steps)?;
    }

    #[test]
    fn a_limit_that_stays_is_not_refilled_when_another_rule_has_it(
        steps in prop::collection::vec((0..TWENTY_A_DAY.len(), 0..25u32), 1..12),
    ) {
        let limiter = LocalLimiter::new();
        let sum: u32 = steps.iter().map(|(place, calls)| admitted(&limiter, &TWENTY_A_DAY[*place], *calls)).sum();
        prop_assert!(sum <= 20, "{} of 20 a day", sum);
    }
}
