//! Documents with mistakes: all are reported together, each with its location.

use latchkey_profile::Profile;

/// Returns `line:column field` of every mistake, and the messages.
fn mistakes(document: &str) -> (Vec<String>, Vec<String>) {
    let errors = Profile::compile(document, 1).map(|_| ()).unwrap_err().0;
    let location = |e: &latchkey_profile::DocumentError| format!("{}:{} {}", e.line, e.column, e.field);
    (errors.iter().map(location).collect(), errors.iter().map(|e| e.message.clone()).collect())
}

/// Returns the only mistake of a document that starts with a valid name.
fn mistake(rest: &str) -> String {
    let document = format!("name = \"p\"\n{rest}");
    let errors = Profile::compile(&document, 1).map(|_| ()).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
    errors.to_string()
}

#[test]
fn all_mistakes_are_reported_together_with_their_locations() {
    let document = include_str!("../fixtures/mistakes.toml");
    let (places, messages) = mistakes(document);
    // Each line of the fixture with a mistake has a comment: the column, the field and a part of the message.
    let marked = document.lines().enumerate().filter_map(|(number, line)| {
        let (_, mark) = line.split_once("#! ")?;
        Some(mark.split("; ").map(move |m| (number + 1, m)).collect::<Vec<_>>())
    });
    let mut expected = Vec::new();
    for (line, mark) in marked.flatten() {
        let mut words = mark.splitn(3, ' ');
        let (column, field, word) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
        expected.push((format!("{line}:{column} {field}"), word.to_owned()));
    }
    let found: Vec<_> = places.into_iter().zip(messages).collect();
    for ((location, message), (expected_location, word)) in found.iter().zip(&expected) {
        assert_eq!(location, expected_location, "{message}");
        assert!(message.contains(word.as_str()), "{location}: {message} ({word})");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn a_syntax_error_has_a_location() {
    let (places, messages) = mistakes("name = \"p\"\nunmatched_routes = \nx = 1");
    assert_eq!(places, ["2:20 "]);
    assert!(messages[0].starts_with("not TOML: "), "{messages:?}");
    assert_eq!(mistakes("name = \"p\"\nname = \"q\"").0, ["2:1 "]);
}

#[test]
fn an_empty_document_has_no_name() {
    assert_eq!(mistakes(""), (vec!["1:1 ".to_owned()], vec!["the field \"name\" is missing".to_owned()]));
}

#[test]
fn a_document_of_more_than_a_mebibyte_is_not_read() {
    let long = format!("name = \"p\"\n#{}", "x".repeat(1024 * 1024));
    assert!(mistakes(&long).1[0].contains("the maximum is 1048576"));
    let deep = format!("a = {}", "[".repeat(100_000));
    assert!(mistakes(&deep).1[0].contains("not TOML"));
}

#[test]
fn invalid_profile_names_are_rejected() {
    for name in ["", "P", "a_b", "a b", "latchkey", &"x".repeat(64)] {
        assert!(Profile::compile(&format!("name = \"{name}\""), 1).is_err(), "{name}");
    }
    assert!(Profile::compile(&format!("name = \"{}\"", "x".repeat(63)), 1).is_ok());
}

#[test]
fn a_mistake_in_a_template_has_a_location() {
    let body = "[[denials]]\nbody = '''\n{\"a\":\"{{ tenant.name }}\"}'''";
    assert!(mistake(body).starts_with("line 4, column 10: denials[0].body: unknown name \"tenant.name\""));
    let filter = "[upstream_headers]\nx-a = \"{{ scopes | shout }}\"";
    assert!(
        mistake(filter).starts_with("line 3, column 20: upstream_headers.x-a: there is no filter \"shout\"")
    );
    for (template, word) in [
        ("{{ }}", "expected a name"),
        ("{{ scopes", "\"}}\""),
        ("{{ scopes | join }}", "other arguments"),
        ("{{ scopes | truncate('x') }}", "other arguments"),
        ("{{ scopes | default(\\\"x }}", "is not terminated"),
        ("{{ scopes upper }}", "\"}}\""),
        ("{{ metadata. }}", "unknown name"),
    ] {
        let message = mistake(&format!("[response_headers]\nx-a = \"{template}\""));
        assert!(message.contains(word), "{template}: {message}");
    }
}

#[test]
fn statuses_are_those_that_envoy_accepts() {
    let of =
        |status: &str| Profile::compile(&format!("name = \"p\"\n[[denials]]\nstatus = {status}"), 1).is_ok();
    assert!(["302", "401", "403", "429", "511"].iter().all(|s| of(s)));
    assert!(
        !["0", "200", "299", "306", "418", "420", "430", "509", "599", "-1", "4.5", "\"401\""]
            .iter()
            .any(|s| of(s))
    );
}

#[test]
fn the_number_of_reported_mistakes_is_limited() {
    let many = (0..5_000).map(|n| format!("unknown{n} = 1\n")).collect::<Vec<_>>().concat();
    let (places, messages) = mistakes(&many);
    assert_eq!(places.len(), 100);
    assert!(messages[99].contains("more mistakes"), "{}", messages[99]);
}

#[test]
fn a_misspelt_scope_is_reported_with_the_declared_ones_and_the_nearest() {
    let document =
        "[[scopes]]\nname = \"orders.read\"\n[[routes]]\npath = \"/orders\"\nscopes = [\"orders.raed\"]";
    let found = mistake(document);
    assert!(
        found.contains("\"orders.raed\" is not one of orders.read; did you mean orders.read?"),
        "{found}"
    );
}
