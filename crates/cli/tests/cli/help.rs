//! Help texts: every command, former names of commands and settings, exit codes.

use super::{run, text};

#[test]
fn every_command_explains_itself() {
    let commands = "serve|dev|migrate|migrate up|migrate down|migrate status|rewrap|apply|tenant|tenant create|tenant get\
                    |tenant list|tenant update|tenant suspend|tenant resume|key|key create|key get|key list|key update\
                    |key rotate|key revoke|key publishable|key usage|key import|profile|profile show|profile list\
                    |profile versions|profile diff|profile rollback\
                     |profile lint|profile test|audit list|audit verify|audit export|check|user|user create|user list\
                     |user update|user set-password|user disable|jwt|jwt issue|jwt refresh|jwt revoke|jwt inspect\
                     |signing-key|signing-key list|signing-key rotate|signing-key withdraw|doctor|envoy-config\
                    |completions";
    for command in commands.split('|') {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let output = run(&arguments);
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(command.matches(' ').count() == 0 || help.contains("Example"), "{command}: {help}");
        assert!(help.contains("Usage: latchkey") && help.lines().count() > 5, "{command}: {help}");
    }
}

#[test]
fn former_words_are_understood_and_not_shown() {
    for (former, command, flag) in
        [("reseal --forget", "rewrap", "--discard-unreadable"), ("check --spend", "check", "--charge")]
    {
        let words: Vec<&str> = former.split(' ').chain(["--help"]).collect();
        let output = run(&words);
        let help = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{former}: {}", text(&output.stderr));
        assert!(help.contains(&format!("latchkey {command}")) && help.contains(flag), "{help}");
        assert!(former.split(' ').all(|word| word == command || !help.contains(word)), "{help}");
    }
    let help = text(&run(&["serve", "--help"]).stdout);
    for setting in latchkey_config::definitions::ALL.iter().filter(|setting| !setting.aliases.is_empty()) {
        let flags: Vec<String> = setting.names().iter().map(|name| format!("--{}", name.flag())).collect();
        assert!(flags[1..].iter().all(|flag| !help.contains(&format!("{flag} "))), "{flags:?}");
        let value = setting.default.unwrap();
        let words: Vec<&str> =
            ["serve"].into_iter().chain(flags.iter().flat_map(|flag| [flag.as_str(), value])).collect();
        let output = run(&words);
        let complaint = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(flags.iter().all(|flag| complaint.contains(flag.as_str())), "{flags:?}: {complaint}");
    }
}

#[test]
fn help_names_the_exit_codes_and_every_setting() {
    assert!(text(&run(&["--help"]).stdout).contains("3  check: denied"));
    let help = text(&run(&["serve", "--help"]).stdout);
    for setting in latchkey_config::definitions::ALL {
        assert!(
            help.contains(&format!("--{}", setting.flag())) && help.contains(setting.variable),
            "{}",
            setting.key
        );
    }
}
