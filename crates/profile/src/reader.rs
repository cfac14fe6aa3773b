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
const MOST_ERRORS: usize = 100;

/// Where something stands: its bytes and its field's path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) span: Range<usize>,
    pub(crate) path: String,
}

impl Place {
    /// The place of a field below this one.
    fn below(&self, field: &str, span: Range<usize>) -> Self {
        let path = match self.path.as_str() {
            "" => field.to_owned(),
            path => format!("{path}.{field}"),
        };
        Self { span, path }
    }

    /// The place of an element of this list.
    fn nth(&self, index: usize, span: Range<usize>) -> Self {
        Self { span, path: format!("{}[{index}]", self.path) }
    }
}

/// A document, and what was found wrong with it.
pub(crate) struct Reader<'d> {
    document: &'d str,
    wrong: RefCell<Vec<(usize, String, String)>>,
}

impl<'d> Reader<'d> {
    pub(crate) fn new(document: &'d str) -> Self {
        Self { document, wrong: RefCell::new(Vec::new()) }
    }

    /// The root of the document.
    pub(crate) fn root(&'d self, table: &'d DeTable<'d>) -> Section<'d> {
        Section::new(self, table, Place::default())
    }

    /// Notes a mistake.
    pub(crate) fn refuse(&self, at: &Place, message: impl Into<String>) {
        self.refuse_at(at.span.start, &at.path, message);
    }

    /// Notes a mistake at a byte of the document.
    pub(crate) fn refuse_at(&self, byte: usize, path: &str, message: impl Into<String>) {
        self.wrong.borrow_mut().push((byte, path.to_owned(), message.into()));
    }

    /// The text between two bytes, as it is written.
    pub(crate) fn raw(&self, span: Range<usize>) -> &'d str {
        self.document.get(span).unwrap_or_default()
    }

    /// Every mistake, in the order of their places; fine where there is none.
    pub(crate) fn finish(&self) -> Result<(), Errors> {
        let mut wrong = self.wrong.take();
        if wrong.is_empty() {
            return Ok(());
        }
        wrong.sort();
        wrong.dedup();
        let lines = Lines::of(self.document);
        let error = |(byte, field, message): (usize, String, String)| {
            let (line, column) = lines.place(byte);
            DocumentError { line, column, field, message }
        };
        let more = wrong.len().saturating_sub(MOST_ERRORS);
        let mut errors: Vec<_> = wrong.into_iter().take(MOST_ERRORS).map(error).collect();
        if let (1.., Some(last)) = (more, errors.last_mut()) {
            last.message = format!("{} (and {more} mistakes more)", last.message);
        }
        Err(Errors(errors))
    }
}

/// Where a document's lines begin.
struct Lines<'d> {
    document: &'d str,
    begins: Vec<usize>,
}

impl<'d> Lines<'d> {
    fn of(document: &'d str) -> Self {
        let after = document.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
        Self { document, begins: std::iter::once(0).chain(after).collect() }
    }

    /// Line and column of a byte, from 1.
    fn place(&self, byte: usize) -> (usize, usize) {
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
        let lines = Lines::of("a\nbé = 1\n");
        assert_eq!(lines.place(0), (1, 1));
        assert_eq!(lines.place(2), (2, 1));
        assert_eq!(lines.place(6), (2, 4));
        assert_eq!(lines.place(100), (3, 91));
    }

    #[test]
    fn a_flood_of_mistakes_is_cut_and_counted() {
        let reader = Reader::new("x");
        (0..150).for_each(|n| reader.refuse_at(n, "", "wrong"));
        let errors = reader.finish().unwrap_err().0;
        assert_eq!(errors.len(), 100);
        assert_eq!(errors[99].message, "wrong (and 50 mistakes more)");
    }
}
