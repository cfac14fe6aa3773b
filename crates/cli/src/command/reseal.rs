//! `latchkey reseal`.

use latchkey_config::Settings;
use latchkey_server::reseal::{Count, ResealError, names, reseal};
use latchkey_server::start_log;

use crate::args::ResealArgs;
use crate::exit::Failure;
use crate::output::{amount, print, rows};

pub(super) async fn run(args: ResealArgs) -> Result<(), Failure> {
    let loaded = Settings::load_sealed(&args.settings.sources());
    let (database, keys, log) = loaded.map_err(|error| Failure::Usage(error.to_string()))?;
    let _flush = start_log(&log);
    let done = reseal(&database, &keys, args.forget).await.map_err(|error| failed(&error))?;
    let row = |(name, count): (&str, &Count)| {
        let numbers = [count.resealed, count.cleared, count.current, count.again, count.shut];
        let [resealed, cleared, current, again, shut] = numbers.map(|number| number.to_string());
        [name.to_owned(), resealed, cleared, current, again, shut]
    };
    let header =
        ["VALUES OF", "SEALED ANEW", "CLEARED", "UNDER THE MASTER KEY", "UNDER ANOTHER", "NOT OPENED"];
    print(&rows(header, names().into_iter().zip(&done.0).map(row)))?;
    let count =
        |of: fn(&Count) -> u64| usize::try_from(done.0.iter().map(of).sum::<u64>()).unwrap_or(usize::MAX);
    let (again, shut) = (count(|count| count.again), count(|count| count.shut));
    if again > 0 {
        return Err(Failure::Local(format!(
            "{} came to lie under a previous master key meanwhile: a server still has it as master_key. Start it with \
             the new one, and run this again",
            amount(again, "value")
        )));
    }
    if shut > 0 {
        return Err(Failure::Local(format!(
            "no key that was given opens {}: give the one that is missing in previous_master_keys, or, where it is \
             lost or rows are spoiled, stop the servers and take such values away with --forget",
            amount(shut, "value")
        )));
    }
    print("everything lies under the master key: previous_master_keys can be taken out of the settings")
}

fn failed(error: &ResealError) -> Failure {
    let text = error.to_string();
    match error {
        ResealError::Trouble(_) => Failure::Unreachable(text),
        ResealError::MasterKey(_) | ResealError::NoFile(_) | ResealError::Database(_) => Failure::Usage(text),
        ResealError::OtherKey | ResealError::Fault(_) | ResealError::Randomness(_) => Failure::Local(text),
    }
}
