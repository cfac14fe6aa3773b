//! Files for contributors and for the services around the repository: workflows, recipes, the contract's rules, and the paths
//! and commands that CONTRIBUTING.md names.

use std::process::{Command, Output};

use latchkey_testing::{Folder, replace_once, tool};
use serde_json::Value;

use crate::{files, read, root, text};

fn run(program: &str, words: &[&str]) -> Output {
    Command::new(tool(program)).args(words).current_dir(root()).output().expect("the tool starts")
}

#[test]
fn actionlint_has_no_finding_in_the_workflows() {
    let workflows = files(".github/workflows");
    assert_eq!(workflows.len(), 2);
    let output = Command::new(tool("actionlint")).args(&workflows).output().expect("actionlint starts");
    assert!(output.status.success(), "{}", text(&output));
    for workflow in workflows {
        let workflow = std::fs::read_to_string(workflow).expect("a workflow");
        for line in workflow.lines().filter(|line| line.contains("uses: ")) {
            let commit =
                line.split_once('@').and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default();
            let pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(pinned && line.contains(" # v"), "an action has a commit and its version: {line}");
        }
    }
}

#[test]
fn forms_and_settings_of_github_are_yaml_and_name_what_there_is() {
    let dependabot: Value = serde_saphyr::from_str(&read(".github/dependabot.yml")).expect("YAML");
    for update in dependabot["updates"].as_array().expect("updates") {
        let folder = update["directory"].as_str().expect("a folder").trim_start_matches('/');
        assert!(root().join(folder).is_dir(), "{folder}");
    }
    for form in ["bug", "feature"] {
        let form: Value =
            serde_saphyr::from_str(&read(&format!(".github/ISSUE_TEMPLATE/{form}.yml"))).expect("YAML");
        assert!(
            form["name"].is_string() && form["description"].is_string() && form["body"].is_array(),
            "{form}"
        );
    }
    let owners = read(".github/CODEOWNERS");
    for line in owners.lines().filter(|line| line.starts_with('/')) {
        let path = line.split(' ').next().unwrap_or_default();
        assert!(root().join(path.trim_start_matches('/')).exists(), "{path}");
    }
}

#[test]
fn the_container_for_development_is_described_in_json() {
    let described: Value = serde_json::from_str(&read(".devcontainer/devcontainer.json")).expect("JSON");
    let command = described["postCreateCommand"].as_str().expect("a command");
    assert!(root().join(command.split(' ').next().unwrap_or_default()).is_file(), "{command}");
}

#[test]
fn every_recipe_of_the_justfile_can_be_run() {
    let output = run("just", &["--dump", "--dump-format", "json"]);
    assert!(output.status.success(), "{}", text(&output));
    let recipes: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let recipes = recipes["recipes"].as_object().expect("recipes");
    assert!(recipes.len() >= 10, "{recipes:?}");
    for (name, recipe) in recipes {
        assert!(recipe["doc"].is_string(), "{name} has no description");
        for line in recipe["body"].as_array().expect("lines") {
            let first = line[0].as_str().unwrap_or_default().trim_start_matches('@');
            let program = first.split(' ').next().unwrap_or_default();
            let known = ["cargo", "just"].contains(&program) || root().join(program).is_file();
            assert!(known, "{name}: {program}");
        }
    }
}

#[test]
fn packages_and_manifests_have_the_programs_version_and_licence() {
    let version = env!("CARGO_PKG_VERSION");
    for (file, line) in [
        ("deploy/helm/latchkey/Chart.yaml", format!("version: {version}")),
        ("deploy/helm/latchkey/Chart.yaml", format!("appVersion: \"{version}\"")),
        ("deploy/kubernetes/kustomization.yaml", format!("newTag: \"{version}\"")),
        ("clients/python/pyproject.toml", format!("version = \"{version}\"")),
        ("clients/node/package.json", format!("\"version\": \"{version}\",")),
    ] {
        assert!(read(file).lines().any(|one| one.trim() == line), "{file} does not say {line}");
    }
    for package in ["go", "node", "python"] {
        assert_eq!(read(&format!("clients/{package}/LICENSE")), read("LICENSE"), "{package}");
    }
}

