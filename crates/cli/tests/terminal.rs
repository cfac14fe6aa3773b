//! Output on a terminal: tables that fit, colours unless they are turned off, and completions. The terminal is created
//! by util-linux's `script`; a pipe gets the same text, uncut and without colours.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says so by ending")]

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

const ME: &str = env!("CARGO_BIN_EXE_latchkey");

/// Runs a line of the shell with these variables, in an empty folder.
fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(variables.iter().copied());
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", folder.path());
    let output = command.current_dir(folder.path()).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program} does not start: {error}"));
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap().replace('\r', "")
}

fn at_terminal(columns: u16, variables: &[(&str, &str)], words: &str) -> String {
    let line = format!("stty cols {columns} rows 40; {ME} {words}");
    let variables: Vec<_> = [("TERM", "xterm")].iter().chain(variables).copied().collect();
    run("script", &["-qec", &line, "/dev/null"], &variables)
}

fn through_a_pipe(words: &str) -> String {
    run("sh", &["-c", &format!("{ME} {words} | cat")], &[("TERM", "xterm")])
}

const FINDS: &str = "doctor --envoy-only --envoy nowhere.yaml";

#[test]
fn colours_are_for_terminals_and_not_where_they_are_unwanted() {
    let coloured = at_terminal(80, &[], FINDS);
    assert!(coloured.contains("\u{1b}[31m✗\u{1b}[0m envoy"), "{coloured:?}");
    let table = at_terminal(80, &[], "migrate status");
    assert!(table.contains("\u{1b}[") && table.contains("missing"), "{table:?}");
    for unwanted in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        for words in [FINDS, "migrate status"] {
            let plain = at_terminal(80, &[unwanted], words);
            assert!(!plain.contains('\u{1b}') && plain.len() > 40, "{unwanted:?}: {plain:?}");
        }
    }
    let piped = through_a_pipe(FINDS);
    assert!(piped.contains("✗ envoy") && !piped.contains('\u{1b}'), "{piped:?}");
}

#[test]
fn a_table_fits_the_terminal_and_a_pipe_gets_it_whole() {
    let steps = |table: &str| table.matches("missing").count();
    let whole = through_a_pipe("migrate status");
    let widest = whole.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest > 24 && steps(&whole) > 1, "{whole}");
    let narrow = at_terminal(24, &[("NO_COLOR", "1")], "migrate status");
    assert!(narrow.lines().all(|line| line.chars().count() <= 24), "{narrow}");
    assert_eq!(steps(&narrow), steps(&whole), "{narrow}");
}

/// Runs a line of the shell at a terminal. Each of these lines is typed when the text before it was printed. Returns what
/// the terminal showed.
fn typed(line: &str, answers: &[(&str, &str)]) -> String {
    // A test that runs in the background of a shell inherits that interrupts are ignored.
    let mut command = Command::new("env");
    command.args(["--default-signal=INT", "script", "-qec", line, "/dev/null"]).env("NO_COLOR", "1");
    command
        .env("LATCHKEY_API_KEY", "k")
        .env("XDG_CONFIG_HOME", "/nowhere")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    for (question, answer) in answers {
        let mut byte = [0];
        while !String::from_utf8_lossy(&shown).ends_with(*question) {
            assert_eq!(screen.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&shown));
            shown.extend(byte);
        }
        writeln!(keyboard, "{answer}").unwrap();
    }
    screen.read_to_end(&mut shown).unwrap();
    child.wait().unwrap();
    String::from_utf8(shown).unwrap()
}

#[test]
fn a_secret_that_is_typed_is_asked_for_and_not_shown() {
    let inspect = format!("{ME} jwt inspect");
    let shown = typed(&inspect, &[("(it is not shown): ", "canary.canary.canary")]);
    assert!(shown.contains("Key or token") && !shown.contains("canary"), "{shown}");
    let asked = ("(it is not shown): ", "canary horse battery");
    let shown = typed(
        &format!("{ME} user set-password user_1 --server http://127.0.0.1:1"),
        &[asked, ("again (it is not shown): ", "another horse")],
    );
    assert!(shown.contains("Password (it") && shown.contains("the two passwords differ"), "{shown}");
    assert!(!shown.contains("horse"), "{shown}");
}

#[test]
fn a_terminal_shows_what_is_typed_after_a_question_that_was_interrupted() {
    let line = format!("trap : INT; {ME} jwt inspect; echo \"code $?\"; stty -a");
    let shown = typed(&line, &[("(it is not shown): ", "canary\u{3}")]);
    assert!(shown.contains("code 130") && !shown.contains("canary"), "{shown}");
    assert!(shown.contains(" echo ") && shown.contains("intr = ^C"), "{shown}");
}

#[test]
fn a_shell_completes_by_what_is_printed() {
    let complete = |words: &str, place: usize, now: &str, before: &str| {
        let line = format!(
            "source <({ME} completions bash); COMP_WORDS=({words}); COMP_CWORD={place}; \
             _latchkey latchkey {now:?} {before:?}; echo \"${{COMPREPLY[*]}}\""
        );
        run("bash", &["-c", &line], &[])
    };
    assert_eq!(complete("latchkey key rot", 2, "rot", "key").trim(), "rotate");
    assert_eq!(complete("latchkey key rotate --over", 3, "--over", "rotate").trim(), "--overlap");
    assert_eq!(complete("latchkey --output j", 2, "j", "--output").trim(), "json");
    for (shell, begins) in [("zsh", "#compdef latchkey"), ("fish", "# Print an optspec")] {
        let printed = run(ME, &["completions", shell], &[]);
        assert!(printed.starts_with(begins) && printed.contains("rotate"), "{shell}: {printed}");
    }
}
