//! Test that `docs/settings.md` is the page that is generated from the table of settings.
//! `LATCHKEY_WRITE=1 cargo test -p latchkey-cli --test settings_page` writes the page.

use std::fmt::Write as _;
use std::path::Path;

use latchkey_config::definitions::{ALL, Setting, ValueKind};

const HEAD: &str = "\
# Settings

Each setting is a flag of `latchkey serve`, an environment variable, or a key in a TOML file (`--config FILE`,
`LATCHKEY_CONFIG`). A flag wins over the variable, and the variable wins over the file. All configuration errors are
reported together at start-up. A secret can also be given as the path of a file that holds it: append `-file` to the
flag, `_FILE` to the variable, or `_file` to the key. Former names of a setting are still read, as a flag, a variable and
a key; two names of one setting at the same place are an error.

This page is generated from `crates/config/src/definitions.rs`.

| key in the file | variable | default | |
|---|---|---|---|
";

fn row(setting: &Setting) -> String {
    let default = setting.default.map_or_else(|| "none".to_owned(), |value| format!("`{value}`"));
    let kind = match setting.kind {
        ValueKind::Text | ValueKind::TextList => "",
        ValueKind::Secret | ValueKind::SecretList => " A secret.",
        ValueKind::Switch => " `true` or `false`.",
        ValueKind::List => " Several, separated by commas.",
    };
    let help = setting.help.trim_end_matches('.').replace('|', "\\|").replace('<', "&lt;");
    let aliases = setting.aliases.iter().map(|alias| format!(" Former name: `{alias}`."));
    let aliases: String = aliases.collect();
    format!("| `{}` | `{}` | {default} | {help}.{kind}{aliases} |\n", setting.key, setting.variable)
}

#[test]
fn the_page_of_settings_is_the_generated_one() {
    let mut page = HEAD.to_owned();
    for setting in ALL {
        let _infallible = write!(page, "{}", row(setting));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    if std::env::var_os("LATCHKEY_WRITE").is_some() {
        std::fs::write(&file, &page).expect("the page is written");
    }
    let committed = std::fs::read_to_string(&file).expect("docs/settings.md");
    assert!(committed == page, "docs/settings.md is outdated; write it again with LATCHKEY_WRITE=1");
}
