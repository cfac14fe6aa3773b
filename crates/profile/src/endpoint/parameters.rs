//! Query parameters of an endpoint's call that the endpoint does not read.

use super::unknown;
use crate::source::other_parameters;

/// Query parameters that an endpoint does not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OtherParameters {
    /// Refuses them.
    Refuse {
        /// Names, in lower case, of the parameters that the endpoint or the rest of the profile reads.
        except: Vec<Box<str>>,
    },
    /// Ignores them.
    Ignore,
}

/// Returns a sentence for each parameter of a query that nothing reads. Without a misspelt parameter, the call would do
/// something else than its sender asked for.
pub(super) fn mistakes(others: &OtherParameters, query: &str) -> Vec<String> {
    let OtherParameters::Refuse { except } = others else { return Vec::new() };
    let found = other_parameters(query, except);
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    let known: Vec<&str> = except.iter().map(|name| &**name).collect();
    unknown::sentences("query parameter", &found, &known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes_of(names: &[&str], query: &str) -> String {
        let except = names.iter().map(|&name| name.into()).collect();
        mistakes(&OtherParameters::Refuse { except }, query).join(" ")
    }

    #[test]
    fn an_unknown_parameter_is_named_with_those_that_exist() {
        let names = ["environment", "shop"];
        for query in [
            "",
            "&",
            "environment=test",
            "ENVIRONMENT=test&shop=",
            "shop[]=a&s%68op=b",
            "shop=a;b",
            "shop=a#b",
        ] {
            assert_eq!(mistakes_of(&names, query), "", "{query}");
        }
        for (query, expected) in [
            (
                "enviroment=test",
                r#""enviroment" is not a query parameter of this call; did you mean "environment"?"#,
            ),
            (
                "shop=a&page=2&page=3",
                r#""page" is not a query parameter of this call; the query parameters are environment, shop."#,
            ),
            (
                "%70age",
                r#""page" is not a query parameter of this call; the query parameters are environment, shop."#,
            ),
            (
                "=1",
                r#""" is not a query parameter of this call; the query parameters are environment, shop."#,
            ),
        ] {
            assert_eq!(mistakes_of(&names, query), expected, "{query}");
        }
        assert_eq!(mistakes_of(&[], "a"), r#""a" is not a query parameter of this call; it has none."#);
        assert_eq!(mistakes(&OtherParameters::Ignore, "page=2"), Vec::<String>::new());
    }

    #[test]
    fn a_query_of_many_unknown_parameters_has_a_short_error() {
        let many: Vec<String> = (0..20_000).map(|n| format!("p{n}")).collect();
        let text = mistakes_of(&["shop"], &many.join("&"));
        assert!(text.len() < 600 && text.ends_with("19995 more query parameters are unknown."), "{text}");
        assert!(mistakes_of(&["shop"], &"x".repeat(10_000)).len() < 300);
    }
}
