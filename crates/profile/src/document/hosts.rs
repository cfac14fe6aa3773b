//! `[[hosts]]`: the hosts of the product, each with the environment that it serves.

use crate::hosts::{HostMap, HostPattern};
use crate::profile::Host;
use crate::reader::{Section, Text};

use super::names;

/// Names of environments, each with its first location among the hosts.
pub(super) type Environments<'d> = Vec<(Box<str>, Option<Text<'d>>)>;

/// Reads the hosts, and the environments that they serve.
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
                    host.report(format!("the host \"{}\" is listed twice", host.value));
                }
            }
        }
    }
    (hosts, environments)
}
