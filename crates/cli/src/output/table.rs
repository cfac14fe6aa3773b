//! Tables without frames: they fit a terminal's width, and a pipe gets the same columns uncut.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, ContentArrangement, Table};

use super::colour::cell;
use super::text::clean;

fn empty() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Rows under a header.
pub(crate) fn rows<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = empty();
    table.set_header(header);
    for row in rows {
        table.add_row(header.iter().zip(&row).map(|(header, text)| cell(header, clean(text))));
    }
    trimmed(&table)
}

/// Names and values of one thing; what has no value is left out.
pub(crate) fn fields(fields: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut table = empty();
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([Cell::new(name), Cell::new(clean(&value))]);
    }
    trimmed(&table)
}

/// Without the blanks that a frame would have stood behind.
fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    let indent =
        lines.iter().filter(|l| !l.is_empty()).map(|l| l.len() - l.trim_start().len()).min().unwrap_or(0);
    lines.iter().map(|line| line.get(indent..).unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_starts_at_the_left_and_shows_no_control_characters() {
        let text = rows(["ID", "NAME"], [["1".to_owned(), "a\u{1b}[2J".to_owned()]]);
        assert!(text.starts_with("ID") && !text.contains('\u{1b}') && text.contains("\\u{1b}"), "{text}");
    }

    #[test]
    fn what_has_no_value_is_left_out() {
        assert_eq!(fields([("id", "1".to_owned()), ("plan", String::new())]).lines().count(), 1);
    }
}
