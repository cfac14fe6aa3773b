//! Texts with places for values, compiled when a document is applied. What a request brings is only ever a
//! value: it is never read as template text, and is escaped for where it lands.

mod escape;
mod filter;
mod name;
mod parse;

pub(crate) use escape::{Escape, has_controls};
pub(crate) use name::{EndpointName, Name, RenderInput};

use filter::Filter;

/// A compiled template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    /// The first of these that has a value.
    Value(Vec<Name>, Vec<Filter>),
}

/// A mistake in a template: the byte that it is at, and a sentence.
pub(crate) type TemplateError = (usize, String);

impl Template {
    /// Compiles a text; tells every mistake.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<TemplateError>> {
        Self::parse_with_names(text, &NameResolver { resolve: &|_| None, help: "" })
    }

    /// The same, with names of the place's own besides.
    pub(crate) fn parse_with_names(text: &str, names: &NameResolver<'_>) -> Result<Self, Vec<TemplateError>> {
        parse::template(text, names).map(|segments| Self { segments })
    }

    /// Writes it out as it is; none where one of its values is empty.
    pub(crate) fn render_if_complete(&self, input: &RenderInput<'_>) -> Option<String> {
        let mut out = String::new();
        for segment in &self.segments {
            if segment.write(input, Escape::None, &mut out) == 0 {
                return None;
            }
        }
        Some(out)
    }

    /// The only name that it speaks of, where that is all of it.
    pub(crate) fn single_name(&self) -> Option<&Name> {
        match self.segments.as_slice() {
            [Segment::Value(names, filters)] if filters.is_empty() => names.first(),
            [] | [Segment::Value(..) | Segment::Literal(_), ..] => None,
        }
    }

    /// The only name that it speaks of, where it is a number's: those are fit for every place.
    fn single_number(&self) -> Option<&Name> {
        let [Segment::Value(names, filters)] = self.segments.as_slice() else { return None };
        let ([name], []) = (&names[..], &filters[..]) else { return None };
        name.is_number().then_some(name)
    }

    /// The same without its first bytes, which are literal text.
    pub(crate) fn without_literal_prefix(mut self, bytes: usize) -> Self {
        if let Some(Segment::Literal(text)) = self.segments.first_mut() {
            *text = text.get(bytes..).unwrap_or_default().into();
        }
        self
    }

    /// Whether every name that it speaks of is one of these.
    pub(crate) fn uses_only(&self, right: impl Fn(&Name) -> bool) -> bool {
        self.segments.iter().all(|segment| match segment {
            Segment::Literal(_) => true,
            Segment::Value(names, _) => names.iter().all(|name| matches!(name, Name::Text(_)) || right(name)),
        })
    }

    /// Writes it out with what is seen.
    pub(crate) fn render(&self, input: &RenderInput<'_>, escape: Escape, out: &mut String) {
        for segment in &self.segments {
            segment.write(input, escape, out);
        }
    }

    /// Adds it as the value of a header; answers whether it did, which it doesn't where nothing comes out, or
    /// something that must not be in one.
    pub(crate) fn render_header(&self, input: &RenderInput<'_>, out: &mut String) -> bool {
        let begin = out.len();
        if let Some(number) = self.single_number() {
            number.write(input, out);
            return out.len() > begin;
        }
        self.render(input, Escape::None, out);
        // Nearly always there is nothing to do, and looking at all bytes, many at a time, shows it.
        let value = out.as_bytes().get(begin..).unwrap_or_default();
        if value.iter().fold(!value.is_empty(), |all, byte| all & byte.is_ascii_graphic()) {
            return true;
        }
        let trimmed = out[begin..].trim().to_owned();
        out.truncate(begin);
        let fit = !trimmed.is_empty() && !has_controls(&trimmed);
        if fit {
            out.push_str(&trimmed);
        }
        fit
    }

    /// The text, where it is the same for everyone.
    pub(crate) fn constant(&self) -> Option<&str> {
        match self.segments.as_slice() {
            [] => Some(""),
            [Segment::Literal(text)] => Some(text),
            [Segment::Value(..) | Segment::Literal(_), ..] => None,
        }
    }

    /// Whether any literal part has a control character (or a line's end).
    pub(crate) fn has_controls(&self) -> bool {
        self.segments.iter().any(|segment| match segment {
            Segment::Literal(text) => has_controls(text),
            Segment::Value(..) => false,
        })
    }
}

/// NameResolver that only some templates know, and how they are told to people.
pub(crate) struct NameResolver<'n> {
    pub(crate) resolve: &'n dyn Fn(&str) -> Option<Name>,
    pub(crate) help: &'n str,
}

impl Segment {
    /// Writes it; answers how many bytes that were.
    fn write(&self, input: &RenderInput<'_>, escape: Escape, out: &mut String) -> usize {
        let begin = out.len();
        match self {
            Self::Literal(text) => out.push_str(text),
            // As nearly all are in headers.
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
