//! Examples of every command, shown at the end of its `--help`. A test compares the table with the commands of the
//! program.

use clap::Command;

const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "serve",
        &[
            "latchkey serve",
            "latchkey serve --config /etc/latchkey/latchkey.toml",
            "latchkey serve --grpc-addr 0.0.0.0:50051 --tls-cert cert.pem --tls-key key.pem",
        ],
    ),
    ("dev", &["latchkey dev", "latchkey dev --envoy"]),
    ("migrate up", &["latchkey migrate up --database-url-file /run/secrets/database_url"]),
    ("migrate down", &["latchkey migrate down --steps 1"]),
    ("migrate status", &["latchkey migrate status"]),
    (
        "rewrap",
        &[
            "latchkey rewrap --master-key-file /run/secrets/new_key --previous-master-keys-file /run/secrets/old_key",
        ],
    ),
    (
        "apply",
        &[
            "latchkey apply -f profiles/paykore.toml",
            "latchkey apply --dry-run -f profiles/",
            "latchkey apply --yes --comment 'refunds for partners' -f profiles/paykore.toml",
        ],
    ),
    ("tenant create", &["latchkey tenant create acme --profile paykore --plan starter"]),
    ("tenant get", &["latchkey tenant get acme"]),
    ("tenant list", &["latchkey tenant list --name acme --order-by slug --output json"]),
    ("tenant update", &["latchkey tenant update acme --rate-limit default='key 100/min; tenant 1000/min'"]),
    ("tenant suspend", &["latchkey tenant suspend acme --reason 'unpaid since June'"]),
    ("tenant resume", &["latchkey tenant resume acme"]),
    ("tenant delete", &["latchkey tenant delete acme", "latchkey tenant delete acme --yes"]),
    (
        "key create",
        &[
            "latchkey key create --tenant acme --name api-server --scope payments.read",
            "latchkey key create --tenant acme --name ci --expires 2027-01-31 --secret-only > ci.key",
        ],
    ),
    ("key get", &["latchkey key get key_01…"]),
    (
        "key list",
        &[
            "latchkey key list --tenant acme --state active",
            "latchkey key list --all-tenants --hint 7f3a",
            "latchkey key list --tenant acme --last-used-before 2026-06-01 --never-used --order-by last_used",
        ],
    ),
    ("key update", &["latchkey key update key_01… --name api-server-2"]),
    (
        "key rotate",
        &["latchkey key rotate key_01… --overlap 24h", "latchkey key rotate key_01… --ttl 90d --yes"],
    ),
    (
        "key revoke",
        &[
            "latchkey key revoke key_01… --reason 'seen in a log'",
            "latchkey key revoke --all --tenant acme --unused-since 2026-01-01 --dry-run",
        ],
    ),
    (
        "key disable",
        &["latchkey key disable key_01…", "latchkey key disable --all --tenant acme --kind secret"],
    ),
    ("key delete", &["latchkey key delete key_01…", "latchkey key delete key_01… --force --yes"]),
    ("key usage", &["latchkey key usage key_01…", "latchkey key usage key_01… --minutes 5"]),
    ("key publishable", &["latchkey key publishable --tenant acme"]),
    (
        "key import",
        &[
            "latchkey key import keys.csv --tenant acme --scope orders.read --dry-run",
            "latchkey key import key-auths.json --from kong --tenant acme",
        ],
    ),
    (
        "operator create",
        &[
            "latchkey operator create --name Ada --role support --ttl 90d",
            "latchkey operator create --name dashboard --role read --secret-file dashboard.key",
        ],
    ),
    ("operator list", &["latchkey operator list --state active"]),
    ("operator revoke", &["latchkey operator revoke key_01… --reason 'has left'"]),
    ("whoami", &["latchkey whoami"]),
    (
        "profile show",
        &["latchkey profile show paykore > paykore.toml", "latchkey profile show paykore --version 3"],
    ),
    ("profile list", &["latchkey profile list"]),
    ("profile delete", &["latchkey profile delete paykore", "latchkey profile delete paykore --force"]),
    ("profile versions", &["latchkey profile versions paykore"]),
    (
        "profile diff",
        &[
            "latchkey profile diff profiles/paykore.toml",
            "latchkey profile diff profiles/paykore.toml --against 3",
            "latchkey profile diff old.toml new.toml",
        ],
    ),
    (
        "profile rollback",
        &["latchkey profile rollback paykore", "latchkey profile rollback paykore --to 3 --dry-run"],
    ),
    ("profile secret set", &["latchkey profile secret set paykore old-system --file hmac.key"]),
    ("profile secret list", &["latchkey profile secret list"]),
    ("profile secret delete", &["latchkey profile secret delete paykore old-system"]),
    ("profile lint", &["latchkey profile lint profiles/"]),
    ("profile test", &["latchkey profile test profiles/paykore.toml"]),
    ("user create", &["latchkey user create ada@example.com --tenant acme --role admin --password-file -"]),
    ("user list", &["latchkey user list --all-tenants --email ada@"]),
    ("user update", &["latchkey user update user_01… --role viewer"]),
    ("user set-password", &["latchkey user set-password user_01… --password-file -"]),
    ("user disable", &["latchkey user disable user_01…"]),
    ("user delete", &["latchkey user delete user_01…"]),
    ("jwt issue", &["LATCHKEY_API_KEY=sk_live_… latchkey jwt issue --scope payments.read"]),
    ("jwt refresh", &["latchkey jwt refresh --token-file refresh.txt"]),
    ("jwt revoke", &["latchkey jwt revoke --token-file refresh.txt"]),
    ("jwt inspect", &["latchkey jwt inspect --token-file access.txt"]),
    ("signing-key list", &["latchkey signing-key list"]),
    ("signing-key rotate", &["latchkey signing-key rotate luxcore --lead 15m"]),
    ("signing-key withdraw", &["latchkey signing-key withdraw KEY_ID"]),
    (
        "usage",
        &[
            "latchkey usage --tenant acme --since 2026-11-01",
            "latchkey usage --top tenants --limit 20",
            "latchkey usage --top keys --minutes 5",
        ],
    ),
    (
        "audit list",
        &[
            "latchkey audit list --tenant acme --since 2026-11-01",
            "latchkey audit list --actor key_01… --action key.revoke",
        ],
    ),
    ("audit verify", &["latchkey audit verify"]),
    ("shadow report", &["latchkey shadow report --profile paykore --since 2026-11-01"]),
    ("audit export", &["latchkey audit export --since 2026-01-01 > audit.jsonl"]),
    (
        "check",
        &[
            "latchkey check sk_live_… --method GET --path /v1/wallets",
            "latchkey check --credential-file - --path /v1/wallets < key.txt",
        ],
    ),
    (
        "doctor",
        &[
            "latchkey doctor --config /etc/latchkey/latchkey.toml",
            "latchkey doctor --envoy-only --envoy envoy.yaml --profile profiles/paykore.toml",
            "latchkey doctor --envoy http://127.0.0.1:9901 --output json",
        ],
    ),
    ("health", &["latchkey health", "latchkey health --config /etc/latchkey/latchkey.toml --live"]),
    ("man", &["latchkey man /usr/local/share/man/man1"]),
    (
        "envoy-config",
        &[
            "latchkey envoy-config profiles/paykore.toml --upstream 10.0.0.7:8080 > envoy.yaml",
            "latchkey envoy-config paykore --latchkey latchkey.internal:50051 --latchkey-ca /etc/envoy/ca.pem",
            "latchkey envoy-config profiles/paykore.toml --timeout 450ms > envoy.yaml",
        ],
    ),
    (
        "completions",
        &[
            "latchkey completions bash > /etc/bash_completion.d/latchkey",
            "latchkey completions zsh > ~/.zfunc/_latchkey",
            "latchkey completions fish > ~/.config/fish/completions/latchkey.fish",
        ],
    ),
];

