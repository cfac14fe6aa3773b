//! `latchkey doctor`: looks at settings, database, Redis and Envoy as they are, changes nothing, and says what is
//! wrong and what to do about it. Each finding has an area and a weight; the exit code tells the worst.

mod envoy;
mod report;

use std::path::Path;

use latchkey_server::doctor::{self, Area, Finding, Weight};

use self::report::Report;
use crate::args::{DoctorArgs, Globals};
use crate::call::read_text;
use crate::exit::Failure;
use latchkey_server::authoring::{Needs, Profile};

pub(super) async fn run(globals: &Globals, args: DoctorArgs) -> Result<(), Failure> {
    let mut findings = Vec::new();
    if !args.envoy_only {
        findings.extend(doctor::examine(&args.settings.sources()).await);
    }
    let needs = args.profile.iter().map(|file| needs(file)).collect::<Result<Vec<_>, _>>()?;
    for place in &args.envoy {
        match envoy::read(place).await {
            Ok(configuration) => findings.extend(envoy::examine(&configuration, &needs)),
            Err(unread) => findings.push(unread),
        }
    }
    if findings.is_empty() {
        let what = "nothing was looked at: give --envoy FILE or URL";
        findings.push(Finding::new(Area::Settings, Weight::Wrong, what, ""));
    }
    Report(findings).show(globals.output)
}

fn needs(file: &Path) -> Result<Needs, Failure> {
    let compiled = Profile::compile(&read_text(file)?, 1);
    let profile = compiled.map_err(|errors| Failure::Usage(format!("{}:\n{errors}", file.display())))?;
    Ok(profile.needs())
}
