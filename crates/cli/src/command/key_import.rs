//! `latchkey key import`: checks all keys of a file before the first is imported, so that a mistake in the last one
//! does not leave a part of the keys imported.

mod pieces;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use latchkey_proto::v1;
use latchkey_proto::v1::key_service_client::KeyServiceClient;

use self::pieces::{PIECE, Piece, existing, pieces, twice, without};
use self::values::without_values;
use crate::args::{Globals, ImportArgs};
use crate::call::{AuthenticatedChannel, Server, read_text};
use crate::exit::CliError;
use crate::import_file;
use crate::output::{Format, note, pluralize, print, show};

/// Keys that a dry run shows as examples.
const EXAMPLES: usize = 3;
/// Exit code of a file with mistakes: that of a request with wrong fields.
const MISTAKES: u8 = 2;

pub(super) async fn run(globals: &Globals, args: ImportArgs) -> Result<(), CliError> {
    let path = args.file.clone().or(args.named.clone()).unwrap_or_default();
    let text = read_text(&path)?;
    let mut file = import_file::read(&text, &path.to_string_lossy(), args.from)?;
    for text in std::mem::take(&mut file.notes) {
        note(&format!("note: {text}"));
    }
    let mut errors = std::mem::take(&mut file.errors);
    let (unreadable, dry_run) = (errors.len(), args.dry_run || file.validate_only);
    let mut keys = file.keys;
    for key in &mut keys {
        complete(&mut key.key, &args);
    }
    let repeated = twice(&keys);
    let changes = import_file::changes(&keys);
    let places: Vec<String> = keys.iter().map(|key| key.place.clone()).collect();
    let total = places.len();
    if total == 0 && errors.is_empty() {
        return Err(CliError::Usage("the file has no keys".to_owned()));
    }
    let mut pieces = pieces(keys);
    let mut service = Server::of(globals).await?.keys();
    let mut checked = check(&mut service, &pieces, &places).await?;
    let skipped = if args.skip_existing { existing(&checked.errors) } else { BTreeSet::new() };
    if !skipped.is_empty() {
        let count = pluralize(skipped.len(), "key");
        note(&format!(
            "note: left out {count} with a value that is stored already, in the same tenant or another one"
        ));
        pieces = without(pieces, &skipped);
        checked = check(&mut service, &pieces, &places).await?;
    }
    errors.extend(checked.errors.iter().map(|error| at_place(error, &places)));
    // The server names those of one call itself.
    let is_named =
        |number: usize| checked.errors.iter().any(|error| error.field == format!("keys[{number}]"));
    errors.extend(repeated.into_iter().filter(|(number, _)| !is_named(*number)).map(|(_, error)| error));
    let is_left_out =
        |warning: &v1::ImportFinding| usize::try_from(warning.index).is_ok_and(|n| skipped.contains(&n));
    checked.warnings.extend(changes.into_iter().filter(|warning| !is_left_out(warning)));
    checked.warnings.sort_by_key(|warning| warning.index);
    if !errors.is_empty() {
        return report(globals, &checked, &errors, total + unreadable, dry_run);
    }
    for warning in &checked.warnings {
        note(&format!("warning: {}", at_place(warning, &places)));
    }
    if dry_run {
        return preview(globals, &checked);
    }
    let keys = import(&mut service, pieces, total - skipped.len()).await?;
    show(globals.output, &v1::ImportKeysResponse { keys, warnings: checked.warnings, errors: Vec::new() })
}

/// Fills in the values that the command line gives for all keys, in fields that the file leaves empty.
fn complete(key: &mut v1::ImportedKey, args: &ImportArgs) {
    let inner = key.key.get_or_insert_default();
    if let Some(tenant) = &args.tenant {
        inner.tenant.clone_from(tenant);
    }
    let fill = |field: &mut String, given: &Option<String>| {
        if let Some(given) = given.as_ref().filter(|_| field.is_empty()) {
            field.clone_from(given);
        }
    };
    fill(&mut inner.kind, &args.kind);
    fill(&mut inner.environment, &args.environment);
    if inner.scopes.is_empty() && !inner.all_scopes {
        inner.scopes.clone_from(&args.scopes);
    }
}

/// Has the server check all keys. The indexes of what is returned are those of the whole file.
async fn check(
    service: &mut KeyServiceClient<AuthenticatedChannel>,
    pieces: &[Piece],
    places: &[String],
) -> Result<v1::ImportKeysResponse, CliError> {
    let mut all = v1::ImportKeysResponse::default();
    for piece in pieces {
        let (tenant, keys) = (piece.tenant.clone(), piece.keys.clone());
        let ask = v1::ImportKeysRequest { tenant, keys, validate_only: true };
        let answer = service.import_keys(ask).await.inspect_err(|_| {
            let first = piece.numbers.first().and_then(|number| places.get(*number));
            if let Some(first) = first.filter(|_| pieces.len() > 1) {
                note(&format!("nothing is imported; the tenant of {first} and its other keys:"));
            }
        })?;
        let v1::ImportKeysResponse { keys, warnings, errors: wrong } = answer.into_inner();
        let in_file = |mut finding: v1::ImportFinding| {
            let number = usize::try_from(finding.index).ok().and_then(|n| piece.numbers.get(n)).copied();
            let number = number.unwrap_or_default();
            let before = format!("keys[{}]", finding.index);
            let rest = finding.field.strip_prefix(&before).unwrap_or(&finding.field).to_owned();
            finding.field = format!("keys[{number}]{rest}");
            let of_file = |n: usize| Some(format!("keys[{}]", piece.numbers.get(n)?));
            finding.description = without_values(&with_keys(&finding.description, of_file));
            finding.index = i32::try_from(number).unwrap_or(i32::MAX);
            finding
        };
        all.keys.extend(keys);
        all.warnings.extend(warnings.into_iter().map(in_file));
        all.errors.extend(wrong.into_iter().map(in_file));
    }
    Ok(all)
}

