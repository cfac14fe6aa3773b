//! `[[examples]]`: requests with the answers that the document promises for them. They are checked for form
//! when a document is applied, and run by whoever tests it; no call is judged by them.

mod parts;

use latchkey_core::policy::Policy;

use self::parts::who;
use crate::contract::Shape;
use crate::examples::{Example, Expected, PROPS};
use crate::reader::{Section, Text};
use crate::template::{Called, Name, Names, Template};

/// More help nobody, and each costs memory wherever the document is in force.
const MOST: usize = 200;
/// How often one may be sent.
const MOST_REPEATS: u64 = 10_000;

/// The examples in the order that they are declared in.
pub(super) fn read(root: &mut Section<'_>, policy: &Policy) -> Vec<Example> {
    let mut examples = Vec::new();
    for mut section in root.sections("examples") {
        let example = example(&mut section, policy);
        section.close();
        examples.extend(example);
    }
    if examples.len() > MOST {
        root.refuse(format!("{} examples are more than {MOST}", examples.len()));
    }
    examples
}

fn example(section: &mut Section<'_>, policy: &Policy) -> Option<Example> {
    let name = section.needed_text("name");
    let request = section.needed_text("request").and_then(|text| request(&text));
    let host = section.text("host").map(|text| text.value.into()).unwrap_or_default();
    let headers = section.section("headers").map(|table| table.entries()).unwrap_or_default();
    let headers = headers
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_ascii_lowercase().into(), template(&value.text()?)?)));
    let headers = headers.collect();
    let body = section.text("body").and_then(|text| template(&text));
    let who = section.section("who").map(|part| who(part, policy));
    let others = section.sections("others").into_iter().map(|part| parts::key(part, policy)).collect();
    let repeat = repeat(section);
    let expected = section.section("expect").map(expected);
    if expected.is_none() {
        section.refuse("the field \"expect\" is missing");
    }
    let (method, target) = request?;
    let expected = expected?;
    Some(Example {
        name: name?.value.into(),
        method,
        target,
        host,
        headers,
        body,
        who,
        others,
        repeat,
        expected,
    })
}

/// `METHOD /path?query`.
fn request(text: &Text<'_>) -> Option<(Box<str>, Template)> {
    let parts = text.split_once(' ').filter(|(method, target)| !method.is_empty() && target.starts_with('/'));
    if parts.is_none() {
        text.refuse(format!("\"{}\" is not a request; write \"GET /v1/things\"", text.value));
    }
    let (method, _) = parts?;
    // Compiled as a whole, so that a mistake in it points to where it stands.
    let target = template(text)?.without(method.len() + 1);
    Some((method.into(), target))
}

/// A part of a request, which may speak of what the sender has.
fn template(text: &Text<'_>) -> Option<Template> {
    let prop = |word: &str| PROPS.contains(&word);
    let own = |word: &str| prop(word).then(|| Name::Called(Called::Body(word.into(), Shape::Text)));
    let told = format!("{}; and of what answers may speak of, nothing here: ", PROPS.join(", "));
    let compiled = Template::parse_with(text, &Names { own: &own, told: &told });
    let compiled =
        compiled.map_err(|wrong| wrong.into_iter().for_each(|(at, what)| text.refuse_inside(at, what)));
    let template = compiled.ok()?;
    if !template.speaks_of(|name| matches!(name, Name::Called(_))) {
        text.refuse(format!("a request speaks of {} alone", PROPS.join(", ")));
    }
    Some(template)
}

fn repeat(section: &mut Section<'_>) -> u32 {
    let Some(value) = section.value("repeat") else { return 1 };
    let count = value.count().unwrap_or(1);
    if !(1..=MOST_REPEATS).contains(&count) {
        value.refuse(format!("a request is sent 1 to {MOST_REPEATS} times"));
    }
    u32::try_from(count).unwrap_or(1)
}

/// Names with texts, the names in lower case.
fn texts(section: &mut Section<'_>, field: &'static str) -> Vec<(Box<str>, Box<str>)> {
    let entries = section.section(field).map(|table| table.entries()).unwrap_or_default();
    let pair = |(name, value): (Text<'_>, crate::reader::Value<'_>)| {
        Some((name.to_ascii_lowercase().into(), value.text()?.value.into()))
    };
    entries.into_iter().filter_map(pair).collect()
}

fn expected(mut section: Section<'_>) -> Expected {
    let status = section.needed("status").and_then(|value| value.count());
    let expected = Expected {
        status: status.and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
        body: section.text("body").map(|text| text.value.into()),
        headers: texts(&mut section, "headers"),
        upstream: texts(&mut section, "upstream"),
    };
    section.close();
    expected
}
