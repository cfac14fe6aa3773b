//! Parser of templates: literal text, and expressions `{{ name | filter("argument") | … }}`.

use latchkey_core::choices::hint;

use super::filter::{self, Argument, Filter};
use super::name::Name;
use super::{NameResolver, Segment, TemplateError};

/// Returns the segments of a text.
///
/// # Errors
///
/// Returns all mistakes of the text.
pub(super) fn template(text: &str, names: &NameResolver<'_>) -> Result<Vec<Segment>, Vec<TemplateError>> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut errors = Vec::new();
    let mut at = 0;
    while let Some(begin) = text[at..].find("{{").map(|found| at + found) {
        literal(&mut segments, &text[at..begin]);
        let mut cursor = Cursor { text, at: begin + 2, names };
        match cursor.expression() {
            Ok(segment) => segments.push(segment),
            Err(error) => {
                errors.push(error);
                let end = text[begin..].find("}}").map_or(text.len(), |found| begin + found + 2);
                cursor.at = end.max(cursor.at);
            }
        }
        at = cursor.at;
    }
    literal(&mut segments, &text[at..]);
    if errors.is_empty() { Ok(segments) } else { Err(errors) }
}

fn literal(segments: &mut Vec<Segment>, text: &str) {
    if !text.is_empty() {
        segments.push(Segment::Literal(text.into()));
    }
}

/// Position in a text, inside of an expression `{{ … }}`.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
    names: &'t NameResolver<'t>,
}

impl<'t> Cursor<'t> {
    fn expression(&mut self) -> Result<Segment, TemplateError> {
        let mut names = vec![self.name()?];
        while self.take_or() {
            names.push(self.name()?);
        }
        let mut filters = Vec::new();
        loop {
            self.skip_space();
            let end = self.at;
            if self.take("}}") {
                filter::check_growth(&filters).map_err(|message| (end, message))?;
                return Ok(Segment::Value(names, filters));
            }
            if !self.take("|") {
                return Err(self.error("expected \"}}\", or \"|\" and a filter"));
            }
            filters.push(self.filter()?);
        }
    }

    /// Consumes `or`; returns true if another name follows, which is used if the names before have no value.
    fn take_or(&mut self) -> bool {
        self.skip_space();
        self.take("or ")
    }

    fn name(&mut self) -> Result<Name, TemplateError> {
        self.skip_space();
        if self.rest().starts_with(['"', '\'']) {
            return self.quoted().map(|text| Name::Text(text.into()));
        }
        let begin = self.at;
        let word = self.word();
        (self.names.resolve)(word).or_else(|| Name::parse(word)).ok_or_else(|| match word {
            "" => (begin, "expected a name".to_owned()),
            word => {
                let all = format!("{}{}", self.names.help, Name::all());
                let names: Vec<&str> = all.split(", ").collect();
                (begin, format!("unknown name \"{word}\"; the names are: {all}{}", hint(word, &names)))
            }
        })
    }

    fn filter(&mut self) -> Result<Filter, TemplateError> {
        self.skip_space();
        let begin = self.at;
        let word = self.word();
        let arguments = self.arguments()?;
        Filter::of(word, &arguments).map_err(|message| (begin, message))
    }

    fn arguments(&mut self) -> Result<Vec<Argument>, TemplateError> {
        let mut arguments = Vec::new();
        if !self.take("(") {
            return Ok(arguments);
        }
        loop {
            self.skip_space();
            if self.take(")") {
                return Ok(arguments);
            }
            if !arguments.is_empty() && !self.take(",") {
                return Err(self.error("expected \",\" or \")\""));
            }
            self.skip_space();
            arguments.push(self.argument()?);
        }
    }

    fn argument(&mut self) -> Result<Argument, TemplateError> {
        if self.rest().starts_with(['"', '\'']) {
            return self.quoted().map(Argument::Text);
        }
        let digits = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        let number = self.rest()[..digits].parse().map_err(|_| self.error("expected a text or a number"))?;
        self.at += digits;
        Ok(Argument::Number(number))
    }

    /// Reads a text in quotes, in which a backslash escapes a quote or a backslash.
    fn quoted(&mut self) -> Result<String, TemplateError> {
        let begin = self.at;
        let mut text = String::new();
        let mut characters = self.rest().char_indices();
        let quote = characters.next().map(|(_, c)| c);
        while let Some((offset, character)) = characters.next() {
            if Some(character) == quote {
                self.at += offset + 1;
                return Ok(text);
            }
            let plain = if character == '\\' { characters.next().map(|(_, c)| c) } else { Some(character) };
            text.extend(plain);
        }
        Err((begin, "the text in quotes is not terminated".to_owned()))
    }

    /// Reads the name of a value or of a filter.
    fn word(&mut self) -> &'t str {
        let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
        let length = self.rest().bytes().take_while(part).count();
        let word = &self.rest()[..length];
        self.at += length;
        word
    }

    fn take(&mut self, token: &str) -> bool {
        let present = self.rest().starts_with(token);
        if present {
            self.at += token.len();
        }
        present
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn error(&self, message: &str) -> TemplateError {
        (self.at, message.to_owned())
    }
}
