//! Reference of the command line: it is the page that scripts/cli-reference makes from the built program's help.

use std::process::Command;

use latchkey_testing::program;

use super::{read, root};

#[test]
fn the_reference_of_the_command_line_is_made_from_the_programs_help() {
    let script = root().join("scripts/cli-reference");
    let made = Command::new(script).arg(program()).output().expect("the script starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made = String::from_utf8(made.stdout).expect("text");
    assert!(made.matches("\n### latchkey ").count() > 40, "{made}");
    let committed = read(&root().join("docs/cli.md"));
    let first = made.lines().zip(committed.lines()).find(|(made, committed)| made != committed);
    assert!(
        made == committed,
        "docs/cli.md is outdated: run scripts/cli-reference target/debug/latchkey docs/cli.md; first difference: {first:?}"
    );
}
