//! Headers with their values. Every allowed request has a few, so all values are stored in a single text and a header
//! needs no allocation of its own.

use smallvec::SmallVec;

use crate::profile::HeaderTemplate;
use crate::template::RenderInput;

/// Initial capacity for the values in bytes, enough for a few headers.
const INITIAL_CAPACITY: usize = 160;

/// Headers with their values, in the order of the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderedHeaders<'a> {
    values: String,
    /// Names, and the ends of their values in the text.
    headers: SmallVec<[(&'a str, usize); 8]>,
}

impl<'a> RenderedHeaders<'a> {
    /// Returns the name and the value of each header.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &str)> + Clone {
        let mut begin = 0;
        self.headers.iter().map(move |(name, end)| {
            let value = &self.values[begin..*end];
            begin = *end;
            (*name, value)
        })
    }

    /// Returns the headers with owned values.
    pub(crate) fn owned(&self) -> Vec<(&'a str, String)> {
        self.iter().map(|(name, value)| (name, value.to_owned())).collect()
    }

    /// Adds a header.
    pub(super) fn push(&mut self, name: &'a str, value: &str) {
        self.values.push_str(value);
        self.headers.push((name, self.values.len()));
    }

    /// Adds a header if its template has a value. Returns false if it has none.
    pub(super) fn render(&mut self, header: &'a HeaderTemplate, input: &RenderInput<'_>) -> bool {
        if self.values.capacity() == 0 {
            self.values = String::with_capacity(INITIAL_CAPACITY);
        }
        let has_value = header.value.render_header(input, &mut self.values);
        if has_value {
            self.headers.push((&header.name, self.values.len()));
        }
        has_value
    }
}

/// Renders the headers that have a value.
pub(crate) fn render_headers<'a>(
    headers: &'a [HeaderTemplate],
    input: &RenderInput<'_>,
) -> RenderedHeaders<'a> {
    let mut out = RenderedHeaders::default();
    for header in headers {
        out.render(header, input);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_header_has_its_own_value() {
        let mut headers = RenderedHeaders::default();
        assert_eq!(headers.iter().count(), 0);
        headers.push("a", "one");
        headers.push("b", "");
        headers.push("c", "three");
        assert_eq!(headers.iter().collect::<Vec<_>>(), [("a", "one"), ("b", ""), ("c", "three")]);
    }
}
