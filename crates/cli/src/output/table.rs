//! Tables without frames: they fit a terminal's width, and a pipe gets the same columns uncut.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Table};

use super::colour::cell;
use super::text::sanitize;

fn empty() -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

/// Least width of a column: a narrower one breaks words.
const NARROW: u16 = 12;
/// Least length of a first word that is never broken: an identifier or a time is copied as a whole.
const WHOLE: usize = 24;
/// Number of spaces beside a column.
const PADDING: u32 = 2;

/// Returns rows under a header; if they do not fit the terminal, each row as a record of its own.
pub(crate) fn rows<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = rows.into_iter().map(|row| row.map(|text| sanitize(&text))).collect();
    layout(empty(), header, &rows)
}

fn layout<const N: usize>(mut table: Table, header: [&str; N], rows: &[[String; N]]) -> String {
    let place = known_width(&mut table);
    table.set_header(header);
    for row in rows {
        table.add_row(header.iter().zip(row).map(|(header, text)| cell(header, text.clone())));
    }
    // The first column identifies a row and is never broken, so that it can be copied.
    let whole: [bool; N] =
        std::array::from_fn(|n| n == 0 || rows.iter().any(|row| begins_with_long_word(&row[n])));
    for (n, _) in whole.iter().enumerate().filter(|(_, whole)| **whole) {
        keep_column(&mut table, n);
    }
    let widths = table.column_max_content_widths();
    let room = widths.iter().zip(whole).map(|(&width, whole)| if whole { width } else { NARROW.min(width) });
    let needed: u32 = room.map(|width| u32::from(width) + PADDING).sum();
    if place.is_some_and(|place| needed > u32::from(place)) && !rows.is_empty() {
        return rows.iter().map(|row| vertical(place, header, row)).collect::<Vec<_>>().join("\n\n");
    }
    trimmed(&table)
}

/// Returns the width of the terminal. `None` for a pipe, and for a terminal that does not say its width (0 columns, as in
/// some containers and CI systems): the table is not arranged then.
fn known_width(table: &mut Table) -> Option<u16> {
    let width = table.width().filter(|width| *width > 0);
    if width.is_none() {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    width
}

/// Returns one record: a line for each field that has a value.
fn vertical<const N: usize>(place: Option<u16>, header: [&str; N], row: &[String; N]) -> String {
    let mut table = empty();
    if let Some(place) = place {
        table.set_width(place);
    }
    for (header, text) in header.iter().zip(row).filter(|(_, text)| !text.is_empty()) {
        table.add_row([Cell::new(header), cell(header, text.clone())]);
    }
    keep_column(&mut table, 0);
    trimmed(&table)
}

/// Returns whether a text begins with an identifier, a time or another long word without other signs.
fn begins_with_long_word(text: &str) -> bool {
    let word = text.split(' ').next().unwrap_or_default();
    word.len() >= WHOLE && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-:.".contains(&byte))
}

fn keep_column(table: &mut Table, index: usize) {
    if let Some(column) = table.column_mut(index) {
        column.set_constraint(ColumnConstraint::ContentWidth);
    }
}

/// Returns the names and values of one record; fields without a value are left out.
pub(crate) fn fields(fields: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let mut table = empty();
    known_width(&mut table);
    for (name, value) in fields.into_iter().filter(|(_, value)| !value.is_empty()) {
        table.add_row([Cell::new(name), Cell::new(sanitize(&value))]);
    }
    trimmed(&table)
}

/// Returns a table without the spaces at the left and the right, which it has in place of a frame.
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
    fn a_field_without_a_value_is_left_out() {
        assert_eq!(fields([("id", "1".to_owned()), ("plan", String::new())]).lines().count(), 1);
    }

    #[test]
    fn an_identifier_and_a_time_of_a_later_column_are_not_broken_either() {
        let (time, id) = ("2026-12-01T02:24:51.114Z", "key_01a218a5d5c57b80b948bdd987dadc78");
        let row = ["1", time, id, "a comment of several words"].map(str::to_owned);
        for width in [60, 72, 80, 82, 90, 100, 140] {
            let mut table = empty();
            table.set_width(width);
            let text = layout(table, ["VERSION", "APPLIED", "BY", "COMMENT"], std::slice::from_ref(&row));
            assert!(text.contains(time) && text.contains(id), "{width}: {text}");
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{width}: {text}");
        }
    }

    #[test]
    fn an_identifier_is_never_broken_and_a_narrow_terminal_gets_one_field_below_the_other() {
        let id = "key_01a218a5d5c57b80b948bdd987dadc78";
        let row = [id, "api-server-production", "secret", "live", "active, replaced: still in use"]
            .map(str::to_owned);
        let header = ["ID", "NAME", "KIND", "ENVIRONMENT", "STATE"];
        let at = |width: u16| {
            let mut table = empty();
            table.set_width(width);
            layout(table, header, &[row.clone(), row.clone()])
        };
        let (wide, narrow) = (at(100), at(70));
        assert!(wide.starts_with("ID ") && wide.matches(id).count() == 2, "{wide}");
        assert!(narrow.starts_with("ID           key_") && narrow.matches(id).count() == 2, "{narrow}");
        assert!(
            narrow.contains("\n\n") && narrow.contains("STATE        active, replaced: still in use"),
            "{narrow}"
        );
        let unknown = at(0);
        assert!(unknown.starts_with("ID ") && unknown.lines().count() == 3, "{unknown}");
        assert_eq!(unknown.matches("active, replaced: still in use").count(), 2, "{unknown}");
        for (text, width) in [(wide, 100), (narrow, 70), (at(30), 30)] {
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}: {text}");
        }
    }
}
