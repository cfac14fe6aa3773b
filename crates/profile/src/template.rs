//! Templates: texts with placeholders for values, compiled when a document is applied. Values of a request are never
//! parsed as templates, and are escaped for the format that they are written to.

mod escape;
mod filter;
mod name;
mod parse;
mod rate_limit_name;

pub(crate) use escape::{Escape, has_controls};
pub(crate) use name::{EndpointName, Name, RenderInput};

use filter::Filter;

use crate::contract::FieldType;
use crate::endpoint::Flaw;

/// Most bytes of a header's value. A longer one is left out: servers refuse it, and a part of it could mean something
/// else.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// A compiled template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    /// The first name that has a value, and the filters.
    Value(Vec<Name>, Vec<Filter>),
}

/// Mistake in a template: the offset in bytes, and a description.
pub(crate) type TemplateError = (usize, String);

impl Template {
    /// Compiles a text.
    ///
    /// # Errors
    ///
    /// Returns all mistakes of the text.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<TemplateError>> {
        Self::parse_with_names(text, &NameResolver { resolve: &|_| None, help: "" })
    }

    /// Compiles a text that may use further names.
    ///
    /// # Errors
    ///
    /// Returns all mistakes of the text.
    pub(crate) fn parse_with_names(text: &str, names: &NameResolver<'_>) -> Result<Self, Vec<TemplateError>> {
        parse::template(text, names).map(|segments| Self { segments })
    }

    /// Renders the template without escaping; returns `None` if one of its values is absent.
    ///
    /// # Errors
    ///
    /// Returns the first value that the request has and that cannot be used.
    pub(crate) fn render_field(&self, input: &RenderInput<'_>) -> Result<Option<String>, FieldFlaw<'_>> {
        let (mut out, mut complete) = (String::new(), true);
        for segment in &self.segments {
            complete &= segment.write_field(input, &mut out)?;
        }
        Ok(complete.then_some(out))
    }

    /// Returns true if the filters leave nothing of a value that the request has.
    pub(crate) fn is_misformed(&self, input: &RenderInput<'_>) -> bool {
        self.render_field(input).is_err_and(|flawed| flawed.flaw == Flaw::Form)
    }

    /// Returns the field and the literal text, if the template is a number of the body and a text after it.
    pub(crate) fn number_and_suffix(&self) -> Option<(&str, &str)> {
        let (first, suffix) = match self.segments.as_slice() {
            [first] => (first, ""),
            [first, Segment::Literal(suffix)] => (first, &**suffix),
            [] | [_, ..] => return None,
        };
        let Segment::Value(names, filters) = first else { return None };
        match (&names[..], &filters[..]) {
            ([Name::Endpoint(EndpointName::Body(name, FieldType::Number))], []) => Some((name, suffix)),
            _ => None,
        }
    }

    /// Returns the name if the template consists of a single name without filters.
    pub(crate) fn single_name(&self) -> Option<&Name> {
        match self.segments.as_slice() {
            [Segment::Value(names, filters)] if filters.is_empty() => names.first(),
            [] | [Segment::Value(..) | Segment::Literal(_), ..] => None,
        }
    }

    /// Returns the name if the template has a single value, with or without filters and literal text.
    pub(crate) fn only_name(&self) -> Option<&Name> {
        let mut values = self.segments.iter().filter_map(|segment| match segment {
            Segment::Value(names, _) => Some(names),
            Segment::Literal(_) => None,
        });
        let names = values.next()?;
        if values.next().is_none() { names.first() } else { None }
    }

    /// Returns the name if the template consists of a single number, which never needs escaping.
    fn single_number(&self) -> Option<&Name> {
        let [Segment::Value(names, filters)] = self.segments.as_slice() else { return None };
        let ([name], []) = (&names[..], &filters[..]) else { return None };
        name.is_number().then_some(name)
    }

    /// Removes bytes from the literal text at the start of the template.
    pub(crate) fn without_literal_prefix(mut self, bytes: usize) -> Self {
        if let Some(Segment::Literal(text)) = self.segments.first_mut() {
            *text = text.get(bytes..).unwrap_or_default().into();
        }
        self
    }

    /// Returns true if `allowed` accepts every name in the template.
    pub(crate) fn uses_only(&self, allowed: impl Fn(&Name) -> bool) -> bool {
        self.names().all(|name| matches!(name, Name::Text(_)) || allowed(name))
    }

    /// Returns all names in the template.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Name> {
        self.segments.iter().flat_map(|segment| match segment {
            Segment::Literal(_) => [].iter(),
            Segment::Value(names, _) => names.iter(),
        })
    }

    /// Renders the template.
    pub(crate) fn render(&self, input: &RenderInput<'_>, escape: Escape, out: &mut String) {
        for segment in &self.segments {
            segment.write(input, escape, out);
        }
    }

    /// Appends the rendered template as the value of a header. Returns false and appends nothing if the value is empty,
    /// contains control characters or is too long.
    pub(crate) fn render_header(&self, input: &RenderInput<'_>, out: &mut String) -> bool {
        let begin = out.len();
        if let Some(number) = self.single_number() {
            number.write(input, out);
            return out.len() > begin;
        }
        if self.has_unknown_limit(input) {
            return false;
        }
        self.render(input, Escape::None, out);
        // Nearly all values need no change; a scan of all bytes without early exit is vectorized.
        let value = out.as_bytes().get(begin..).unwrap_or_default();
        let short = !value.is_empty() && value.len() <= MAX_HEADER_BYTES;
        if value.iter().fold(short, |all, byte| all & byte.is_ascii_graphic()) {
            return true;
        }
        let trimmed = out[begin..].trim().to_owned();
        out.truncate(begin);
        let valid = !trimmed.is_empty() && !has_controls(&trimmed) && trimmed.len() <= MAX_HEADER_BYTES;
        if valid {
            out.push_str(&trimmed);
        }
        valid
    }

    /// Returns true if the template shows a value of a rate limit that the call does not have, and says nothing about
    /// what to show in its place.
    fn has_unknown_limit(&self, input: &RenderInput<'_>) -> bool {
        self.segments.iter().any(|segment| match segment {
            Segment::Value(names, filters) => match &names[..] {
                [name] => !filter::has_default(filters) && name.is_unknown_limit(input),
                _ => false,
            },
            Segment::Literal(_) => false,
        })
    }

    /// Returns the text if the template has no values.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [] => Some(""),
            [Segment::Literal(text)] => Some(text),
            [Segment::Value(..) | Segment::Literal(_), ..] => None,
        }
    }

    /// Returns true if the literal text has a control character or a line break.
    pub(crate) fn has_controls(&self) -> bool {
        self.segments.iter().any(|segment| match segment {
            Segment::Literal(text) => has_controls(text),
            Segment::Value(..) => false,
        })
    }
}

