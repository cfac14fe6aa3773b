//! One value of a document, asked for as what it should be. What it is instead is told in TOML's words.

use std::ops::Deref;

use toml::Spanned;
use toml::de::DeValue;

use super::{Place, Reader, Section};

/// A value and where it stands.
#[derive(Clone)]
pub(crate) struct Value<'d> {
    pub(super) reader: &'d Reader<'d>,
    pub(super) found: &'d DeValue<'d>,
    pub(crate) at: Place,
}

/// A text of a document and where it stands.
#[derive(Clone)]
pub(crate) struct Text<'d> {
    pub(super) reader: &'d Reader<'d>,
    pub(crate) value: &'d str,
    pub(crate) at: Place,
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.value
    }
}

impl Text<'_> {
    /// Notes a mistake in this text.
    pub(crate) fn refuse(&self, message: impl Into<String>) {
        self.reader.refuse(&self.at, message);
    }

    /// Notes a mistake at a byte of this text, pointing into the document where the text stands there
    /// literally.
    pub(crate) fn refuse_inside(&self, byte: usize, message: impl Into<String>) {
        let raw = self.reader.raw(self.at.span.clone());
        let inside = raw.find(self.value).map_or(0, |begin| begin + byte);
        self.reader.refuse_at(self.at.span.start + inside, &self.at.path, message);
    }
}

impl<'d> Value<'d> {
    pub(super) fn new(reader: &'d Reader<'d>, value: &'d Spanned<DeValue<'d>>, at: Place) -> Self {
        Self { reader, found: value.get_ref(), at }
    }

    pub(crate) fn text(&self) -> Option<Text<'d>> {
        match self.found {
            DeValue::String(text) => Some(Text { reader: self.reader, value: text, at: self.at.clone() }),
            other => self.wrong("a text in quotes", other),
        }
    }

    pub(crate) fn flag(&self) -> Option<bool> {
        match self.found {
            DeValue::Boolean(flag) => Some(*flag),
            other => self.wrong("true or false", other),
        }
    }

    /// A whole number from 0 on.
    pub(crate) fn count(&self) -> Option<u64> {
        match self.found {
            DeValue::Integer(number) => {
                let count = u64::from_str_radix(number.as_str(), number.radix()).ok();
                if count.is_none() {
                    self.refuse(format!("{number} is not a whole number from 0 on"));
                }
                count
            }
            other => self.wrong("a whole number", other),
        }
    }

    pub(crate) fn is_list(&self) -> bool {
        matches!(self.found, DeValue::Array(_))
    }

    pub(crate) fn is_table(&self) -> bool {
        matches!(self.found, DeValue::Table(_))
    }

    pub(crate) fn list(&self) -> Option<Vec<Self>> {
        let DeValue::Array(items) = self.found else {
            return self.wrong("a list in brackets", self.found);
        };
        let item = |(n, v): (usize, &'d Spanned<_>)| Self::new(self.reader, v, self.at.nth(n, v.span()));
        Some(items.iter().enumerate().map(item).collect())
    }

    pub(crate) fn section(&self) -> Option<Section<'d>> {
        match self.found {
            DeValue::Table(table) => Some(Section::new(self.reader, table, self.at.clone())),
            other => self.wrong("a table", other),
        }
    }

    pub(crate) fn refuse(&self, message: impl Into<String>) {
        self.reader.refuse(&self.at, message);
    }

    fn wrong<T>(&self, wanted: &str, found: &DeValue<'_>) -> Option<T> {
        let found = match found {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.refuse(format!("this is {found}, but {wanted} belongs here"));
        None
    }
}