/// Returns a finding with its place in the file: `line 3: scopes[0]: …`.
fn at_place(finding: &v1::ImportFinding, places: &[String]) -> String {
    let place = usize::try_from(finding.index).ok().and_then(|n| places.get(n));
    let place = place.map_or_else(|| format!("keys[{}]", finding.index), Clone::clone);
    let field = finding.field.strip_prefix(&format!("keys[{}]", finding.index)).unwrap_or_default();
    let field = field.trim_start_matches('.');
    let field = field.strip_prefix("key.").unwrap_or(field);
    let colon = if field.is_empty() { "" } else { ": " };
    format!("{place}: {field}{colon}{}", in_file(&finding.description, places))
}

/// Returns a text with the places in the file of the keys that it names as `keys[0]`.
fn in_file(text: &str, places: &[String]) -> String {
    with_keys(text, |number| places.get(number).cloned())
}

/// Replaces the name `keys[N]` of each key, unless there is nothing to put in its place.
fn with_keys(text: &str, name: impl Fn(usize) -> Option<String>) -> String {
    let mut parts = text.split("keys[");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let named = part.split_once(']').and_then(|(number, rest)| Some((name(number.parse().ok()?)?, rest)));
        match named {
            Some((name, rest)) => all.extend([&*name, rest]),
            None => all.extend(["keys[", part]),
        }
    }
    all
}

/// Prints every error. Nothing was imported.
fn report(
    globals: &Globals,
    checked: &v1::ImportKeysResponse,
    errors: &[String],
    total: usize,
    dry_run: bool,
) -> Result<(), CliError> {
    if dry_run && globals.output == Format::Json {
        show(globals.output, checked)?;
    }
    let lines: Vec<String> =
        errors.iter().map(|error| format!("  {}", crate::output::sanitize(error))).collect();
    let read = pluralize(total, "key");
    note(&format!(
        "latchkey: nothing is imported: {} in {read}\n{}",
        pluralize(errors.len(), "error"),
        lines.join("\n")
    ));
    Err(CliError::Findings(MISTAKES))
}

/// Prints what would be imported.
fn preview(globals: &Globals, checked: &v1::ImportKeysResponse) -> Result<(), CliError> {
    if globals.output == Format::Json {
        return show(globals.output, checked);
    }
    if checked.keys.is_empty() {
        return print("no key would be imported");
    }
    let count = |of: &dyn Fn(&v1::Key) -> String| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for key in &checked.keys {
            *counts.entry(of(key)).or_default() += 1;
        }
        counts.into_iter().map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    };
    let state = |key: &v1::Key| match key.state() {
        v1::KeyState::Unspecified => "unknown".to_owned(),
        state => state.as_str_name().trim_start_matches("KEY_STATE_").to_lowercase(),
    };
    let mut text = format!(
        "{} would be imported, and nothing was: {}\nkinds: {}\nenvironments: {}\n",
        pluralize(checked.keys.len(), "key"),
        count(&state),
        count(&|key| key.kind.clone()),
        count(&|key| key.environment.clone()),
    );
    let examples = checked.keys.iter().take(EXAMPLES).cloned().collect();
    let examples = v1::ImportKeysResponse { keys: examples, ..v1::ImportKeysResponse::default() };
    text.push_str("\nfor example:\n");
    text.push_str(&crate::output::TextOutput::text(&examples));
    print(&text)
}

/// Imports the pieces. Each is all or none; an error says how many keys were imported before.
async fn import(
    service: &mut KeyServiceClient<AuthenticatedChannel>,
    pieces: Vec<Piece>,
    total: usize,
) -> Result<Vec<v1::Key>, CliError> {
    let (bar, several) = (progress(total), pieces.len() > 1);
    let mut made: Vec<(usize, v1::Key)> = Vec::with_capacity(total);
    for Piece { tenant, numbers, keys } in pieces {
        let count = keys.len();
        let piece = v1::ImportKeysRequest { tenant, keys, validate_only: false };
        let answer = service.import_keys(piece).await.inspect_err(|_| {
            bar.abandon();
            if several {
                note(&format!(
                    "{} of {total} keys are imported, and the next {count} may be. Repeat the command with \
                     --skip-existing to import the others. The error is:",
                    made.len()
                ));
            }
        })?;
        made.extend(numbers.into_iter().zip(answer.into_inner().keys));
        bar.inc(count as u64);
    }
    bar.finish_and_clear();
    made.sort_by_key(|(number, _)| *number);
    Ok(made.into_iter().map(|(_, key)| key).collect())
}

/// Returns a progress bar, which is hidden without a terminal or if one call is enough.
fn progress(all: usize) -> ProgressBar {
    if all <= PIECE || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} keys, {eta} left");
    ProgressBar::new(all as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_other_keys_by_their_places_too() {
        let places = ["line 2", "line 3"].map(str::to_owned);
        let finding = v1::ImportFinding {
            index: 1,
            field: "keys[1].key.name".to_owned(),
            description: "has the value of keys[0], and keys[9] has not".to_owned(),
        };
        assert_eq!(at_place(&finding, &places), "line 3: name: has the value of line 2, and keys[9] has not");
    }
}
