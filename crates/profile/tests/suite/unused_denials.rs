//! Warnings of lint about denials that answer no call, and about misspelt bindings in templates; names near a wrong one.

use latchkey_profile::{Profile, lint};

const KINDS: &str = "[[kinds]]\nname = \"secret\"\nprefix = \"k_\"\n[[kinds]]\nname = \"public\"\nprefix = \"pk_\"\n\
                     [resource]\nmerchant = \"header:x-merchant\"\n";

fn document(rest: &str) -> String {
    format!("name = \"p\"\n{KINDS}{rest}")
}

/// Returns the fields with warnings, and the warnings.
fn warnings(rest: &str) -> Vec<(String, String)> {
    let found = lint(&document(rest)).unwrap_or_else(|errors| panic!("{errors}")).1;
    found.into_iter().map(|warning| (warning.field.clone(), warning.message.clone())).collect()
}

fn denial(fields: &str) -> String {
    format!("[[denials]]\nstatus = 403\n{fields}\n")
}

#[test]
fn a_denial_behind_one_for_all_of_its_calls_is_named() {
    let scope = "reasons = [\"INSUFFICIENT_SCOPE\"]";
    for (first, second) in [
        (scope.to_owned(), scope.to_owned()),
        (scope.to_owned(), format!("{scope}\nkinds = [\"public\"]")),
        (format!("{scope}\nkinds = [\"public\", \"secret\"]"), format!("{scope}\nkinds = [\"public\"]")),
        (format!("{scope}\ncredential = \"token\""), format!("{scope}\ncredential = \"jwt\"")),
        (
            "credential = \"key\"\nheaders = { retry-after = \"1\" }".to_owned(),
            format!("{scope}\ncredential = \"key\""),
        ),
    ] {
        let found = warnings(&[denial(&first), denial(&second)].concat());
        let [(field, message)] = &found[..] else { panic!("{first} {second}: {found:#?}") };
        assert!(field == "denials[1].reasons[0]" && message.contains("denials[0] answers"), "{message}");
        let swapped = warnings(&[denial(&second), denial(&first)].concat());
        assert!(first == second || swapped.is_empty(), "{first} {second}: {swapped:#?}");
    }
    let both = "reasons = [\"EXPIRED\", \"INSUFFICIENT_SCOPE\"]";
    let found = warnings(&[denial(scope), denial(both)].concat());
    assert_eq!(found.iter().map(|(field, _)| &**field).collect::<Vec<_>>(), ["denials[1].reasons[1]"]);
    let partly =
        [format!("{scope}\nkinds = [\"public\"]"), format!("{scope}\nkinds = [\"secret\", \"public\"]")];
    assert_eq!(warnings(&partly.map(|fields| denial(&fields)).concat()), []);
}

#[test]
fn a_denial_for_calls_that_have_no_such_credential_is_named() {
    for (reason, fields, named) in [
        ("MISSING_CREDENTIAL", "kinds = [\"secret\"]", true),
        ("MISSING_CREDENTIAL", "credential = \"key\"", true),
        ("MISSING_CREDENTIAL", "credential = \"token\"", true),
        ("AMBIGUOUS_CREDENTIAL", "credential = \"jwt\"", true),
        ("AMBIGUOUS_CREDENTIAL", "credential = \"key\"", false),
        ("HOST_NOT_ALLOWED", "kinds = [\"secret\"]", true),
        ("EXPIRED", "kinds = [\"secret\"]", false),
        ("INVALID_CREDENTIAL", "kinds = [\"secret\"]", false),
    ] {
        let found = warnings(&denial(&format!("reasons = [\"{reason}\"]\n{fields}")));
        let words = |(field, message): &(String, String)| {
            field == "denials[0].reasons[0]" && message.contains("has such a credential")
        };
        assert_eq!(
            (found.len(), found.iter().all(words)),
            (usize::from(named), true),
            "{reason}: {found:#?}"
        );
    }
}

#[test]
fn a_misspelt_binding_in_a_template_is_named() {
    let header =
        |table: &str, binding: &str| format!("[{table}]\nx-shop = \"{{{{ bindings.{binding} }}}}\"\n");
    for table in ["upstream_headers", "response_headers"] {
        let found = warnings(&header(table, "merchent"));
        let [(field, message)] = &found[..] else { panic!("{found:#?}") };
        assert!(
            *field == format!("{table}.x-shop") && message.ends_with("did you mean \"merchant\"?"),
            "{message}"
        );
        assert_eq!(warnings(&header(table, "merchant")), []);
        assert_eq!(warnings(&header(table, "region")), [], "one that services name in their Checks");
    }
    let denied = denial("reasons = [\"EXPIRED\"]\nheaders = { x-shop = \"{{ bindings.Merchant }}\" }");
    let found = warnings(&denied);
    assert!(found.len() == 1 && found[0].0 == "denials[0].headers.x-shop", "{found:#?}");
}

#[test]
fn a_wrong_name_is_shown_with_the_nearest() {
    for (rest, hint) in [
        ("[[denials]]\nreasons = [\"EXPIRD\"]\n", "did you mean EXPIRED?"),
        ("[[denials]]\nkinds = [\"secrt\"]\n", "did you mean secret?"),
        ("[[denials]]\nkind = [\"secret\"]\n", "did you mean kinds?"),
        ("[[denials]]\nbody = \"{{ sujbect.name }}\"\n", "did you mean subject.name?"),
        ("[upstream_header]\nx-a = \"b\"\n", "did you mean upstream_headers?"),
    ] {
        let errors = Profile::compile(&document(rest), 1).map(|_| ()).unwrap_err();
        assert_eq!(errors.0.len(), 1, "{errors}");
        assert!(errors.to_string().contains(hint), "{hint}: {errors}");
    }
}

#[test]
fn each_field_of_a_table_is_listed_once() {
    let errors =
        Profile::compile(&document("[[errors]]\ncode = 1\n"), 1).map(|_| ()).unwrap_err().to_string();
    assert!(
        errors.contains("the fields here are: codes, status, headers, body; did you mean codes?"),
        "{errors}"
    );
}
