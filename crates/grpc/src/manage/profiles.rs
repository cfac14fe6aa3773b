//! `latchkey.v1.ProfileService`. A document is compiled here, before anything is kept of it: the registrar
//! knows that it is sound, and its sender every line that isn't.

use latchkey_core::ports::Limiter;
use latchkey_core::trouble::{Refusal, Violation};
use latchkey_management::ApplyProfile;
use latchkey_profile::{DocumentError, Errors, Profile, contested_among};
use latchkey_proto::v1;
use latchkey_proto::v1::profile_service_server::ProfileService;
use tonic::{Request, Response, Status};

use super::Desk;
use crate::convert::tenant;
use crate::fate::{failed, invalid, refused};

type Answer<T> = Result<Response<T>, Status>;

/// A document is text that someone wrote; the largest that ships has a few kilobytes.
const LONGEST_DOCUMENT: usize = 512 * 1024;

/// How often a document is held against the others anew because another was applied meanwhile.
const TURNS: usize = 20;

#[tonic::async_trait]
impl<L: Limiter + 'static> ProfileService for Desk<L> {
    async fn apply_profile(&self, call: Request<v1::ApplyProfileRequest>) -> Answer<v1::Profile> {
        let (by, ask, context) = self.receive(call).await?;
        let profile = compiled(&ask.document).map_err(|wrong| invalid(&wrong))?;
        let name = profile.name().to_owned();
        let v1::ApplyProfileRequest { document, validate_only } = ask;
        let mut ask = ApplyProfile { name, document, among: 0, validate_only };
        for _ in 0..TURNS {
            let stored = self.registrar.list_profiles(&by, &context).await.map_err(failed)?;
            let among = contested_among(&ask.document, &stored);
            ask.among = among.map_err(|Errors(errors)| invalid(&violations(&errors)))?;
            if let Some(rules) = profile.tokens() {
                self.tokens.can_sign(&ask.name, rules).await.map_err(failed)?;
            }
            let applied = self.registrar.apply_profile(&by, ask.clone(), &context).await.map_err(failed)?;
            if let Some(applied) = applied {
                return Ok(Response::new(tenant::profile(applied)));
            }
        }
        Err(refused(&Refusal::Busy("others apply profiles all the time")))
    }

    async fn get_profile(&self, call: Request<v1::GetProfileRequest>) -> Answer<v1::Profile> {
        let (by, ask, context) = self.receive(call).await?;
        let found =
            self.registrar.get_profile(&by, (&ask.name, ask.version), &context).await.map_err(failed)?;
        Ok(Response::new(tenant::profile(found)))
    }

    async fn list_profiles(
        &self,
        call: Request<v1::ListProfilesRequest>,
    ) -> Answer<v1::ListProfilesResponse> {
        let (by, _, context) = self.receive(call).await?;
        let found = self.registrar.list_profiles(&by, &context).await.map_err(failed)?;
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
