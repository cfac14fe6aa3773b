//! `latchkey doctor`: checks settings, database, Redis and Envoy, changes nothing, and reports problems with their
//! remedies. Each finding has an area and a severity; the exit code is that of the most severe one.

mod envoy;
mod report;

use std::path::Path;

use latchkey_server::doctor::{self, Area, CheckPort, Finding, Severity};

use self::report::Report;
use crate::args::{DoctorArgs, Globals};
use crate::call::read_text;
use crate::exit::CliError;
use latchkey_server::profile_test::{EnvoyRequirements, Profile};

pub(super) async fn run(globals: &Globals, args: DoctorArgs) -> Result<(), CliError> {
    if args.envoy.is_empty() && !args.profile.is_empty() {
        let what = "--profile is compared with Envoy's configuration only, and --envoy is missing: give --envoy \
                    FILE or URL";
        return Err(CliError::Usage(what.to_owned()));
    }
    let mut findings = Vec::new();
    let sources = args.settings.sources();
    let mut port = None;
    if !args.envoy_only {
        findings.extend(doctor::examine(&sources).await);
        port = CheckPort::of(&sources);
    }
    let requirements = args.profile.iter().map(|file| requirements(file)).collect::<Result<Vec<_>, _>>()?;
    let deadline = doctor::check_deadline(&sources);
    let mut is_read = false;
    for place in &args.envoy {
        match envoy::read(place).await {
            Ok(configuration) => {
                is_read = true;
                findings.extend(envoy::examine(&configuration, &requirements, deadline, port));
            }
            Err(unread) => findings.push(unread),
        }
    }
    if is_read && requirements.is_empty() {
        let what = "no profile was given: headers, bodies, hosts and endpoints were not compared";
        findings.push(Finding::new(Area::Envoy, Severity::Warning, what, "give --profile FILE"));
    }
    if findings.is_empty() {
        let what = "nothing was checked: give --envoy FILE or URL";
        findings.push(Finding::new(Area::Settings, Severity::Error, what, ""));
    }
    Report(findings).show(globals.output)
}

fn requirements(file: &Path) -> Result<EnvoyRequirements, CliError> {
    let compiled = Profile::compile(&read_text(file)?, 1);
    let profile = compiled.map_err(|errors| CliError::Usage(format!("{}:\n{errors}", file.display())))?;
    Ok(profile.envoy_requirements())
}
