//! A table of a document. Each field is requested by name. A field that was never requested is reported as a mistake,
//! together with the names of the known fields.

use std::ops::Range;

use latchkey_core::choices::hint;
use toml::de::DeTable;

use super::{Location, Reader, Text, Value};

/// A table, and the names of its known fields.
pub(crate) struct Section<'d> {
    reader: &'d Reader<'d>,
    table: &'d DeTable<'d>,
    pub(crate) at: Location,
    known: Vec<&'static str>,
    /// Former names of fields: accepted, and left out of the list of names that a mistake shows.
    aliases: Vec<&'static str>,
}

impl<'d> Section<'d> {
    pub(super) fn new(reader: &'d Reader<'d>, table: &'d DeTable<'d>, at: Location) -> Self {
        Self { reader, table, at, known: Vec::new(), aliases: Vec::new() }
    }

    /// Returns the value of a field, of any type.
    pub(crate) fn value(&mut self, field: &'static str) -> Option<Value<'d>> {
        if !self.known.contains(&field) {
            self.known.push(field);
        }
        let value = self.table.get(field)?;
        Some(Value::new(self.reader, value, self.at.field(field, value.span())))
    }

    /// Value of a field that is also accepted under `alias`, its former name. Both names at once are a mistake.
    pub(crate) fn value_or_alias(&mut self, field: &'static str, alias: &'static str) -> Option<Value<'d>> {
        let value = self.value(field);
        self.aliases.push(alias);
        let Some(former) = self.table.get(alias) else { return value };
        let former = Value::new(self.reader, former, self.at.field(alias, former.span()));
        if value.is_some() {
            former.report(format!("\"{alias}\" is the former name of \"{field}\"; write \"{field}\" alone"));
        }
        value.or(Some(former))
    }

    /// Returns the text of a field.
    pub(crate) fn text(&mut self, field: &'static str) -> Option<Text<'d>> {
        self.value(field)?.text()
    }

    /// Returns the text of a required field; reports the field if it is missing.
    pub(crate) fn required_text(&mut self, field: &'static str) -> Option<Text<'d>> {
        let value = self.required(field)?;
        value.text()
    }

    /// Returns the value of a required field; reports the field if it is missing.
    pub(crate) fn required(&mut self, field: &'static str) -> Option<Value<'d>> {
        let value = self.value(field);
        if value.is_none() {
            self.report(format!("the field \"{field}\" is missing"));
        }
        value
    }

    /// Returns the boolean of a field, or a default if the field is absent.
    pub(crate) fn flag(&mut self, field: &'static str, default: bool) -> bool {
        self.value(field).and_then(|v| v.flag()).unwrap_or(default)
    }

    /// Returns the whole number of a field.
    pub(crate) fn count(&mut self, field: &'static str) -> Option<u64> {
        self.value(field)?.count()
    }

    /// Returns a list of texts, which is empty if the field is absent.
    pub(crate) fn texts(&mut self, field: &'static str) -> Vec<Text<'d>> {
        self.optional_texts(field).unwrap_or_default()
    }

    /// Returns a list of texts if the field is present.
    pub(crate) fn optional_texts(&mut self, field: &'static str) -> Option<Vec<Text<'d>>> {
        let items = self.value(field)?.list()?;
        Some(items.iter().filter_map(Value::text).collect())
    }

    /// Returns the table of a field.
    pub(crate) fn section(&mut self, field: &'static str) -> Option<Self> {
        self.value(field)?.section()
    }

    /// Returns a list of tables (`[[field]]`), which is empty if the field is absent.
    pub(crate) fn sections(&mut self, field: &'static str) -> Vec<Self> {
        let items = self.value(field).and_then(|v| v.list()).unwrap_or_default();
        items.iter().filter_map(Value::section).collect()
    }

    /// Returns all fields with their names in the order of the document, for tables with arbitrary names.
    pub(crate) fn entries(&self) -> Vec<(Text<'d>, Value<'d>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&'d toml::Spanned<_>, &'d toml::Spanned<_>)| {
            let name: &'d std::borrow::Cow<'d, str> = key.get_ref();
            let at = |span: Range<usize>| self.at.field(name, span);
            let text = Text { reader: self.reader, value: name, at: at(key.span()) };
            (text, Value::new(self.reader, value, at(value.span())))
        };
        entries.into_iter().map(entry).collect()
    }

    /// Reports a mistake of the section as a whole.
    pub(crate) fn report(&self, message: impl Into<String>) {
        self.reader.report(&self.at, message);
    }

    /// Reports every field that was never requested.
    pub(crate) fn close(self) {
        for (name, _) in self.entries() {
            if !self.known.contains(&name.value) && !self.aliases.contains(&name.value) {
                let hint = hint(name.value, &self.known);
                let known = self.known.join(", ");
                name.report(format!("there is no such field; the fields here are: {known}{hint}"));
            }
        }
    }
}
