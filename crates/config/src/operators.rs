//! Table `[operators]` in the settings file: names of client certificates with their scopes and tenant. It has neither a
//! flag nor a variable, since only a table can express it.

use std::collections::BTreeSet;

use latchkey_core::operator::{self, OperatorRole};
use latchkey_core::principal::{CertificateName, CertificateOperator};
use latchkey_core::record::TenantRef;

use super::error::ConfigError;

/// Name of the table.
pub(super) const KEY: &str = "operators";

/// Reads the table. Returns the operators and all errors.
pub(super) fn read(table: &toml::Table, place: &str) -> (Vec<CertificateOperator>, Vec<ConfigError>) {
    let (mut operators, mut errors, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (name, value) in table {
        let error = |remedy: String| ConfigError::new(&format!("{KEY}.{name:?}"), place, remedy);
        match operator(name, value) {
            Ok(operator) if !names.insert(operator.name.clone()) => {
                errors.push(error(
                    "this name is there twice (case does not matter in host names): remove one".to_owned(),
                ));
            }
            Ok(operator) => operators.push(operator),
            Err(remedy) => errors.push(error(remedy)),
        }
    }
    (operators, errors)
}

fn operator(name: &str, value: &toml::Value) -> Result<CertificateOperator, String> {
    let form = || {
        format!(
            "write \"NAME\" = {{ tenant = \"SLUG\", scopes = [\"api_keys.manage\"] }}, or one of the scopes {} without \
             a tenant for an operator of every tenant",
            roles()
        )
    };
    let name = CertificateName::parse(name).ok_or(
        "this is not a name of a client certificate: write a host name (ops.example.com) or a URI (spiffe://example.com/ops)",
    )?;
    let table = value.as_table().ok_or_else(form)?;
    if let Some(other) = table.keys().find(|key| !["tenant", "scopes"].contains(&key.as_str())) {
        return Err(format!("{other:?} is neither \"tenant\" nor \"scopes\": {}", form()));
    }
    let tenant = match table.get("tenant") {
        None => None,
        Some(tenant) => {
            let named = tenant.as_str().and_then(TenantRef::parse);
            Some(named.ok_or_else(|| format!("{tenant:?} is neither a tenant's slug nor its id"))?)
        }
    };
    let scopes = table.get("scopes").and_then(toml::Value::as_array).ok_or_else(form)?;
    let scopes: Option<Vec<String>> =
        scopes.iter().map(|scope| scope.as_str().filter(|s| !s.is_empty()).map(str::to_owned)).collect();
    let scopes = scopes.filter(|scopes| !scopes.is_empty()).ok_or_else(form)?;
    let role = OperatorRole::of_scopes(scopes.iter().map(String::as_str));
    match (&tenant, role) {
        (None, None) => {
            Err(format!("without a tenant, only the scopes {} are possible: name the tenant", roles()))
        }
        (None, Some(_)) if scopes.len() > 1 => Err(format!(
            "without a tenant, one of the scopes {} is enough: each includes the ones before it",
            roles()
        )),
        (Some(TenantRef::Slug(slug)), Some(role)) if slug != operator::SLUG => {
            Err(format!("the scope {:?} holds in every tenant: leave the tenant out", role.scope()))
        }
        _ => Ok(CertificateOperator { name, tenant, scopes }),
    }
}

/// Returns the scopes of operators, the one with the fewest rights first.
fn roles() -> String {
    OperatorRole::ALL.map(|role| format!("{:?}", role.scope())).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> (Vec<CertificateOperator>, String) {
        let (operators, errors) = read(&text.parse().unwrap(), "latchkey.toml");
        (operators, errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_name_has_scopes_in_a_tenant_or_everything() {
        let (operators, errors) = load(
            "\"spiffe://corp/ops\" = { scopes = [\"latchkey.admin\"] }\n\
             \"Deploy.acme.example\" = { tenant = \"acme\", scopes = [\"api_keys.manage\"] }\n",
        );
        assert_eq!(errors, "");
        let tenants: Vec<_> = operators.iter().map(|o| (o.name.to_string(), o.tenant.is_some())).collect();
        assert!(tenants.contains(&("spiffe://corp/ops".to_owned(), false)), "{tenants:?}");
        assert!(tenants.contains(&("deploy.acme.example".to_owned(), true)), "{tenants:?}");
    }

    #[test]
    fn every_mistake_is_reported_with_its_name() {
        let (operators, errors) = load(
            "\"a b\" = { scopes = [\"latchkey.admin\"] }\n\
             one = \"latchkey.admin\"\n\
             two = { scopes = [\"api_keys.manage\"] }\n\
             three = { tenant = \"acme\", scopes = [\"latchkey.admin\"] }\n\
             four = { tenant = \"No Slug\", scopes = [\"x\"] }\n\
             five = { tenant = \"acme\", scopes = [] }\n\
             six = { tenant = \"acme\", scope = [\"x\"] }\n\
             SEVEN = { scopes = [\"latchkey.admin\"] }\nseven = { scopes = [\"latchkey.admin\"] }\n",
        );
        assert_eq!(operators.len(), 1, "{operators:?}");
        for expected in ["a b", "one", "two", "three", "four", "five", "six", "seven"] {
            assert!(
                errors.to_lowercase().contains(&format!("operators.{expected:?}")),
                "{expected}: {errors}"
            );
        }
    }
}