/// Returns the command line with the examples in the help of each command.
pub(crate) fn with_examples(command: Command) -> Command {
    EXAMPLES.iter().fold(command, |command, (path, lines)| {
        let word = if lines.len() == 1 { "Example" } else { "Examples" };
        add(command, path, &format!("{word}:\n  {}", lines.join("\n  ")))
    })
}

fn add(command: Command, path: &str, text: &str) -> Command {
    // `mut_subcommand` would add a command that does not exist; the test below finds that.
    match path.split_once(' ') {
        Some((first, rest)) => command.mut_subcommand(first, |inner| add(inner, rest, text)),
        None => command.mut_subcommand(path, |inner| inner.after_help(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::args::Cli;

    fn leaves(command: &Command, path: &str, all: &mut Vec<String>) {
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name()).trim_start().to_owned();
            if inner.has_subcommands() { leaves(inner, &path, all) } else { all.push(path) }
        }
    }

    #[test]
    fn every_command_has_an_example_that_can_be_parsed() {
        let mut commands = Vec::new();
        leaves(&Cli::command(), "", &mut commands);
        let missing: Vec<_> =
            commands.iter().filter(|path| !EXAMPLES.iter().any(|(have, _)| have == path)).collect();
        assert!(missing.is_empty(), "no example for {missing:?}: add a row to EXAMPLES");
        for (path, lines) in EXAMPLES {
            assert!(commands.iter().any(|have| have == path), "there is no command {path}");
            for line in *lines {
                let said = line.split(['<', '>']).next().unwrap().replace("'default=", "default=");
                let words = words(&said);
                let words = words.iter().skip_while(|word| *word != "latchkey");
                assert!(Cli::command().try_get_matches_from(words).is_ok(), "{line}");
            }
        }
    }

    /// Splits a line into words as a shell does, as far as the examples need it.
    fn words(line: &str) -> Vec<String> {
        let (mut words, mut quoted) = (vec![String::new()], false);
        for character in line.trim().chars() {
            match character {
                '\'' => quoted = !quoted,
                ' ' if !quoted => words.push(String::new()),
                other => words.last_mut().unwrap().push(other),
            }
        }
        words
    }
}
