//! Tests of the documents: each passes its own examples, including those of its endpoints. All five are in force
//! on one server, and a sixth one whose requests could not be distinguished from those of another is refused.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use latchkey_testing::{Folder, ProfileBuilder, Setup, program, replace_once};
use tonic::Code;

const SHIPPED: [&str; 5] = ["luxcore", "lumen", "auxvault", "paykore", "luxor"];

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("profiles/{name}.toml"))
}

fn latchkey(words: &[&str], files: &[PathBuf]) -> (Output, String) {
    let output = Command::new(program()).args(words).args(files).output().expect("the program runs");
    let reported = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, reported)
}

#[test]
fn every_example_of_the_documents_passes_also_those_of_endpoints() {
    let mut files: Vec<PathBuf> = SHIPPED.iter().map(|name| shipped(name)).collect();
    files.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/products/octo.toml"));
    let (output, reported) = latchkey(&["profile", "test"], &files);
    assert!(output.status.success() && reported.contains(", 0 failed"), "{reported}");
    for name in ["create an API key", "revoke an API key", "a token is refreshed", "a user makes a key"] {
        assert!(reported.contains(&format!(": {name}\n")), "{name} is not among them: {reported}");
    }
    let (output, reported) = latchkey(&["profile", "lint"], &files);
    assert!(output.status.success() && reported.trim() == "6 documents are valid", "{reported}");
}

#[test]
fn an_example_that_fails_is_reported() {
    let document = std::fs::read_to_string(shipped("lumen")).expect("the document");
    let expected = r#""name":"My New Key","keyType":"secret","environment":"live","keyValue""#;
    // The order of the document's fields is part of other examples' responses, so the text is changed in place.
    let wrong = replace_once(&document, expected, "no");
    let folder = Folder::new("promise");
    let (output, reported) = latchkey(&["profile", "test"], &[folder.write("lumen.toml", &wrong)]);
    assert!(!output.status.success(), "{reported}");
    assert!(
        reported.contains("FAILED") && reported.contains(": create an API key\n    expected the body"),
        "{reported}"
    );
    assert!(reported.contains("1 failed"), "{reported}");
}

#[test]
fn an_impossible_value_of_an_example_is_reported_with_its_line() {
    let document = std::fs::read_to_string(shipped("auxvault")).expect("the document");
    let (role, body) = ("examples[a user makes a key].as.role", "examples[a token is refreshed].body");
    for (path, value, reported) in [
        (role, "king", "there is no role \"king\""),
        (body, r#"{ "refreshToken": "{{ refresh_tokens }}" }"#, "unknown name \"refresh_tokens\""),
        (body, r#"{ "refreshToken": "{{ tenant.slug }}" }"#, "can only use key, key.id, token,"),
    ] {
        let folder = Folder::new("example");
        let changed = ProfileBuilder::from_document(&document).set(path, value).build();
        let file = folder.write("auxvault.toml", &changed);
        let (output, lines) = latchkey(&["profile", "lint"], &[file]);
        assert!(
            !output.status.success() && lines.contains(reported) && lines.contains(": error: examples["),
            "{lines}"
        );
    }
}

/// Returns the TOML blocks of a page.
fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    let text = std::fs::read_to_string(&path).expect("the page");
    text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn the_pages_about_profiles_show_one_document_whose_example_passes() {
    let whole = page("format.md") + &page("endpoints.md") + &page("examples.md");
    let folder = Folder::new("pages");
    let file = folder.write("acme.toml", &whole);
    let (output, reported) = latchkey(&["profile", "test"], std::slice::from_ref(&file));
    assert!(output.status.success() && reported.contains("1 example, 0 failed"), "{reported} {output:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn five_documents_are_in_force_at_once_and_a_double_of_one_is_refused() {
    let setup = SHIPPED.iter().fold(Setup::default(), |setup, name| setup.shipped(name));
    let latchkey = setup.start();
    let operator = latchkey.operator();
    for name in SHIPPED {
        let _ = operator.tenant(name, name, "").await;
        let again = std::fs::read_to_string(shipped(name)).expect("the document");
        let _ = operator.apply(&again).await.expect("it stands in nobody's way");
    }
    let paykore = std::fs::read_to_string(shipped("paykore")).expect("the document");
    // Its examples contain its hosts as well.
    let copy = ProfileBuilder::from_document(&paykore).remove("examples").set("name", "paycopy");
    let double = copy.build();
    let line = double.lines().position(|line| line.contains("api.paykore.dev")).expect("its host") + 1;
    let refused = operator.apply(&double).await.expect_err("it is refused");
    assert_eq!(refused.code(), Code::InvalidArgument);
    let reported = refused.message();
    assert!(reported.contains(&format!("line {line}")) && reported.contains("\"paykore\""), "{reported}");
    let moved = copy.set("hosts[0].host", "api.paycopy.dev").set("hosts[1].host", "sandbox.paycopy.dev");
    let _ = operator.apply(&moved.build()).await.expect("the same prefixes on other hosts are no double");
    let other = ProfileBuilder::from_document(&double)
        .set("name", "paycopy-z")
        .set("kinds[0].prefixes.live", "sz_live_")
        .set("kinds[0].prefixes.test", "sz_test_")
        .set("kinds[1].prefixes.live", "pz_live_")
        .set("kinds[1].prefixes.test", "pz_test_");
    let _ = operator.apply(&other.build()).await.expect("keys tell the two apart");
}
