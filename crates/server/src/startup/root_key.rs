//! First key of the operators. A configured key is ensured, whatever other keys exist. Without one, a key is
//! generated for an empty database and printed once, alone on its line, to standard error. Concurrent starts create
//! one key: the database decides which process was first, and only that one prints.

use std::io::Write as _;

use latchkey_management::operators;
use latchkey_management::ports::ManagementStore as _;

use super::{Startup, StartupError};

impl Startup {
    pub(super) async fn ensure_root_key(&self) -> Result<(), StartupError> {
        let mut random = self.random.generator();
        let now = self.clock.now().wall;
        let tenant = operators::tenant(now, &mut random);
        let (value, required) = match &self.root_key {
            Some(given) => (given.clone(), true),
            None => (operators::new_root_key_value(&mut random), false),
        };
        let key = operators::root_key(&value, tenant.id, now, &mut random);
        let entry = self.audit_entry("key.found", &key.id.to_string());
        let created = self.store.bootstrap_operator(tenant, key, required, entry).await;
        let created = created.map_err(|failure| StartupError::new("the root key", failure))?.value;
        if created && !required {
            tracing::info!("created the operators' first key; it is printed only once, on the next line");
            // One write, so that no other output gets into the line. If standard error is not read, the key is lost;
            // another one can be set by LATCHKEY_ROOT_KEY.
            let line = format!("{}\n", value.reveal());
            drop(std::io::stderr().lock().write_all(line.as_bytes()));
        }
        Ok(())
    }
}
