//! `latchkey key import`: checks all keys of a file before the first is imported, so that a mistake in the last one
//! does not leave a part of the keys imported.

use std::collections::{BTreeMap, HashMap};
use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressStyle};
use latchkey_proto::v1;
use latchkey_proto::v1::key_service_client::KeyServiceClient;
use prost::Message as _;

use crate::args::{Globals, ImportArgs};
use crate::call::{AuthenticatedChannel, Server, read_text};
use crate::exit::CliError;
use crate::import_file::{self, FileKey};
use crate::output::{Format, note, pluralize, print, show};

/// Maximum number of keys in one call.
const PIECE: usize = 1_000;
/// Keys that a dry run shows as examples.
const EXAMPLES: usize = 3;
/// Exit code of a file with mistakes: that of a request with wrong fields.
const MISTAKES: u8 = 2;

/// Keys of one tenant that one call takes, each with its number in the file.
struct Piece {
    tenant: String,
    numbers: Vec<usize>,
    keys: Vec<v1::ImportedKey>,
}

pub(super) async fn run(globals: &Globals, args: ImportArgs) -> Result<(), CliError> {
    let path = args.file.clone().or(args.named.clone()).unwrap_or_default();
    let text = read_text(&path)?;
    let mut file = import_file::read(&text, &path.to_string_lossy(), args.from)?;
    for text in std::mem::take(&mut file.notes) {
        note(&format!("note: {text}"));
    }
    let mut errors = std::mem::take(&mut file.errors);
    let mut keys = file.keys;
    for key in &mut keys {
        complete(&mut key.key, &args);
    }
    errors.extend(twice(&keys));
    let changes = import_file::changes(&keys);
    let places: Vec<String> = keys.iter().map(|key| key.place.clone()).collect();
    let total = places.len();
    if total == 0 && errors.is_empty() {
        return Err(CliError::Usage("the file has no keys".to_owned()));
    }
    let pieces = pieces(keys);
    let mut service = Server::of(globals).await?.keys();
    let mut checked = check(&mut service, &pieces, &places, &mut errors).await?;
    checked.warnings.extend(changes);
    checked.warnings.sort_by_key(|warning| warning.index);
    if !errors.is_empty() {
        return report(globals, &checked, &errors, total, args.dry_run);
    }
    for warning in &checked.warnings {
        note(&format!("warning: {}", at_place(warning, &places)));
    }
    if args.dry_run {
        return preview(globals, &checked);
    }
    let keys = import(&mut service, pieces, total).await?;
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

/// Returns an error for each key whose secret another key of the file has. The server compares those of one call.
fn twice(keys: &[FileKey]) -> Vec<String> {
    let mut first: HashMap<Vec<u8>, &str> = HashMap::new();
    let mut errors = Vec::new();
    for FileKey { place, key, .. } in keys {
        let secret = v1::ImportedKey { secret: key.secret.clone(), ..v1::ImportedKey::default() };
        match first.get(&secret.encode_to_vec()) {
            Some(other) if key.secret.is_some() => errors.push(format!("{place}: has the secret of {other}")),
            _ => drop(first.insert(secret.encode_to_vec(), place)),
        }
    }
    errors
}

/// Groups the keys by tenant, in the order of the file, in pieces for one call each.
fn pieces(keys: Vec<FileKey>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut open: HashMap<String, usize> = HashMap::new();
    for (number, FileKey { key, .. }) in keys.into_iter().enumerate() {
        let tenant = key.key.as_ref().map(|inner| inner.tenant.clone()).unwrap_or_default();
        let place = open.get(&tenant).copied().filter(|n| pieces[*n].keys.len() < PIECE);
        let place = place.unwrap_or_else(|| {
            pieces.push(Piece { tenant: tenant.clone(), numbers: Vec::new(), keys: Vec::new() });
            open.insert(tenant, pieces.len() - 1);
            pieces.len() - 1
        });
        pieces[place].numbers.push(number);
        pieces[place].keys.push(key);
    }
    pieces
}

/// Has the server check all keys. Errors are added with their places in the file; the indexes of what is returned are
/// those of the whole file.
async fn check(
    service: &mut KeyServiceClient<AuthenticatedChannel>,
    pieces: &[Piece],
    places: &[String],
    errors: &mut Vec<String>,
) -> Result<v1::ImportKeysResponse, CliError> {
    let mut all = v1::ImportKeysResponse::default();
    for piece in pieces {
        let (tenant, keys) = (piece.tenant.clone(), piece.keys.clone());
        let answer = service.import_keys(v1::ImportKeysRequest { tenant, keys, validate_only: true }).await?;
        let v1::ImportKeysResponse { keys, warnings, errors: wrong } = answer.into_inner();
        let in_file = |mut finding: v1::ImportFinding| {
            let number = usize::try_from(finding.index).ok().and_then(|n| piece.numbers.get(n)).copied();
            let number = number.unwrap_or_default();
            let before = format!("keys[{}]", finding.index);
            let rest = finding.field.strip_prefix(&before).unwrap_or(&finding.field).to_owned();
            finding.field = format!("keys[{number}]{rest}");
            let of_file = |n: usize| Some(format!("keys[{}]", piece.numbers.get(n)?));
            finding.description = with_keys(&finding.description, of_file);
            finding.index = i32::try_from(number).unwrap_or(i32::MAX);
            finding
        };
        all.keys.extend(keys);
        all.warnings.extend(warnings.into_iter().map(in_file));
        all.errors.extend(wrong.into_iter().map(in_file));
    }
    errors.extend(all.errors.iter().map(|error| at_place(error, places)));
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
                note(&format!("{} of {total} keys are imported; the next {count} are not:", made.len()));
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
