//! Scenarios with larger bounds, which take minutes and not seconds.

use crate::scenario::Scenario;
use crate::scenarios::{DUPLICATES, FAILOVER, FORK, LOOKUPS, PERSON, PROXY, THREE};

/// Scenarios in which the protocol must hold.
pub const LARGE: [Scenario; 7] = [
    Scenario { name: "duplicates, large", leases: [2, 3, 2], deadlines: true, ..DUPLICATES },
    Scenario { name: "three, large", writers: 0b011, slow: 0b111, ..THREE },
    Scenario { name: "person, large", deadlines: true, interventions: 3, ..PERSON },
    Scenario { name: "failover, large", running: 0b011, deadlines: false, ..FAILOVER },
    Scenario { name: "look-ups, large", leases: [1, 3, 2], leasing: 0b011, slow: 0b011, ..LOOKUPS },
    Scenario { name: "fork, large", leases: [1, 2, 2], leasing: 0b011, ..FORK },
    Scenario { name: "proxy, large", leases: [1, 3, 2], slow: 0b1011, drained: 0b010, ..PROXY },
];
