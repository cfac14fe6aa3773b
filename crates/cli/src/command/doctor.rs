//! `latchkey doctor`: looks at settings, database, Redis and Envoy as they are, changes nothing, and says what is
//! wrong and what to do about it. Each finding has an area and a weight; the exit code tells the worst.

mod envoy;
mod report;

use std::path::Path;

use latchkey_server::doctor::{self, Area, Finding, Severity};

use self::report::Report;
use crate::args::{DoctorArgs, Globals};
use crate::call::read_text;
use crate::exit::CliError;
use latchkey_server::profile_test::{EnvoyRequirements, Profile};

pub(super) async fn run(globals: &Globals, args: DoctorArgs) -> Result<(), CliError> {
    let mut findings = Vec::new();
    let sources = args.settings.sources();
    if !args.envoy_only {
        findings.extend(doctor::examine(&sources).await);
    }
    let requirements = args.profile.iter().map(|file| requirements(file)).collect::<Result<Vec<_>, _>>()?;
    let deadline = doctor::check_deadline(&sources);
    for place in &args.envoy {
        match envoy::read(place).await {
            Ok(configuration) => findings.extend(envoy::examine(&configuration, &requirements, deadline)),
            Err(unread) => findings.push(unread),
        }
    }
    if findings.is_empty() {
        let what = "nothing was looked at: give --envoy FILE or URL";
        findings.push(Finding::new(Area::Settings, Severity::Error, what, ""));
    }
    Report(findings).show(globals.output)
}

fn requirements(file: &Path) -> Result<EnvoyRequirements, CliError> {
    let compiled = Profile::compile(&read_text(file)?, 1);
    let profile = compiled.map_err(|errors| CliError::Usage(format!("{}:\n{errors}", file.display())))?;
    Ok(profile.envoy_requirements())
}
