//! For whoever writes a profile: likely mistakes, and the document's own examples, without a server. What an
//! endpoint promises is played by the very parts that serve, on a database that is thrown away; no port is opened.

mod theatre;

use std::path::Path;

use latchkey_profile::Played;
pub use latchkey_profile::{DocumentError, Errors, Needs, Outcome, Profile, contested, lint, lint_together};

use self::theatre::Theatre;

/// Runs every example of a sound document. Databases for those of endpoints are made in `folder`.
pub async fn rehearse(profile: &Profile, document: &str, folder: &Path) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for (number, played) in profile.rehearse().into_iter().enumerate() {
        outcomes.push(match played {
            Played::Done(outcome) => outcome,
            Played::Endpoint(scene) => {
                let answer = match Theatre::open(document, &folder.join(number.to_string())).await {
                    Ok(theatre) => theatre.play(&scene).await,
                    Err(wrong) => Err(wrong),
                };
                scene.judged(answer)
            }
        });
    }
    outcomes
}
