//! Pages of the handbook and `README.md`, as a new user follows them: the commands of a page run one after the other in one shell,
//! against a program that was started as the page says, and each prints what the page shows. `…` on the page stands for
//! anything; on a line of its own, for any lines.

use std::process::Command;

use latchkey_testing::{Folder, Process, Signal, eventually, free_port, program, tool};

const TOUR: &str = include_str!("../docs/tour.md");
const DENIALS: &str = include_str!("../docs/denials.md");
const LIMITS: &str = include_str!("../docs/limits.md");
const ROTATION: &str = include_str!("../docs/rotation.md");
const MIGRATING: &str = include_str!("../docs/migrating.md");
const PROTECTING: &str = include_str!("../docs/protecting.md");
const SHADOW: &str = include_str!("../docs/shadow.md");
const TOKENS: &str = include_str!("../docs/tokens.md");
const README: &str = include_str!("../README.md");
const MARK: &str = "--- end of what the page does here ---";
/// Addresses in the page.
const ADDRESSES: [&str; 3] = ["127.0.0.1:50051", "127.0.0.1:8081", "127.0.0.1:10000"];

/// Largest number of times that a page's commands are run.
const ATTEMPTS: u32 = 5;

/// Commands of a page, and their documented output.
struct TourStep {
    commands: String,
    shown: String,
}

/// Returns the blocks of `sh` of a page, each with the block of `text` that follows.
fn steps(page: &str) -> Vec<TourStep> {
    let mut steps: Vec<TourStep> = Vec::new();
    for block in page.split("\n```").skip(1) {
        if let Some(commands) = block.strip_prefix("sh\n") {
            steps.push(TourStep { commands: commands.to_owned(), shown: String::new() });
        } else if let Some(shown) = block.strip_prefix("text\n") {
            shown.clone_into(&mut steps.last_mut().expect("commands come first").shown);
        }
    }
    steps
}

/// Returns true if a line matches the page.
fn fits(shown: &str, line: &str) -> bool {
    let Some((head, mut rest)) = shown.split_once('…') else { return shown == line };
    let Some(mut line) = line.strip_prefix(head) else { return false };
    while let Some((part, behind)) = rest.split_once('…') {
        let Some((_, after)) = line.split_once(part) else { return false };
        (line, rest) = (after, behind);
    }
    line.ends_with(rest)
}

/// Returns true if all lines match the page.
fn all_fit(shown: &[&str], lines: &[&str]) -> bool {
    match (shown, lines) {
        ([], lines) => lines.is_empty(),
        (["…", shown @ ..], lines) => (0..=lines.len()).any(|n| all_fit(shown, &lines[n..])),
        ([first, shown @ ..], [line, lines @ ..]) => fits(first, line) && all_fit(shown, lines),
        ([_, ..], []) => false,
    }
}

fn start(folder: &Folder, addresses: &[String]) -> Process {
    let mut command = Command::new(program());
    command.env_clear().args(["dev", "--envoy"]).arg("--envoy-binary").arg(tool("envoy"));
    let flags = ["--grpc-addr", "--http-addr", "--envoy-addr"];
    for (flag, place) in flags.iter().zip(addresses) {
        command.args([flag, place.as_str()]);
    }
    Process::start(&mut command, folder, "dev")
}

/// Returns the operator's key and the demo tenant's key, once the server is ready.
fn keys(dev: &mut Process) -> [String; 2] {
    eventually("latchkey dev is there", || {
        let log = dev.log();
        assert!(dev.ended().is_none(), "{log}");
        let printed = |label: &str| log.split(label).nth(1)?.split_whitespace().next().map(str::to_owned);
        if log.contains("Press Ctrl-C") {
            Some([printed("operator's key")?, printed("tenant \"demo\"")?])
        } else {
            None
        }
    })
}

/// Asserts that the commands of a page print what the page shows. On a busy machine, a call can miss the short deadlines of
/// `latchkey dev` and of its Envoy, so they are repeated from the start. A page that is wrong fails each time.
fn play(page: &str, name: &str, at_least: usize) {
    let steps = steps(page);
    assert!(steps.len() >= at_least, "{} steps", steps.len());
    let mut failures = Vec::new();
    for attempt in 0..ATTEMPTS {
        match try_to_play(&steps, &format!("{name}-{attempt}")) {
            Ok(()) => return,
            Err(failure) => failures.push(failure),
        }
    }
    panic!("{}", failures.join("\n\n"));
}

/// Runs the commands of a page in one shell, and compares what each prints with the page.
fn try_to_play(steps: &[TourStep], name: &str) -> Result<(), String> {
    let folder = Folder::new(name);
    let addresses = ADDRESSES.map(|_| format!("127.0.0.1:{}", free_port()));
    let mut dev = start(&folder, &addresses);
    let [operator, demo] = keys(&mut dev);
    let tools = [program(), tool("grpcurl")].map(|t| t.parent().expect("a folder").display().to_string());
    // The script does not inherit the environment's own settings, and replaces the page's addresses.
    let mut script = format!(
        "exec 2>&1; unset ${{!LATCHKEY_@}}; export PATH={}:$PATH LATCHKEY_SERVER=http://{} LATCHKEY_API_KEY={operator}\nKEY={demo}\n",
        tools.join(":"),
        addresses[0],
    );
    for step in steps {
        script.extend([step.commands.as_str(), "\necho '", MARK, "'\n"]);
    }
    let printed = run(&script, &addresses, &folder);
    let message: Vec<&str> = printed.split(MARK).collect();
    assert_eq!(message.len(), steps.len() + 1, "{printed}");
    for (step, message) in steps.iter().zip(message) {
        let lines: Vec<&str> = message.trim().lines().map(str::trim_end).collect();
        let shown: Vec<&str> = step.shown.trim().lines().collect();
        if !all_fit(&shown, &lines) {
            return Err(format!("{}\nprinted\n{message}\nand not\n{}", step.commands, step.shown));
        }
    }
    assert!(dev.end(Signal::TERM).success(), "{}", dev.log());
    Ok(())
}

/// Runs a script with the page's addresses and folder replaced, and returns what it prints.
fn run(script: &str, addresses: &[String], folder: &Folder) -> String {
    let script = ADDRESSES
        .iter()
        .zip(addresses)
        .fold(script.to_owned(), |script, (message, here)| script.replace(message, here));
    let script = script.replace("/tmp/my.", &format!("{}/my.", folder.path().display()));
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("HOME", folder.path())
        .output()
        .expect("bash starts");
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

#[test]
fn the_tour_goes_as_its_page_says() {
    play(TOUR, "tour", 9);
}

#[test]
fn the_requests_of_the_readme_get_the_responses_that_it_shows() {
    play(README, "readme", 4);
}

#[test]
fn an_api_is_protected_as_its_page_says() {
    play(PROTECTING, "protecting", 5);
}

#[test]
fn limits_and_plans_hold_as_their_page_says() {
    play(LIMITS, "limits", 4);
}

#[test]
fn a_denial_is_debugged_as_its_page_says() {
    play(DENIALS, "denials", 7);
}

#[test]
fn a_key_is_rotated_as_its_page_says() {
    play(ROTATION, "rotation", 3);
}

#[test]
fn keys_of_other_systems_are_imported_as_its_page_says() {
    play(MIGRATING, "migrating", 8);
}

#[test]
fn a_rule_is_tried_in_shadow_as_its_page_says() {
    play(SHADOW, "shadow", 4);
}

#[test]
fn tokens_are_issued_and_ended_as_their_page_says() {
    play(TOKENS, "tokens", 5);
}
