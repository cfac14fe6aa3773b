//! Checks of the keys that the database holds: whether the master key decrypts them, and whether profiles have one to sign by.

use latchkey_config::{Settings, sealer};
use latchkey_core::error::SystemError;
use latchkey_core::record::ProfileRecord;
use latchkey_core::seal::Sealer;
use latchkey_core::time::Clock as _;
use latchkey_core::token::KeyRing;
use latchkey_management::ports::ManagementStore as _;
use latchkey_management::ports::tokens::TokenStore as _;
use latchkey_management::rewrap::MasterKeyRotation;
use latchkey_profile::Profile;
use latchkey_store::Store;

use super::{finding, unchecked};
use crate::clock::SystemClock;
use crate::doctor::{Finding, Severity};
use crate::host_checks;

/// Returns whether there is a master key that can be compared with the values. The check of the settings reports another one.
pub(super) fn is_loadable(settings: &Settings) -> bool {
    // A file that does not exist would be created by loading it.
    settings.master_key.exists() && sealer(&settings.master_key, &settings.previous_master_keys).is_ok()
}

/// Reports a master key that is missing, or that does not decrypt the values.
pub(super) async fn check_master_key(settings: &Settings, store: &Store) -> Option<Finding> {
    // A file that does not exist would be created by loading it.
    let checked = if settings.master_key.exists() {
        match sealer(&settings.master_key, &settings.previous_master_keys) {
            Ok(sealer) => check_sealer(&sealer, store).await,
            // The check of the settings has reported it.
            Err(_) => return None,
        }
    } else {
        check_missing_key(store).await
    };
    checked.unwrap_or_else(|error| Some(unchecked(store, "the master key", &error)))
}

async fn check_missing_key(store: &Store) -> Result<Option<Finding>, SystemError> {
    let unused = Sealer::new(&[0; 32]);
    let holds = MasterKeyRotation { store, sealer: &unused }.has_sealed_values().await?;
    let what = "it has encrypted values, and the file of the master key is missing";
    Ok(holds.then(|| finding(Severity::Error, what, "restore the file from its backup")))
}

async fn check_sealer(sealer: &Sealer, store: &Store) -> Result<Option<Finding>, SystemError> {
    let keys = store.signing_keys().await?;
    let all = keys.keys.len();
    let (_, undecryptable) = KeyRing::open(keys, sealer, SystemClock.now().wall);
    let opens = MasterKeyRotation { store, sealer }.keys_match().await?;
    let what = match undecryptable.len() {
        0 if opens => return Ok(None),
        0 => "the master key is not the one that its values are encrypted with".to_owned(),
        count => format!("the master key does not decrypt {count} of {all} signing keys"),
    };
    Ok(Some(finding(
        Severity::Error,
        what,
        "set the master key that this database was last used with, as master_key or in previous_master_keys",
    )))
}

/// Reports profiles whose schedule of signing keys has stopped.
pub(super) async fn check_signing_keys(store: &Store) -> Vec<Finding> {
    let (profiles, keys) = match (store.profiles().await, store.signing_keys().await) {
        (Ok(profiles), Ok(keys)) => (profiles, keys),
        (Err(error), _) | (_, Err(error)) => {
            return vec![unchecked(store, "the schedule of signing keys", &error)];
        }
    };
    let issues = |profile: &&ProfileRecord| {
        Profile::compile(&profile.document, profile.version).is_ok_and(|found| found.policy.tokens.is_some())
    };
    let now = SystemClock.now().wall;
    let examine = |profile: &ProfileRecord| host_checks::examine_signing_keys(&profile.name, &keys.keys, now);
    profiles.iter().filter(issues).filter_map(examine).collect()
}
