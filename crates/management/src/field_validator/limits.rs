//! Checks of the limits of keys and tenants.

use std::collections::BTreeMap;

use latchkey_core::excerpt::Quoted;
use latchkey_core::limit::{
    BucketOwner, Limit, LimitOverrides, LimitParseError, parse_key_limit, parse_tenant_limits,
};
use latchkey_core::policy::Policy;

use super::FieldValidator;
use crate::counts::{most_limits, too_many};

impl FieldValidator<'_> {
    /// Parses the limits of a key, by rate class.
    pub(crate) fn key_limits(
        &mut self,
        field: &str,
        limits: &BTreeMap<String, String>,
        policy: &Policy,
    ) -> LimitOverrides {
        self.limits(field, limits, policy, |text| {
            parse_key_limit(text).map(|limit| vec![(BucketOwner::Key, limit)])
        })
    }

    /// Parses the limits of a tenant, by rate class.
    pub(crate) fn tenant_limits(
        &mut self,
        field: &str,
        limits: &BTreeMap<String, String>,
        policy: &Policy,
    ) -> LimitOverrides {
        self.limits(field, limits, policy, parse_tenant_limits)
    }

    fn limits(
        &mut self,
        field: &str,
        limits: &BTreeMap<String, String>,
        policy: &Policy,
        parse: impl Fn(&str) -> Result<Vec<(BucketOwner, Limit)>, LimitParseError>,
    ) -> LimitOverrides {
        let mut overrides = LimitOverrides::default();
        let most = most_limits(policy);
        if limits.len() > most {
            self.reject(field, too_many(most, limits.len()));
            return overrides;
        }
        for (class, text) in limits {
            let field = format!("{field}[{}]", Quoted(class));
            if policy.classes.find(class).is_none() {
                self.reject(&field, self.unknown(class, policy.classes.names()));
            }
            match parse(text) {
                Ok(limits) => drop(overrides.0.insert(class.as_str().into(), limits)),
                Err(error) => self.reject(&field, error.to_string()),
            }
        }
        overrides
    }
}
