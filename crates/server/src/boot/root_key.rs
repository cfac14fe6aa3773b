//! The operator's first key. One that was given is made sure of, whatever other keys there are; without one,
//! a key is made on an empty database and printed once, alone on its line, on standard error. Racing starts
//! make one: the database decides who was first, and only that one prints.

use std::io::Write as _;

use latchkey_management::operators;
use latchkey_management::ports::Ledger as _;

use super::{Boot, Stop};

impl Boot {
    pub(super) async fn first_key(&self) -> Result<(), Stop> {
        let mut random = self.random.generator();
        let now = self.clock.now().wall;
        let tenant = operators::tenant(now, &mut random);
        let (value, insist) = match &self.root_key {
            Some(given) => (given.clone(), true),
            None => (operators::new_root_value(&mut random), false),
        };
        let key = operators::root_key(&value, tenant.id, now, &mut random);
        let entry = self.entry("key.found", &key.id.to_string());
        let made = self.store.found(tenant, key, insist, entry).await;
        let made = made.map_err(|failure| Stop::from("the root key", failure))?.value;
        if made && !insist {
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