#[test]
fn the_contract_follows_its_rules_and_breaks_no_client() {
    for words in [["lint"].as_slice(), &["breaking", "--against", "proto/contract.binpb"]] {
        let output = run("buf", words);
        assert!(output.status.success(), "{words:?}: {}", text(&output));
    }
}

#[test]
fn a_dropped_field_breaks_clients_and_is_found() {
    let folder = Folder::new("contract");
    let mut copy = Command::new("cp");
    copy.arg("-r").args(["proto", "buf.yaml"].map(|name| root().join(name))).arg(folder.path());
    assert!(copy.status().expect("cp starts").success());
    let changed = replace_once(&read("proto/latchkey/v1/check.proto"), "  string credential = 1;\n", "");
    let _ = folder.write("proto/latchkey/v1/check.proto", &changed);
    let mut buf = Command::new(tool("buf"));
    let output =
        buf.args(["breaking", "--against", "proto/contract.binpb"]).current_dir(folder.path()).output();
    let output = output.expect("buf starts");
    assert!(!output.status.success() && text(&output).contains("credential"), "{}", text(&output));
}

/// Returns true if a module or function of an integration test has a text in its name.
fn selects(test: &str, filter: &str) -> bool {
    let mut sources = vec![root().join(format!("tests/{test}.rs"))];
    if root().join("tests").join(test).is_dir() {
        sources.extend(files(&format!("tests/{test}")));
    }
    sources.iter().filter(|path| path.is_file()).any(|path| {
        let module = path.file_stem().is_some_and(|stem| stem.to_string_lossy().contains(filter));
        let source = std::fs::read_to_string(path).expect("a test");
        module || source.lines().any(|line| line.contains("fn ") && line.contains(filter))
    })
}

#[test]
fn the_page_for_contributors_names_existing_files_tests_and_commands() {
    let page = read("CONTRIBUTING.md");
    let code: Vec<&str> = page.split('`').skip(1).step_by(2).filter(|code| !code.contains('\n')).collect();
    let top = ["crates/", "tests/", "docs/", "deploy/", "migrations/", "proto/", "scripts/", "profiles/"];
    let paths = code.iter().filter(|code| top.iter().any(|top| code.starts_with(top)) && !code.contains(' '));
    let mut seen = 0;
    for path in paths.filter(|path| !path.ends_with("_what.rs")) {
        seen += 1;
        assert!(root().join(path).exists(), "{path}");
    }
    assert!(seen > 25, "only {seen} paths were found");
    let recipes = read("justfile");
    let examples = recipes.split('`').filter_map(|code| code.strip_prefix("just it ")?.split_once(' '));
    assert!(examples.clone().count() > 0);
    for (test, filter) in examples {
        assert!(selects(test, filter), "no test of {test} has {filter} in its path");
    }
    for command in code.iter().filter(|code| code.contains("cargo test ")) {
        let words: Vec<&str> = command.split(' ').collect();
        let after = |flag: &str| words.iter().position(|word| *word == flag).and_then(|at| words.get(at + 1));
        if let Some(test) = after("--test") {
            let package = after("--package").map_or("cli", |name| name.trim_start_matches("latchkey-"));
            let places = [
                format!("tests/{test}.rs"),
                format!("tests/{test}/main.rs"),
                format!("crates/{package}/tests/{test}.rs"),
                format!("crates/{package}/tests/{test}/main.rs"),
            ];
            assert!(places.iter().any(|place| root().join(place).is_file()), "{command}");
            assert!(after("--").is_none_or(|filter| selects(test, filter)), "{command} selects no test");
        }
        if let Some(package) = after("--package") {
            let folder = package.trim_start_matches("latchkey-");
            let places = [root().join("crates").join(folder), root().join(folder)];
            assert!(places.iter().any(|place| place.is_dir()), "{command}");
        }
    }
    // The names of functions and macros of the tests' support.
    let support = read("tests/support/src/lib.rs") + &read("tests/support/src/shop.rs");
    for name in ["eventually", "on_both", "Setup", "Postgres", "Redis", "Envoy"] {
        assert!(page.contains(name) && support.contains(name), "{name}");
    }
    let latest = files("migrations/src").iter().filter(|f| f.display().to_string().contains("/m0")).count();
    assert!(page.contains(&format!("m{:04}_", latest + 1)), "the next migration is {}", latest + 1);
}
