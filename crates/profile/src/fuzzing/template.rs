//! Target of templates.

use std::sync::LazyLock;

use latchkey_core::check_input::CheckInput;
use latchkey_core::decision::Denial;
use latchkey_core::reason::Reason;

use super::fixture::{NOW, context};
use crate::parsed_request::ParsedRequest;
use crate::profile::Profile;
use crate::rate_limit_view::UnknownLimits;
use crate::request::Request;
use crate::template::{Escape, Name, RenderInput, Template, has_controls};
use crate::template_context::TemplateContext;

static PROFILE: LazyLock<Profile> =
    LazyLock::new(|| Profile::compile("name = \"p\"", 1).unwrap_or_else(|errors| panic!("{errors}")));

/// Compiles the first line as a template and renders it with the rest as the name and the metadata of a key.
///
/// # Panics
///
/// Panics if a rendered header has control characters, or if a value changes the format that it is written to.
pub fn template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (text, value) = text.split_once('\n').unwrap_or((text, "\u{1}<\"'&\\>\u{7f}é"));
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(errors) => {
            assert!(errors.iter().all(|(at, _)| text.is_char_boundary(*at)), "{errors:?}");
            return;
        }
    };
    let context = context(&PROFILE.policy, value);
    let (request, denial) = (Request::default(), Denial::new(Reason::InsufficientScope));
    let parsed = ParsedRequest { access: CheckInput::default(), request_id: "r".into() };
    let template_context = TemplateContext::new(&context, &request, &parsed, NOW);
    let input = RenderInput {
        policy: &PROFILE.policy,
        template_context: &template_context,
        denial: Some(&denial),
        unknown_limits: UnknownLimits::default(),
        call: None,
    };
    let mut header = String::new();
    let rendered = template.render_header(&input, &mut header);
    assert_eq!(rendered, !header.is_empty());
    assert!(!has_controls(&header) && header == header.trim() && header.len() <= 16 * 1024, "{header:?}");
    assert_escaped(&template, &input);
}

fn assert_escaped(template: &Template, input: &RenderInput<'_>) {
    let render = |escape| {
        let mut text = String::new();
        template.render(input, escape, &mut text);
        text
    };
    assert!(template.has_controls() || !has_controls(&render(Escape::Plain)));
    // The text of a default is the document's own, and is written as it is.
    let Some(name) = template.single_name() else { return };
    let (plain, json, markup) = (render(Escape::None), render(Escape::Json), render(Escape::Markup));
    if matches!(name, Name::Text(_)) {
        return;
    }
    let read: Result<String, _> = serde_json::from_str(&format!("\"{json}\""));
    assert_eq!(read.ok().as_ref(), Some(&plain));
    assert!(!markup.contains(['<', '>', '"', '\'']), "{markup:?}");
}
