//! Scenarios with larger bounds, which take minutes and not seconds.

use crate::scenario::Scenario;
use crate::scenarios::{DUPLICATES, FAILOVER, FORK, LOOKUPS, PERSON, PROXY, THREE};

/// Scenarios in which the protocol must hold.
pub const LARGE: [Scenario; 7] = [
    Scenario { name: "person, large", deadlines: true, interventions: 3, ..PERSON },
    Scenario { name: "look-ups, large", leases: [1, 3, 2], slow: 0b011, ..LOOKUPS },
    Scenario { name: "proxy, large", leases: [1, 3, 2], slow: 0b1011, drained: 0b010, ..PROXY },
    Scenario { name: "three, large", slow: 0b111, ..THREE },
    Scenario { name: "fork, large", leases: [1, 2, 2], ..FORK },
    Scenario { name: "failover, large", running: 0b011, deadlines: false, ..FAILOVER },
    Scenario { name: "duplicates, large", leases: [2, 3, 2], deadlines: true, ..DUPLICATES },
];
