//! The operator's first key. One that was given is made sure of, whatever other keys there are; without one,
//! a key is made on an empty database and printed once, alone on its line, on standard error. Racing starts
//! make one: the database decides who was first, and only that one prints.

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
            tracing::info!(
                "the operators' first key was made; it is printed this once, on a line of its own"
            );
            // One write, so that no other line gets into this one. If nobody reads standard error, the key
            // is lost, and one can be given by LATCHKEY_ROOT_KEY.
            let line = format!("{}\n", value.reveal());
            drop(std::io::stderr().lock().write_all(line.as_bytes()));
        }
        Ok(())
    }
}
