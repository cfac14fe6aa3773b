//! Texts with places for values, compiled when a document is applied. What a request brings is only ever a
//! value: it is never read as template text, and is escaped for where it lands.

mod escape;
mod filter;
mod name;
mod parse;

pub(crate) use escape::{Escape, has_controls};
pub(crate) use name::View;

use filter::Filter;
use name::Name;

/// A compiled template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<str>),
    Value(Name, Vec<Filter>),
}

/// A mistake in a template: the byte that it is at, and a sentence.
pub(crate) type Mistake = (usize, String);

impl Template {
    /// Compiles a text; tells every mistake.
    pub(crate) fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        parse::template(text).map(|segments| Self { segments })
    }

    /// Writes it out with what is seen.
    pub(crate) fn render(&self, view: &View<'_>, escape: Escape, out: &mut String) {
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => out.push_str(text),
                Segment::Value(name, filters) => {
                    let begin = out.len();
                    name.write(view, out);
                    let written = filter::apply(filters, name.is_list(), out, begin);
                    escape.apply(out, begin, written);
                }
            }
        }
    }

    /// As the value of a header; none where nothing comes out, or something that must not be in one.
    pub(crate) fn header(&self, view: &View<'_>) -> Option<String> {
        let mut out = String::new();
        self.render(view, Escape::None, &mut out);
        let trimmed = out.trim();
        if trimmed.is_empty() || has_controls(trimmed) {
            return None;
        }
        if trimmed.len() != out.len() {
            out = trimmed.to_owned();
        }
        Some(out)
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
