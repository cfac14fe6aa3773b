//! `latchkey.v1.ProfileService`. A document is compiled here, before anything is kept of it: the registrar
//! knows that it is sound, and its sender every line that isn't.

use latchkey_core::manage::ApplyProfile;
use latchkey_core::ports::Limiter;
use latchkey_core::trouble::Violation;
use latchkey_profile::{DocumentError, Errors, Profile, contested};
use latchkey_proto::v1;
use latchkey_proto::v1::profile_service_server::ProfileService;
use tonic::{Request, Response, Status};

use super::Desk;
use crate::convert::tenant;
use crate::fate::{failed, invalid};

type Answer<T> = Result<Response<T>, Status>;

/// A document is text that someone wrote; the largest that ships has a few kilobytes.
const LONGEST_DOCUMENT: usize = 512 * 1024;

#[tonic::async_trait]
impl<L: Limiter + 'static> ProfileService for Desk<L> {
    async fn apply_profile(&self, call: Request<v1::ApplyProfileRequest>) -> Answer<v1::Profile> {
        let (by, ask, id) = self.receive(call).await?;
        let profile = compiled(&ask.document).map_err(|wrong| invalid(&wrong))?;
        let name = profile.name().to_owned();
        let others = self.registrar.list_profiles(&by, &id).await.map_err(failed)?;
        // What is stored and can't be compiled any more is in force nowhere, and claims nothing.
        let others: Vec<Profile> =
            others.iter().filter_map(|o| Profile::compile(&o.document, 0).ok()).collect();
        contested(&ask.document, &others).map_err(|Errors(errors)| invalid(&violations(&errors)))?;
        if let Some(rules) = profile.tokens() {
            self.tokens.can_sign(&name, rules).await.map_err(failed)?;
        }
        let ask = ApplyProfile { name, document: ask.document, validate_only: ask.validate_only };
        let applied = self.registrar.apply_profile(&by, ask, &id).await.map_err(failed)?;
        Ok(Response::new(tenant::profile(applied)))
    }

    async fn get_profile(&self, call: Request<v1::GetProfileRequest>) -> Answer<v1::Profile> {
        let (by, ask, id) = self.receive(call).await?;
        let found = self.registrar.get_profile(&by, (&ask.name, ask.version), &id).await.map_err(failed)?;
        Ok(Response::new(tenant::profile(found)))
    }

    async fn list_profiles(
        &self,
        call: Request<v1::ListProfilesRequest>,
    ) -> Answer<v1::ListProfilesResponse> {
        let (by, _, id) = self.receive(call).await?;
        let found = self.registrar.list_profiles(&by, &id).await.map_err(failed)?;
        let profiles = found.into_iter().map(tenant::profile).collect();
        Ok(Response::new(v1::ListProfilesResponse { profiles }))
    }
}

/// A sound document.
fn compiled(document: &str) -> Result<Profile, Vec<Violation>> {
    if document.len() > LONGEST_DOCUMENT {
        let text = format!("must have at most {LONGEST_DOCUMENT} bytes, and has {}", document.len());
        return Err(vec![Violation::new("document", text)]);
    }
    Profile::compile(document, 0).map_err(|Errors(errors)| violations(&errors))
}

/// `document`, with the place that is wrong: line and column as an editor counts them, then the field.
fn violations(errors: &[DocumentError]) -> Vec<Violation> {
    let violation =
        |e: &DocumentError| Violation::new(format!("document:{}:{}", e.line, e.column), e.to_string());
    errors.iter().map(violation).collect()
}
