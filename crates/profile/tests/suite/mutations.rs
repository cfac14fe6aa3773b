//! Property of the parser: a shipped document that is changed anywhere compiles to a profile or to errors with a place in
//! the document, and a profile that it compiles to reads requests and renders responses without a panic.

use latchkey_core::decision::{DecisionContext, Denial};
use latchkey_core::reason::Reason;
use latchkey_profile::{Header, Profile, Request, TemplateContext};
use proptest::prelude::*;

use crate::support::NOW;

const DOCUMENTS: [&str; 6] = [
    include_str!("../../../../profiles/auxvault.toml"),
    include_str!("../../../../profiles/lumen.toml"),
    include_str!("../../../../profiles/luxcore.toml"),
    include_str!("../../../../profiles/luxor.toml"),
    include_str!("../../../../profiles/paykore.toml"),
    include_str!("../fixtures/example.toml"),
];

/// Texts that mean something in a document.
const WORDS: &[&str] = &[
    "\"",
    "'",
    "\n",
    "[[routes]]\n",
    "{{ ",
    " }}",
    "| json",
    "{id}",
    "**",
    "/",
    "%2f",
    "body:/a",
    "header:x",
    "query:k",
    "\"1/s\"",
    "\"5/min\", burst = 5",
    "algorithm = \"sliding_window\"",
    "=",
    ",",
    "[",
    "]",
    "{",
    "}",
    "\u{0}",
    "é",
    "999999999999999999999",
    "-1",
    "true",
    "0",
    "\\u0000",
    "[x]\n",
    "#",
];

type Change = (prop::sample::Index, usize, prop::sample::Index);

fn changed(document: &str, changes: &[Change]) -> String {
    let mut lines: Vec<String> = document.lines().map(str::to_owned).collect();
    for (line, column, word) in changes {
        let line = line.get_mut_of(&mut lines);
        let word = *word.get(WORDS);
        let at = line.char_indices().map(|(at, _)| at).nth(column % 200).unwrap_or(line.len());
        match column % 4 {
            0 => line.insert_str(at, word),
            1 => line.truncate(at),
            2 => line.replace_range(at.., word),
            _ => {
                let copy = line.clone();
                line.push('\n');
                line.push_str(&copy);
            }
        }
    }
    lines.join("\n")
}

trait GetMut {
    fn get_mut_of<'l>(&self, lines: &'l mut [String]) -> &'l mut String;
}

impl GetMut for prop::sample::Index {
    fn get_mut_of<'l>(&self, lines: &'l mut [String]) -> &'l mut String {
        let index = self.index(lines.len());
        &mut lines[index]
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn a_changed_document_compiles_or_says_where_it_is_wrong(
        document in prop::sample::select(&DOCUMENTS[..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..1_000usize, any::<prop::sample::Index>()), 1..5),
    ) {
        let text = changed(document, &changes);
        let profile = match Profile::compile(&text, 1) {
            Ok(profile) => profile,
            Err(errors) => {
                let lines = text.lines().count() + 1;
                prop_assert!(!errors.0.is_empty());
                prop_assert!(errors.0.iter().all(|error| (1..=lines).contains(&error.line)), "{errors:?}");
                return Ok(());
            }
        };
        let headers = [("x-api-key", "sk_live_1"), ("authorization", "Bearer a.b.c"), ("x-tenant-id", "acme")];
        let headers = headers.map(|(name, value)| Header { name: name.as_bytes(), value: value.as_bytes() });
        let request =
            Request { path: "/v1/payments/7?k=1", host: "api.paykore.dev".into(), headers: headers.into_iter().collect(), ..Request::default() };
        let (parsed, context) = (profile.parse_request(&request), DecisionContext::default());
        let template_context = TemplateContext::new(&context, &request, &parsed, NOW);
        let _ = profile.allow_response(&template_context);
        let _ = profile.deny_response(&Denial::new(Reason::RateLimited), &template_context);
        let _ = latchkey_profile::lint(&text);
    }
}
