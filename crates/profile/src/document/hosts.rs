//! `[[hosts]]`: which hosts are the product's, and which environment each serves.

use crate::hosts::{HostMap, HostPattern};
use crate::profile::Host;
use crate::reader::{Section, Text};

use super::names;

/// Environments by name, and where a host named them first.
pub(super) type Environments<'d> = Vec<(Box<str>, Option<Text<'d>>)>;

/// The hosts, and the environments that they name.
pub(super) fn read<'d>(root: &mut Section<'d>) -> (HostMap<Host>, Environments<'d>) {
    let mut hosts = HostMap::default();
    let mut environments: Environments<'d> = Vec::new();
    for (index, mut section) in root.sections("hosts").into_iter().enumerate() {
        let host = section.required_text("host");
        let environment = section.text("environment");
        section.close();
        if let Some(environment) = &environment {
            names::check(environment);
            if !environments.iter().any(|(name, _)| **name == *environment.value) {
                environments.push((environment.value.into(), Some(environment.clone())));
            }
        }
        let Some(host) = host else { continue };
        match HostPattern::parse(&host) {
            Err(message) => host.report(message),
            Ok(pattern) => {
                let environment = environment.map(|e| e.value.into());
                if !hosts.add(pattern, Host { environment, index }) {
                    host.report(format!("the host \"{}\" is there twice", host.value));
                }
            }
        }
    }
    (hosts, environments)
}
