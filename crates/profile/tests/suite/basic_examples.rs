//! Examples with Basic credentials.

use latchkey_profile::{CaseResult, Profile};

use crate::support::profile;

const DOCUMENT: &str = r#"
name = "p"
[credential]
sources = ["basic:password"]
[resource]
account = "basic:username"
[[kinds]]
name = "token"
prefix = "t_"
[[routes]]
path = "/accounts/{account}/messages.json"
resource = { account = "{account}" }
"#;

fn example(fields: &str) -> String {
    format!("{DOCUMENT}[[examples]]\nname = \"e\"\nrequest = \"GET /accounts/a_1/messages.json\"\n{fields}")
}

#[test]
fn an_example_sends_a_key_as_a_part_of_basic_credentials() {
    for (basic, status) in
        [("a_1:{{ key }}", 200), ("a_2:{{ key }}", 403), ("a_1:t_x", 401), ("{{ key }}:", 401)]
    {
        let sender = "as = { bindings = { account = \"a_1\" } }\n";
        let document = example(&format!("basic = \"{basic}\"\n{sender}expect = {{ status = {status} }}\n"));
        for result in profile(&document).run_examples() {
            let CaseResult::Done(outcome) = result else { panic!("an endpoint") };
            assert!(outcome.failures.is_empty(), "{basic}: {:?}", outcome.failures);
        }
    }
}

#[test]
fn a_mistake_in_basic_credentials_is_reported() {
    let expected = "expect = { status = 200 }\n";
    for (fields, words) in [
        ("basic = \"{{ key }}\"\n", "write the user name, a colon and the password"),
        ("basic = \":{{ kee }}\"\n", "unknown name"),
        ("basic = \"a:b\"\nheaders = { Authorization = \"Bearer x\" }\n", "leave out one of them"),
    ] {
        let errors = Profile::compile(&example(&format!("{fields}{expected}")), 1).map(|_| ()).unwrap_err();
        assert!(errors.0.len() == 1 && errors.0[0].field == "examples[0].basic", "{errors}");
        assert!(errors.to_string().contains(words), "{words}: {errors}");
    }
}
