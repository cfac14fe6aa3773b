//! `[[examples]]`: requests with the responses that the document expects for them. Their form is checked when a
//! document is applied. They are run only by tests of the document and have no effect on calls.

mod parts;

use latchkey_core::policy::Policy;

use self::parts::sender;
use crate::contract::FieldType;
use crate::examples::{Example, ExpectedResponse, FIXTURE_NAMES};
use crate::reader::{Section, Text, Value};
use crate::template::{EndpointName, Name, NameResolver, Template};

/// Maximum number of examples. Each uses memory on every replica where the document is in force.
const MAX_EXAMPLES: usize = 200;
/// Maximum number of times that an example's request is sent.
const MAX_REPEATS: u64 = 10_000;

/// Reads the examples in the order of their declaration.
pub(super) fn read(root: &mut Section<'_>, policy: &Policy) -> Vec<Example> {
    let mut examples = Vec::new();
    for mut section in root.sections("examples") {
        let example = example(&mut section, policy);
        section.close();
        examples.extend(example);
    }
    if examples.len() > MAX_EXAMPLES {
        root.report(format!("{} examples are more than {MAX_EXAMPLES}", examples.len()));
    }
    examples
}

fn example(section: &mut Section<'_>, policy: &Policy) -> Option<Example> {
    let name = section.required_text("name");
    let request = section.required_text("request").and_then(|text| request(&text));
    let host = section.text("host").map(|text| text.value.into()).unwrap_or_default();
    let headers = section.section("headers").map(|table| table.entries()).unwrap_or_default();
    let headers = headers
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_ascii_lowercase().into(), template(&value.text()?)?)));
    let headers: Vec<(Box<str>, Template)> = headers.collect();
    let basic = section.text("basic");
    if let Some(text) = &basic {
        check_basic(text, &headers);
    }
    let basic = basic.and_then(|text| template(&text));
    let body = section.text("body").and_then(|text| template(&text));
    let sender = section
        .value_or_alias("as", "who")
        .and_then(|value| value.section())
        .map(|part| sender(part, policy));
    let existing_keys = section.value_or_alias("existing_keys", "others").and_then(|value| value.list());
    let existing_keys = existing_keys
        .iter()
        .flatten()
        .filter_map(Value::section)
        .map(|part| parts::key(part, policy))
        .collect();
    let repeat = repeat(section);
    let expected = section.section("expect").map(expected);
    if expected.is_none() {
        section.report("the field \"expect\" is missing");
    }
    let (method, target) = request?;
    let expected = expected?;
    Some(Example {
        name: name?.value.into(),
        method,
        target,
        host,
        headers,
        basic,
        body,
        sender,
        existing_keys,
        repeat,
        expected,
    })
}

/// Reads `METHOD /path?query`.
fn request(text: &Text<'_>) -> Option<(Box<str>, Template)> {
    let parts = text.split_once(' ').filter(|(method, target)| !method.is_empty() && target.starts_with('/'));
    if parts.is_none() {
        text.report(format!("\"{}\" is not a request; write \"GET /v1/things\"", text.value));
    }
    let (method, _) = parts?;
    // The text is compiled as a whole, so that mistakes are reported at the right location.
    let target = template(text)?.without_literal_prefix(method.len() + 1);
    Some((method.into(), target))
}

/// Compiles a part of a request, which may use the values of the sender.
fn template(text: &Text<'_>) -> Option<Template> {
    let is_fixture = |word: &str| FIXTURE_NAMES.contains(&word);
    let resolve = |word: &str| {
        is_fixture(word).then(|| Name::Endpoint(EndpointName::Body(word.into(), FieldType::Text)))
    };
    let help = format!("{}; only in responses: ", FIXTURE_NAMES.join(", "));
    let compiled = Template::parse_with_names(text, &NameResolver { resolve: &resolve, help: &help });
    let compiled =
        compiled.map_err(|errors| errors.into_iter().for_each(|(at, what)| text.report_inside(at, what)));
    let template = compiled.ok()?;
    if !template.uses_only(|name| matches!(name, Name::Endpoint(_))) {
        text.report(format!("the template of a request can only use {}", FIXTURE_NAMES.join(", ")));
    }
    Some(template)
}

/// Checks the user name and the password of Basic credentials, which are a header of their own.
fn check_basic(text: &Text<'_>, headers: &[(Box<str>, Template)]) {
    if headers.iter().any(|(name, _)| **name == *"authorization") {
        text.report(
            "\"basic\" is the header authorization, which \"headers\" has too; leave out one of them",
        );
    }
    if !text.contains(':') {
        text.report(
            "write the user name, a colon and the password, one of which may be empty: \"{{ key }}:\"",
        );
    }
}

fn repeat(section: &mut Section<'_>) -> u32 {
    let Some(value) = section.value("repeat") else { return 1 };
    let count = value.count().unwrap_or(1);
    if !(1..=MAX_REPEATS).contains(&count) {
        value.report(format!("a request is sent 1 to {MAX_REPEATS} times"));
    }
    u32::try_from(count).unwrap_or(1)
}

/// Reads a table of texts; the names are converted to lower case.
fn texts(section: &mut Section<'_>, field: &'static str) -> Vec<(Box<str>, Box<str>)> {
    let entries = section.section(field).map(|table| table.entries()).unwrap_or_default();
    let pair = |(name, value): (Text<'_>, Value<'_>)| {
        Some((name.to_ascii_lowercase().into(), value.text()?.value.into()))
    };
    entries.into_iter().filter_map(pair).collect()
}

fn expected(mut section: Section<'_>) -> ExpectedResponse {
    let status = section.required("status").and_then(|value| value.count());
    let expected = ExpectedResponse {
        status: status.and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
        body: section.text("body").map(|text| text.value.into()),
        headers: texts(&mut section, "headers"),
        upstream: texts(&mut section, "upstream"),
    };
    section.close();
    expected
}
