//! `other_parameters` of an endpoint: the handling of query parameters that nothing reads.

use crate::endpoint::{FieldTemplate, OtherParameters};
use crate::reader::Section;
use crate::source::Source;
use crate::template::{EndpointName, Name, Template};

/// Reads the handling of query parameters that the endpoint does not read. Those from which the profile reads the
/// credential, the tenant or a resource are never refused.
pub(super) fn read<'t>(
    section: &mut Section<'_>,
    templates: impl Iterator<Item = &'t Template>,
    sources: impl Iterator<Item = &'t Source>,
) -> OtherParameters {
    if let Some(text) = section.text("other_parameters") {
        match text.value {
            "ignore" => return OtherParameters::Ignore,
            "refuse" => {}
            other => text.report(format!("\"{other}\" is neither \"refuse\" nor \"ignore\"")),
        }
    }
    let in_template = |name: &Name| match name {
        Name::Endpoint(EndpointName::Query(name)) => Some(name.clone()),
        _ => None,
    };
    let in_source = |source: &Source| match source {
        Source::Query(name) => Some(name.clone()),
        _ => None,
    };
    let names = templates.flat_map(Template::names).filter_map(in_template);
    let mut except: Vec<Box<str>> = names.chain(sources.filter_map(in_source)).collect();
    except.sort_unstable();
    except.dedup();
    OtherParameters::Refuse { except }
}

/// Returns all templates of fields.
pub(super) fn templates_of<'t>(
    fields: &'t [(&'static str, FieldTemplate)],
) -> impl Iterator<Item = &'t Template> {
    fields.iter().flat_map(|(_, field)| field.templates())
}
