//! Conversion of requests and responses about tenants. Limits are written in the form of a request, so
//! that a response can be sent back.

use latchkey_core::limit::{BucketOwner, Limit};
use latchkey_core::record::TenantRecord;
use latchkey_management::{CreateTenant, UpdateTenant};
use latchkey_proto::v1;

use super::key::limit;
use super::time::timestamp_to_proto;
use super::{Violations, to_btree_map};

/// Converts the request to create a tenant.
pub(crate) fn create(request: v1::CreateTenantRequest) -> CreateTenant {
    CreateTenant {
        slug: request.slug,
        display_name: request.display_name,
        profile: request.profile,
        plan: request.plan,
        rate_limits: to_btree_map(request.rate_limits),
    }
}

/// Converts the request to update a tenant, which is identified by its id, its slug, or both, as in a response.
pub(crate) fn update(request: v1::UpdateTenantRequest, violations: &mut Violations) -> UpdateTenant {
    let tenant = request.tenant.unwrap_or_default();
    if tenant.id.is_empty() && tenant.slug.is_empty() {
        violations.add("tenant", "needs an id or a slug");
    }
    UpdateTenant {
        tenant: if tenant.id.is_empty() { tenant.slug.clone() } else { tenant.id },
        slug: tenant.slug,
        fields: request.update_mask.unwrap_or_default().paths,
        display_name: tenant.display_name,
        plan: tenant.plan,
        rate_limits: to_btree_map(tenant.rate_limits),
    }
}

/// Converts a tenant to its message.
pub(crate) fn to_proto(tenant: &TenantRecord) -> v1::Tenant {
    let write = |(per, l): &(BucketOwner, Limit)| format!("{} {}", per.name(), limit(*l));
    let join = |all: &[(BucketOwner, Limit)]| all.iter().map(write).collect::<Vec<_>>().join("; ");
    v1::Tenant {
        id: tenant.id.to_string(),
        slug: tenant.slug.to_string(),
        display_name: tenant.display_name.clone(),
        profile: tenant.profile.to_string(),
        plan: tenant.plan.as_deref().unwrap_or_default().to_owned(),
        suspended: tenant.suspended,
        create_time: Some(timestamp_to_proto(tenant.created)),
        rate_limits: tenant.limits.0.iter().map(|(class, all)| (class.to_string(), join(all))).collect(),
    }
}
