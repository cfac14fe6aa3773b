//! Answers to calls that no route takes: 404 for a path, 405 for a method.

use latchkey_core::decision::DecisionContext;
use latchkey_core::profile_change::ChangeEffect;
use latchkey_core::reason::Reason;
use latchkey_profile::{CaseResult, Profile, diff, lint};

use crate::support::{denied, header, profile};

const AFTER: &str = "route_errors = \"after_authentication\"\n";
const BEFORE: &str = "route_errors = \"before_authentication\"\n";
const DENIAL: &str = "[[denials]]\nreasons = [\"METHOD_NOT_ALLOWED\"]\n";

/// Returns a document with these fields at its top, and these tables at its end.
fn document(fields: &str, tables: &str) -> String {
    format!(
        "name = \"p\"\n{fields}[credential]\nsources = [\"header:x-api-key\"]\n[[kinds]]\nname = \"k\"\nprefix = \"k_\"\n\
         [[routes]]\nmethods = [\"GET\", \"POST\"]\npath = \"/v1/orders/{{id}}.json\"\n\
         [[routes]]\nmethods = [\"OPTIONS\"]\npath = \"/v1/**\"\npublic = true\n{tables}"
    )
}

/// Returns an example of a request with a key, or without a credential.
fn example(request: &str, key: bool, expected: &str) -> String {
    let sender = if key { "as = {}\nheaders = { x-api-key = \"{{ key }}\" }\n" } else { "" };
    format!(
        "[[examples]]\nname = \"{request} {key}\"\nrequest = \"{request}\"\n{sender}expect = {{ {expected} }}\n"
    )
}

fn run_examples(document: &str) {
    for result in profile(document).run_examples() {
        let CaseResult::Done(outcome) = result else { panic!("an endpoint") };
        assert!(outcome.failures.is_empty(), "{}: {:?}", outcome.name, outcome.failures);
    }
}

#[test]
fn a_caller_with_a_key_gets_a_404_or_a_405_with_the_methods() {
    let allow = "status = 405, headers = { allow = \"GET, HEAD, POST, OPTIONS\" }";
    let examples = [
        example("GET /v1/orders/7.json", true, "status = 200"),
        example("OPTIONS /v1/nothing", false, "status = 200"),
        example("DELETE /v1/orders/7.json", true, allow),
        example("DELETE /v1/orders/7.json?page=2", true, allow),
        example("GET /v1/nothing", true, "status = 404, headers = { allow = \"\" }"),
        example("GET /v2", true, "status = 404, headers = { allow = \"\" }"),
        example("GET /V1/orders/7.json", true, "status = 403"),
        example("DELETE /v1/orders/7.json", false, "status = 401, headers = { allow = \"\" }"),
        example("GET /v2", false, "status = 401"),
    ];
    run_examples(&document(AFTER, &examples.concat()));
}

#[test]
fn every_caller_gets_them_where_the_document_says_so() {
    let examples = [
        example(
            "DELETE /v1/orders/7.json",
            false,
            "status = 405, headers = { allow = \"GET, HEAD, POST, OPTIONS\" }",
        ),
        example("GET /v2", false, "status = 404"),
        example("GET /v1/orders/7.json", false, "status = 401"),
    ];
    run_examples(&document(BEFORE, &examples.concat()));
}

#[test]
fn a_document_without_the_field_answers_as_before() {
    let examples = [
        example("DELETE /v1/orders/7.json", true, "status = 403, headers = { allow = \"\" }"),
        example("GET /v2", true, "status = 403"),
        example("GET /v2", false, "status = 401"),
    ];
    for fields in ["", "route_errors = \"forbidden\"\n"] {
        run_examples(&document(fields, &examples.concat()));
    }
}

