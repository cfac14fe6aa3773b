//! Profiles: operators apply and read them. Whether a document is in order is told by the profile crate,
//! before it comes here.

use latchkey_core::record::ProfileRecord;
use latchkey_core::time::Timestamp;
use latchkey_core::trouble::{Failure, Refusal};

use super::{CallContext, Caller, Registrar};
use crate::ports::Applied;

/// A document that is in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplyProfile {
    /// The name that it gives itself.
    pub name: String,
    /// Its text.
    pub document: String,
    /// The newest revision of the profiles that it was held against.
    pub among: u64,
    /// Whether that it is in order is all that was asked.
    pub validate_only: bool,
}

impl Registrar {
    /// Stores a document as the next version. Every replica judges by it when this returns. None: another was applied
    /// since it was held against the others.
    pub async fn apply_profile(
        &self,
        by: &Caller,
        ask: ApplyProfile,
        call: &CallContext,
    ) -> Result<Option<ProfileRecord>, Failure> {
        by.operator()?;
        if ask.validate_only {
            let (name, document) = (ask.name.into(), ask.document);
            let applied = Timestamp(0);
            return Ok(Some(ProfileRecord { name, version: 0, document, applied, revision: 0 }));
        }
        let entry = self.entry(by, "profile.apply", call).to(&ask.name);
        let document = (&*ask.name, &*ask.document);
        match self.parts.ledger.apply_profile(document, ask.among, entry).await? {
            Applied::Written(written) => Ok(Some(self.spread(written, call).await?.value)),
            Applied::Overtaken => Ok(None),
        }
    }

    /// Reads a version; 0: the newest.
    pub async fn get_profile(
        &self,
        by: &Caller,
        (name, version): (&str, u64),
        _call: &CallContext,
    ) -> Result<ProfileRecord, Failure> {
        by.operator()?;
        if name.chars().any(char::is_control) {
            return Err(Refusal::NotFound("profile").into());
        }
        let version = (version > 0).then_some(version);
        let found = self.parts.ledger.profile(name, version).await?;
        Ok(found.ok_or(Refusal::NotFound("profile"))?)
    }

    /// The newest version of each.
    pub async fn list_profiles(
        &self,
        by: &Caller,
        _call: &CallContext,
    ) -> Result<Vec<ProfileRecord>, Failure> {
        by.operator()?;
        Ok(self.parts.ledger.profiles().await?)
    }
}
