//! Property: over any sequence of calls, plans, overrides and pauses, no window admits more than the largest limit that
//! held in it.

use std::collections::BTreeMap;
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
    LimitOverrides(all.into_iter().collect())
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

proptest! {
    #[test]
    fn no_window_admits_more_than_the_largest_limit_that_held_in_it(steps in steps()) {
        run(&steps)?;
    }
}
