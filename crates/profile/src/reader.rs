//! Reads a document's values one by one, keeps where each stands, and collects what is wrong instead of
//! stopping at it. serde stops at the first mistake, so the parsed table is walked by hand.

mod section;
mod value;

pub(crate) use section::Section;
pub(crate) use value::{Text, Value};

use std::cell::RefCell;
use std::ops::Range;

use toml::de::DeTable;

use crate::error::{DocumentError, Errors};

/// The most mistakes that are told of; more help nobody.
const MAX_ERRORS: usize = 100;

/// Where something stands: its bytes and its field's path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Location {
    pub(crate) span: Range<usize>,
    pub(crate) path: String,
}

impl Location {
    /// The place of a field below this one.
    fn field(&self, field: &str, span: Range<usize>) -> Self {
        let path = match self.path.as_str() {
            "" => field.to_owned(),
            path => format!("{path}.{field}"),
        };
        Self { span, path }
    }

    /// The place of an element of this list.
    fn element(&self, index: usize, span: Range<usize>) -> Self {
        Self { span, path: format!("{}[{index}]", self.path) }
    }
}

/// A document, and what was found wrong with it.
pub(crate) struct Reader<'d> {
    document: &'d str,
    errors: RefCell<Vec<(usize, String, String)>>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(document: &'d str) -> Self {
        Self { document, errors: RefCell::new(Vec::new()) }
    }

    /// The root of the document.
    pub(crate) fn root(&'d self, table: &'d DeTable<'d>) -> Section<'d> {
        Section::new(self, table, Location::default())
    }

    /// Notes a mistake.
    pub(crate) fn report(&self, at: &Location, message: impl Into<String>) {
        self.report_at(at.span.start, &at.path, message);
    }

    /// Notes a mistake at a byte of the document.
    pub(crate) fn report_at(&self, byte: usize, path: &str, message: impl Into<String>) {
        self.errors.borrow_mut().push((byte, path.to_owned(), message.into()));
    }

    /// The text between two bytes, as it is written.
    pub(crate) fn raw(&self, span: Range<usize>) -> &'d str {
        self.document.get(span).unwrap_or_default()
    }

    /// Every mistake, in the order of their places; fine where there is none.
    pub(crate) fn finish(&self) -> Result<(), Errors> {
        let mut mistakes = self.errors.take();
        if mistakes.is_empty() {
            return Ok(());
        }
        mistakes.sort();
        mistakes.dedup();
        let lines = LineIndex::of(self.document);
        let error = |(byte, field, message): (usize, String, String)| {
            let (line, column) = lines.line_and_column(byte);
            DocumentError { line, column, field, message }
        };
        let more = mistakes.len().saturating_sub(MAX_ERRORS);
        let mut errors: Vec<_> = mistakes.into_iter().take(MAX_ERRORS).map(error).collect();
        if let (1.., Some(last)) = (more, errors.last_mut()) {
            last.message = format!("{} (and {more} mistakes more)", last.message);
        }
        Err(Errors(errors))
    }
}

/// Where a document's lines begin.
struct LineIndex<'d> {
    document: &'d str,
    begins: Vec<usize>,
}

impl<'d> LineIndex<'d> {
    fn of(document: &'d str) -> Self {
        let after = document.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        Self { document, begins: std::iter::once(0).chain(after).collect() }
    }

    /// Line and column of a byte, from 1.
    fn line_and_column(&self, byte: usize) -> (usize, usize) {
        let line = self.begins.partition_point(|begin| *begin <= byte);
        let begin = self.begins.get(line - 1).copied().unwrap_or_default();
        let column = self.document.get(begin..byte).map_or(byte - begin, |text| text.chars().count());
        (line, column + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_from_one() {
        let lines = LineIndex::of("a\nbé = 1\n");
        assert_eq!(lines.line_and_column(0), (1, 1));
        assert_eq!(lines.line_and_column(2), (2, 1));
        assert_eq!(lines.line_and_column(6), (2, 4));
        assert_eq!(lines.line_and_column(100), (3, 91));
    }

    #[test]
    fn a_flood_of_mistakes_is_cut_and_counted() {
        let reader = Reader::new("x");
        (0..150).for_each(|n| reader.report_at(n, "", "wrong"));
        let errors = reader.finish().unwrap_err().0;
        assert_eq!(errors.len(), 100);
        assert_eq!(errors[99].message, "wrong (and 50 mistakes more)");
    }
}
