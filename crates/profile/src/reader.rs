//! Reads the values of a document one by one, keeps the location of each, and collects mistakes instead of stopping
//! at the first. serde stops at the first mistake, so this module walks the parsed table itself.

mod section;
mod value;

pub(crate) use section::Section;
pub(crate) use value::{Text, Value};

use std::cell::RefCell;
use std::ops::Range;

use toml::de::DeTable;

use crate::error::{DocumentError, Errors};

/// Maximum number of mistakes that are reported.
const MAX_ERRORS: usize = 100;

/// Location in a document: a range of bytes and the path of the field.
#[derive(Clone, Debug, Default)]
pub(crate) struct Location {
    pub(crate) span: Range<usize>,
    pub(crate) path: String,
}

impl Location {
    /// Returns the location of a field of this table.
    fn field(&self, field: &str, span: Range<usize>) -> Self {
        let path = match self.path.as_str() {
            "" => field.to_owned(),
            path => format!("{path}.{field}"),
        };
        Self { span, path }
    }

    /// Returns the location of an element of this list.
    fn element(&self, index: usize, span: Range<usize>) -> Self {
        Self { span, path: format!("{}[{index}]", self.path) }
    }
}

/// A document and the mistakes that were found in it.
pub(crate) struct Reader<'d> {
    document: &'d str,
    errors: RefCell<Vec<(usize, String, String)>>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(document: &'d str) -> Self {
        Self { document, errors: RefCell::new(Vec::new()) }
    }

    /// Returns the root table of the document.
    pub(crate) fn root(&'d self, table: &'d DeTable<'d>) -> Section<'d> {
        Section::new(self, table, Location::default())
    }

    /// Reports a mistake.
    pub(crate) fn report(&self, at: &Location, message: impl Into<String>) {
        self.report_at(at.span.start, &at.path, message);
    }

    /// Reports a mistake at a byte of the document.
    pub(crate) fn report_at(&self, byte: usize, path: &str, message: impl Into<String>) {
        self.errors.borrow_mut().push((byte, path.to_owned(), message.into()));
    }

    /// Returns the source text of a range of bytes.
    pub(crate) fn raw(&self, span: Range<usize>) -> &'d str {
        self.document.get(span).unwrap_or_default()
    }

    /// Ends reading.
    ///
    /// # Errors
    ///
    /// Returns all reported mistakes in the order of their locations, if there are any.
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
            last.message = format!("{} (and {more} more mistakes)", last.message);
        }
        Err(Errors(errors))
    }
}

/// Offsets of a document's lines.
struct LineIndex<'d> {
    document: &'d str,
    starts: Vec<usize>,
}

impl<'d> LineIndex<'d> {
    fn of(document: &'d str) -> Self {
        let after = document.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        Self { document, starts: std::iter::once(0).chain(after).collect() }
    }

    /// Returns the line and the column of a byte, both from 1.
    fn line_and_column(&self, byte: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= byte);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let column = self.document.get(start..byte).map_or(byte - start, |text| text.chars().count());
        (line, column + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_from_one() {
        let lines = LineIndex::of("a\nbé = 1\n");
        assert_eq!(lines.line_and_column(0), (1, 1));
        assert_eq!(lines.line_and_column(2), (2, 1));
        assert_eq!(lines.line_and_column(6), (2, 4));
        assert_eq!(lines.line_and_column(100), (3, 91));
    }

    #[test]
    fn the_number_of_mistakes_is_limited_and_the_rest_is_counted() {
        let reader = Reader::new("x");
        (0..150).for_each(|n| reader.report_at(n, "", "wrong"));
        let errors = reader.finish().unwrap_err().0;
        assert_eq!(errors.len(), 100);
        assert_eq!(errors[99].message, "wrong (and 50 more mistakes)");
    }
}
