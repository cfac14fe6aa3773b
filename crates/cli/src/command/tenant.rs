//! `latchkey tenant`.

use latchkey_proto::v1;
use prost_types::FieldMask;

use super::confirm::confirm;
use super::list;
use crate::args::{CreateTenantArgs, Globals, TenantCommand, UpdateTenantArgs};
use crate::call::Server;
use crate::exit::CliError;
use crate::output::show;

pub(super) async fn run(globals: &Globals, command: TenantCommand) -> Result<(), CliError> {
    let mut tenants = Server::of(globals).await?.tenants();
    let answer = match command {
        TenantCommand::Create(args) => tenants.create_tenant(creation(args)).await?,
        TenantCommand::Get { tenant } => tenants.get_tenant(v1::GetTenantRequest { tenant }).await?,
        TenantCommand::Update(args) => tenants.update_tenant(update(args)).await?,
        TenantCommand::Suspend { tenant, reason } => {
            tenants.suspend_tenant(v1::SuspendTenantRequest { tenant, reason }).await?
        }
        TenantCommand::Resume { tenant } => tenants.resume_tenant(v1::ResumeTenantRequest { tenant }).await?,
        TenantCommand::Delete { tenant, yes } => {
            let found = tenants.get_tenant(v1::GetTenantRequest { tenant: tenant.clone() }).await;
            // A repeated call names a tenant that is gone. Otherwise, the id makes sure that it is the same tenant.
            let (tenant, named) = match found.map(tonic::Response::into_inner) {
                Ok(found) => (found.id.clone(), format!("{} ({})", found.slug, found.id)),
                Err(status) if status.code() == tonic::Code::NotFound => (tenant.clone(), tenant),
                Err(status) => return Err(status.into()),
            };
            confirm(yes, &format!("The deletion of the tenant {named} with all of its keys and users"))?;
            let deleted = tenants.delete_tenant(v1::DeleteTenantRequest { tenant }).await?;
            return show(globals.output, deleted.get_ref());
        }
        TenantCommand::List(args) => return list::tenants(globals, *args).await,
    };
    show(globals.output, answer.get_ref())
}

fn creation(args: CreateTenantArgs) -> v1::CreateTenantRequest {
    v1::CreateTenantRequest {
        slug: args.slug,
        display_name: args.display_name,
        profile: args.profile,
        plan: args.plan,
        rate_limits: args.rate_limits.into_iter().collect(),
    }
}

fn update(args: UpdateTenantArgs) -> v1::UpdateTenantRequest {
    let change = args.change;
    let limits = change.no_rate_limits || !change.rate_limits.is_empty();
    let paths = [
        ("display_name", change.display_name.is_some()),
        ("plan", change.plan.is_some()),
        ("rate_limits", limits),
    ];
    let mut tenant = v1::Tenant {
        display_name: change.display_name.unwrap_or_default(),
        plan: change.plan.unwrap_or_default(),
        rate_limits: change.rate_limits.into_iter().collect(),
        ..v1::Tenant::default()
    };
    // An id is a UUID, and a slug may look like one: both name the tenant.
    if is_id(&args.tenant) {
        tenant.id = args.tenant;
    } else {
        tenant.slug = args.tenant;
    }
    v1::UpdateTenantRequest { tenant: Some(tenant), update_mask: Some(mask(&paths)) }
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// Returns the mask of the fields that were given.
pub(super) fn mask(paths: &[(&str, bool)]) -> FieldMask {
    FieldMask {
        paths: paths.iter().filter(|(_, named)| *named).map(|(path, _)| (*path).to_owned()).collect(),
    }
}