/// Value of a request that a template cannot use.
pub(crate) struct FieldFlaw<'t> {
    /// Name of the value.
    pub(crate) name: &'t Name,
    /// Flaw of the value.
    pub(crate) flaw: Flaw,
    /// Text that the template removes from the beginning of the value, if it removes one.
    pub(crate) prefix: Option<&'t str>,
}

/// Further names of some templates, with their list for messages.
pub(crate) struct NameResolver<'n> {
    pub(crate) resolve: &'n dyn Fn(&str) -> Option<Name>,
    pub(crate) help: &'n str,
}

impl Segment {
    /// Appends the segment without escaping; returns false if its value is absent.
    ///
    /// # Errors
    ///
    /// Returns the value that the request has and that cannot be used.
    fn write_field(&self, input: &RenderInput<'_>, out: &mut String) -> Result<bool, FieldFlaw<'_>> {
        let begin = out.len();
        let Self::Value(names, filters) = self else { return Ok(self.write(input, Escape::None, out) > 0) };
        let mut present = None;
        for name in names {
            let flawed = |flaw| FieldFlaw { name, flaw, prefix: None };
            name.flaw(input).map_or(Ok(()), |flaw| Err(flawed(flaw)))?;
            name.write(input, out);
            if out.len() > begin {
                present = Some(name);
                break;
            }
        }
        let list = present.or(names.last()).is_some_and(Name::is_list);
        filter::apply(filters, list, out, begin);
        match present {
            Some(name) if out.len() == begin => {
                Err(FieldFlaw { name, flaw: Flaw::Form, prefix: filter::removed_prefix(filters) })
            }
            Some(_) | None => Ok(out.len() > begin),
        }
    }

    /// Appends the segment; returns the number of bytes.
    fn write(&self, input: &RenderInput<'_>, escape: Escape, out: &mut String) -> usize {
        let begin = out.len();
        match self {
            Self::Literal(text) => out.push_str(text),
            // The most frequent case in headers.
            Self::Value(names, filters)
                if let ([name], [], Escape::None) = (&names[..], &filters[..], escape) =>
            {
                name.write(input, out);
            }
            Self::Value(names, filters) => {
                let mut list = false;
                for name in names {
                    name.write(input, out);
                    list = name.is_list();
                    if out.len() > begin {
                        break;
                    }
                }
                let written = filter::apply(filters, list, out, begin);
                if !names.iter().all(Name::is_rendered) {
                    escape.apply(out, begin, written);
                }
            }
        }
        out.len() - begin
    }
}
