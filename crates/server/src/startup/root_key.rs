//! First key of the operators. A configured key is ensured, whatever other keys exist. Without one, a key is generated
//! for an empty database. It is written to a file that only its owner can read, or printed once, alone on its line, to
//! standard error. Concurrent starts create one key: the database decides which process was first.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use latchkey_config::RootKey;
use latchkey_core::operator::SLUG;
use latchkey_core::record::TenantRef;
use latchkey_core::secret::PlainKey;
use latchkey_management::operators;
use latchkey_management::ports::AuditAction;
use latchkey_management::ports::ManagementStore as _;

use super::{Startup, StartupConflict, StartupError};

impl Startup {
    pub(super) async fn ensure_root_key(&self) -> Result<(), StartupError> {
        match &self.root_key {
            RootKey::Given(value) => self.create_root_key(value, true).await.map(drop),
            // With the operators' tenant, there is a key already.
            _ if self.has_operators().await? => Ok(()),
            RootKey::WriteTo(path) => self.write_root_key(path).await,
            RootKey::Print => self.print_root_key().await,
        }
    }

    async fn has_operators(&self) -> Result<bool, StartupError> {
        let Some(tenant) = TenantRef::parse(SLUG) else { return Ok(false) };
        Ok(self.store.tenant(&tenant).await?.is_some())
    }

    /// Creates the operators' tenant and a key. Returns false if another process was first.
    async fn create_root_key(&self, value: &PlainKey, required: bool) -> Result<bool, StartupError> {
        let mut random = self.random.generator();
        let now = self.clock.now().wall;
        let tenant = operators::tenant(now, &mut random);
        let key = operators::root_key(value, tenant.id, now, &mut random);
        let entry = self.audit_entry(AuditAction::KeyFound, &key.id.to_string());
        let created = self.store.bootstrap_operator(tenant, key, required, entry).await;
        Ok(created.map_err(|failure| StartupError::new("the root key", failure))?.value)
    }

    /// Writes a generated key to a file, and then creates it, so that no key is created that is then lost.
    async fn write_root_key(&self, path: &Path) -> Result<(), StartupError> {
        let value = operators::new_root_key_value(&mut self.random.generator());
        RootKey::write(path, &value).map_err(|error| {
            StartupError::Fatal(StartupConflict::RootKeyFile { path: path.to_owned(), error })
        })?;
        let created = self.create_root_key(&value, false).await;
        if !matches!(created, Ok(true)) {
            // The key in it is of no use. If the file can't be removed, the next attempt fails with an error that
            // names it.
            drop(std::fs::remove_file(path));
        }
        if created? {
            let path = path.display();
            tracing::info!(
                "created the operators' first key; it is in {path}, which only its owner can read"
            );
        }
        Ok(())
    }

    async fn print_root_key(&self) -> Result<(), StartupError> {
        let value = operators::new_root_key_value(&mut self.random.generator());
        if self.create_root_key(&value, false).await? {
            tracing::info!(
                "created the operators' first key; it is printed only once, to standard error, in a line of its own"
            );
            if !std::io::stderr().is_terminal() {
                tracing::warn!(
                    remedy =
                        "replace the key if others can read that, and name a file in root_key_file next time",
                    "the operators' first key goes to standard error, which is not a terminal: it stays where that is \
                     written, such as in a log"
                );
            }
            // One write, so that no other output gets into the line. If standard error is not read, the key is lost;
            // another one can be set by LATCHKEY_ROOT_KEY.
            let line = format!("{}\n", value.reveal());
            drop(std::io::stderr().lock().write_all(line.as_bytes()));
        }
        Ok(())
    }
}
