//! Composition root: connects the parts by the settings, starts them and ends them. No rule, no query and no
//! conversion of messages is here.

pub mod doctor;
pub mod reseal;
pub mod schema;
pub mod signals;
mod signing;

pub mod authoring;

mod anchor;
mod boot;
mod clock;
mod documents;
mod error;
mod flights;
mod follower;
mod front;
mod gauges;
mod limits;
mod offers;
mod pruning;
mod random;
mod readiness;
mod rpc;
mod serve;
mod settings;
mod side;
mod usage;
mod wiring;
mod workers;

pub use boot::StartRefused;
pub use clock::seconds_now;
pub use documents::BadDocuments;
pub use error::ServeError;
pub use latchkey_telemetry::Flush;
pub use random::first_key;
pub use readiness::Stage;
pub use serve::{Server, serve};
pub use settings::{load as load_settings, start_log};
