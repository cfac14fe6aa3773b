//! A value of a document, read as an expected type. A value of another type is reported as a mistake.

use std::ops::Deref;

use toml::Spanned;
use toml::de::DeValue;

use super::{Location, Reader, Section};

/// A value and its location.
#[derive(Clone)]
pub(crate) struct Value<'d> {
    pub(super) reader: &'d Reader<'d>,
    pub(super) node: &'d DeValue<'d>,
    pub(crate) at: Location,
}

/// A text of a document and its location.
#[derive(Clone)]
pub(crate) struct Text<'d> {
    pub(super) reader: &'d Reader<'d>,
    pub(crate) value: &'d str,
    pub(crate) at: Location,
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.value
    }
}

impl Text<'_> {
    /// Reports a mistake in this text.
    pub(crate) fn report(&self, message: impl Into<String>) {
        self.reader.report(&self.at, message);
    }

    /// Reports a mistake at a byte of this text. The location is exact if the document contains the text literally,
    /// and otherwise the start of the value.
    pub(crate) fn report_inside(&self, byte: usize, message: impl Into<String>) {
        let raw = self.reader.raw(self.at.span.clone());
        let inside = raw.find(self.value).map_or(0, |begin| begin + byte);
        self.reader.report_at(self.at.span.start + inside, &self.at.path, message);
    }
}

impl<'d> Value<'d> {
    pub(super) fn new(reader: &'d Reader<'d>, value: &'d Spanned<DeValue<'d>>, at: Location) -> Self {
        Self { reader, node: value.get_ref(), at }
    }

    pub(crate) fn text(&self) -> Option<Text<'d>> {
        match self.node {
            DeValue::String(text) => Some(Text { reader: self.reader, value: text, at: self.at.clone() }),
            other => self.type_error("a text in quotes", other),
        }
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        match self.node {
            DeValue::Boolean(flag) => Some(*flag),
            other => self.type_error("true or false", other),
        }
    }

    /// Returns the value as a whole number from 0 on.
    pub(crate) fn count(&self) -> Option<u64> {
        match self.node {
            DeValue::Integer(number) => {
                let count = u64::from_str_radix(number.as_str(), number.radix()).ok();
                if count.is_none() {
                    self.report(format!("{number} is not a whole number from 0 on"));
                }
                count
            }
            other => self.type_error("a whole number", other),
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.node, DeValue::Array(_))
    }

    pub(crate) fn is_text(&self) -> bool {
        matches!(self.node, DeValue::String(_))
    }

    pub(crate) fn is_table(&self) -> bool {
        matches!(self.node, DeValue::Table(_))
    }

    pub(crate) fn list(&self) -> Option<Vec<Self>> {
        let DeValue::Array(items) = self.node else {
            return self.type_error("a list in brackets", self.node);
        };
        let item = |(n, v): (usize, &'d Spanned<_>)| Self::new(self.reader, v, self.at.element(n, v.span()));
        Some(items.iter().enumerate().map(item).collect())
    }

    pub(crate) fn section(&self) -> Option<Section<'d>> {
        match self.node {
            DeValue::Table(table) => Some(Section::new(self.reader, table, self.at.clone())),
            other => self.type_error("a table", other),
        }
    }

    pub(crate) fn report(&self, message: impl Into<String>) {
        self.reader.report(&self.at, message);
    }

    fn type_error<T>(&self, expected: &str, found: &DeValue<'_>) -> Option<T> {
        let found = match found {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.report(format!("expected {expected}, found {found}"));
        None
    }
}
