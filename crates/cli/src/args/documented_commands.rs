//! Test that every command in the documentation is valid: its subcommands and flags are those of the program.
//! Placeholders (`ID`, `…`) are taken as values.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;

use super::Cli;

/// Beginning of a command of this program.
const ME: &str = "latchkey ";

fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["", "docs", "profiles", "deploy"].map(|folder| root.join(folder));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// Returns the commands of a page: lines of code blocks, and inline code.
fn commands(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (n, part) in page.split("```").enumerate() {
        if n % 2 == 1 {
            found.extend(part.replace("\\\n", " ").lines().map(str::to_owned));
        } else {
            found.extend(part.split('`').skip(1).step_by(2).map(|code| code.replace('\n', " ")));
        }
    }
    found.retain_mut(|line| {
        // Variables may be set before the command, and it may be in `$(…)`.
        let start = line.find(ME).filter(|at| {
            let before = line[..*at].trim_end_matches([' ', '$', '(']);
            before.is_empty() || before.split_whitespace().all(|word| word.contains('='))
        });
        if let Some(at) = start {
            *line = line[at..].to_owned();
        }
        start.is_some()
    });
    found
}

/// Splits a command into words as a shell does, as far as the pages need it. A pipe, redirection or comment ends it.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            (None, '[' | ']') => {}
            (None, '|' | '>' | '#' | ')' | '<' | ';') => break,
            (None, ' ') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty() && word != "…");
    words
}

#[test]
fn every_command_that_a_page_shows_is_one() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for page in pages() {
        for line in commands(&std::fs::read_to_string(&page).unwrap()) {
            seen += 1;
            if let Err(error) = Cli::command_with_examples().try_get_matches_from(words(&line))
                && matches!(error.kind(), ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand)
            {
                wrong.push(format!("{}: {line}\n{error}", page.display()));
            }
        }
    }
    assert!(seen > 40, "only {seen} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