#[test]
fn the_products_own_answer_has_its_status_its_body_and_the_methods() {
    let own = "status = 405\nheaders = { content-type = \"application/json\" }\n\
               body = '{\"allowed\":{{ allowed_methods | json }},\"text\":\"{{ allowed_methods | join(\"/\") }}\"}'\n";
    let other = "[[denials]]\nbody = 'x{{ allowed_methods }}'\n";
    let body = r#"{"allowed":["GET","HEAD","POST","OPTIONS"],"text":"GET/HEAD/POST/OPTIONS"}"#;
    let expected =
        format!("status = 405, body = '{body}', headers = {{ allow = \"GET, HEAD, POST, OPTIONS\" }}");
    let examples = [
        example("DELETE /v1/orders/7.json", true, &expected),
        example("DELETE /v1/orders/7.json", false, "status = 401, body = 'x'"),
        example("GET /v2", true, "status = 404, body = 'x'"),
    ];
    run_examples(&document(AFTER, &[DENIAL, own, other, &examples.concat()].concat()));
    let hidden =
        [DENIAL, "status = 404\nbody = 'no'\n", &example("PUT /v1/orders/7.json", true, "status = 404")]
            .concat();
    run_examples(&document(AFTER, &hidden));
    let set = example("PUT /v1/orders/7.json", true, "status = 405, headers = { allow = \"GET\" }");
    run_examples(&document(AFTER, &[DENIAL, "headers = { allow = \"GET\" }\n", &set].concat()));
}

#[test]
fn problem_details_name_the_status() {
    let profile = profile(&document(AFTER, ""));
    for (reason, status, title) in
        [(Reason::RouteNotFound, 404, "Not Found"), (Reason::MethodNotAllowed, 405, "Method Not Allowed")]
    {
        let (sent, headers, body) = denied(&profile, reason, &DecisionContext::default());
        assert_eq!((sent, header(&headers, "content-type")), (status, Some("application/problem+json")));
        assert!(body.contains(&format!("\"title\":\"{title}\",\"status\":{status}")), "{body}");
    }
}

#[test]
fn a_reason_that_no_call_has_is_a_mistake() {
    for reason in ["ROUTE_NOT_FOUND", "METHOD_NOT_ALLOWED"] {
        let denial = format!("[[denials]]\nreasons = [\"{reason}\"]\n");
        let errors = Profile::compile(&document("", &denial), 1).map(|_| ()).unwrap_err().to_string();
        assert!(errors.contains(reason) && errors.contains("route_errors"), "{errors}");
        assert!(Profile::compile(&document(AFTER, &denial), 1).is_ok());
    }
    let errors = Profile::compile(&document("route_errors = \"404\"\n", DENIAL), 1).map(|_| ()).unwrap_err();
    assert_eq!((errors.0.len(), errors.0[0].field.as_str()), (1, "route_errors"), "{errors}");
}

#[test]
fn answers_that_contradict_the_field_are_named() {
    let warnings = |document: &str| {
        let found = lint(document).unwrap_or_else(|errors| panic!("{errors}")).1;
        let all = found.iter().map(ToString::to_string);
        all.filter(|text| text.contains("denials[")).collect::<Vec<String>>()
    };
    let one = |document: &str, words: &str| {
        let found = warnings(document);
        assert!(found.len() == 1 && found[0].contains(words), "{words}: {found:#?}");
    };
    let every = "[[denials]]\nstatus = 403\nheaders = { retry-after = \"1\" }\n";
    let unknown = "[[denials]]\nreasons = [\"ROUTE_NOT_FOUND\"]\n";
    one(&document(AFTER, every), "answers ROUTE_NOT_FOUND and METHOD_NOT_ALLOWED with 403");
    assert_eq!(warnings(&document("", every)), Vec::<String>::new());
    let fields = [AFTER, "unmatched_routes = \"authenticate\"\n"].concat();
    assert_eq!(warnings(&document(&fields, unknown)), Vec::<String>::new(), "paths of the preflights");
    let without_preflights = |tables: &str| document(&fields, tables).replace("OPTIONS", "PUT");
    one(&without_preflights(every), "answers METHOD_NOT_ALLOWED with 403");
    one(&without_preflights(unknown), "no call is denied with ROUTE_NOT_FOUND");
    let method = "[[denials]]\nreasons = [\"ROUTE_NOT_ALLOWED\"]\nstatus = 405\n";
    one(&document("", method), "a 405 without allow");
    let named = [method, "headers = { Allow = \"GET\" }\n"].concat();
    assert_eq!(warnings(&document("", &named)), Vec::<String>::new());
    assert_eq!(warnings(&document(AFTER, &[DENIAL, "status = 405\n"].concat())), Vec::<String>::new());
}

#[test]
fn the_field_changes_answers_alone() {
    let changes = diff(Some(&document("", "")), &document(AFTER, "")).unwrap();
    let [change] = &changes[..] else { panic!("one change: {changes:?}") };
    assert_eq!((change.effect, change.field.as_str()), (ChangeEffect::AnswerChanges, "route_errors"));
}
