//! Changes to documents that tests start from. A change that finds nothing to change ends the test: otherwise
//! the test would run with the unchanged document.

use toml::{Table, Value};

/// A profile document, changed value by value.
///
/// A path names keys with dots between them. In brackets behind a list is an index, or the `name` of an element:
/// `rate_limits.default[0].rate`, `kinds[secret].prefixes.live`.
#[derive(Clone, Debug)]
pub struct ProfileBuilder(Value);

/// Step of a path: a key, an index or a name.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
    Name(&'a str),
}

impl ProfileBuilder {
    /// Starts from a whole document.
    #[must_use]
    pub fn from_document(document: &str) -> Self {
        let table = toml::from_str::<Table>(document);
        Self(Value::Table(table.unwrap_or_else(|error| panic!("the document is no TOML: {error}"))))
    }

    /// Replaces a value; panics if there is none at the path.
    #[must_use]
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        let old = steps(path).iter().try_fold(&mut self.0, |value, step| descend(value, *step));
        *old.unwrap_or_else(|| panic!("{path} is not in the document")) = value.into();
        self
    }

    /// Adds a key to a table; panics if there is no such table, or if it has the key already.
    #[must_use]
    pub fn add(mut self, path: &str, value: impl Into<Value>) -> Self {
        let (table, key) = self.parent(path);
        let before = table.insert(key.to_owned(), value.into());
        assert!(before.is_none(), "{path} is in the document already");
        self
    }

    /// Removes a key and its value; panics if there is none at the path.
    #[must_use]
    pub fn remove(mut self, path: &str) -> Self {
        let _ = self.take(path);
        self
    }

    /// Gives a value another key in the same table; panics if there is none at the path, or if the table has the
    /// other key already.
    #[must_use]
    pub fn rename(mut self, path: &str, key: &str) -> Self {
        let value = self.take(path);
        let before = self.parent(path).0.insert(key.to_owned(), value);
        assert!(before.is_none(), "there is a {key} beside {path} already");
        self
    }

    /// Returns the document's text.
    #[must_use]
    pub fn build(&self) -> String {
        toml::to_string(&self.0).expect("what was read as TOML can be written as TOML")
    }

    fn take(&mut self, path: &str) -> Value {
        let (table, key) = self.parent(path);
        table.remove(key).unwrap_or_else(|| panic!("{path} is not in the document"))
    }

    /// Returns the table that holds the last key of a path, and that key.
    fn parent<'a>(&mut self, path: &'a str) -> (&mut Table, &'a str) {
        let mut steps = steps(path);
        let Some(Step::Key(key)) = steps.pop() else { panic!("{path} ends with no key") };
        let table = steps.iter().try_fold(&mut self.0, |value, step| descend(value, *step));
        let table = table.and_then(Value::as_table_mut);
        (table.unwrap_or_else(|| panic!("no table holds {path}")), key)
    }
}

/// Splits a path into its steps. A name in brackets may contain dots.
fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(bracketed) = rest.strip_prefix('[') {
            let (inner, after) =
                bracketed.split_once(']').unwrap_or_else(|| panic!("{path}: a bracket is open"));
            steps.push(inner.parse().map_or(Step::Name(inner), Step::Index));
            rest = after;
        } else {
            let key = rest.strip_prefix('.').unwrap_or(rest);
            let end = key.find(['.', '[']).unwrap_or(key.len());
            steps.push(Step::Key(&key[..end]));
            rest = &key[end..];
        }
    }
    steps
}

fn descend<'a>(value: &'a mut Value, step: Step<'_>) -> Option<&'a mut Value> {
    match step {
        Step::Key(key) => value.as_table_mut()?.get_mut(key),
        Step::Index(index) => value.as_array_mut()?.get_mut(index),
        Step::Name(name) => {
            let named = |element: &&mut Value| element.get("name").and_then(Value::as_str) == Some(name);
            value.as_array_mut()?.iter_mut().find(named)
        }
    }
}

/// Replaces a piece of a text; panics unless it is there exactly once. For documents that are no profiles, such as
/// those that the program prints.
#[must_use]
pub fn replace_once(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "{from:?} is not exactly once in:\n{text}");
    text.replace(from, to)
}

/// Fills in the variables of a dashboard's query as Grafana does, for every instance and profile.
#[must_use]
pub fn dashboard_query(query: &str) -> String {
    let filled = query.replace("$__rate_interval", "1m").replace("$instance", ".*").replace("$profile", ".*");
    assert!(!filled.contains('$'), "{filled}");
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"
        name = "p"
        [[kinds]]
        name = "secret"
        prefixes = { live = "s_" }
        [[kinds]]
        name = "publishable.v1"
        [rate_limits]
        default = [{ per = "key", rate = "1/min" }]
    "#;

    fn document() -> ProfileBuilder {
        ProfileBuilder::from_document(DOCUMENT)
    }

    #[test]
    fn values_change_at_their_paths_and_all_the_rest_stays() {
        let changed = document()
            .set("rate_limits.default[0].rate", "2/min")
            .set("kinds[secret].prefixes.live", "t_")
            .add("kinds[publishable.v1].checksum", true)
            .rename("name", "title")
            .build();
        let expected = DOCUMENT.replace("name = \"p\"", "title = \"p\"").replace("1/min", "2/min");
        let expected = expected.replace("s_", "t_");
        let expected = expected.replace("\"publishable.v1\"", "\"publishable.v1\"\nchecksum = true");
        assert_eq!(toml::from_str::<Table>(&changed), toml::from_str::<Table>(&expected));
        let same = document().add("enforce", "shadow").remove("enforce").build();
        assert_eq!(toml::from_str::<Table>(&same), toml::from_str::<Table>(DOCUMENT));
    }

    #[test]
    #[should_panic(expected = "rate_limits.default[1].rate is not in the document")]
    fn a_missing_field_cannot_be_replaced() {
        let _ = document().set("rate_limits.default[1].rate", "2/min");
    }

    #[test]
    #[should_panic(expected = "kinds[secret].secret is not in the document")]
    fn a_missing_field_cannot_be_removed() {
        let _ = document().remove("kinds[secret].secret");
    }

    #[test]
    #[should_panic(expected = "name is in the document already")]
    fn a_present_field_cannot_be_added() {
        let _ = document().add("name", "q");
    }

    #[test]
    #[should_panic(expected = "is not exactly once")]
    fn a_text_that_is_there_twice_is_not_replaced() {
        let _ = replace_once("a b a", "a", "c");
    }
}
