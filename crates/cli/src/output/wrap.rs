//! Texts for people, broken between words where the terminal ends; a pipe or a file gets them unbroken.

use comfy_table::Table;

/// Returns the width of the terminal that standard output is; none if it is a pipe or a file.
pub(crate) fn output_width() -> Option<usize> {
    Table::new().width().map(usize::from)
}

/// Returns the width of the terminal that standard error is; none if it is a pipe or a file.
pub(crate) fn error_width() -> Option<usize> {
    Table::new().use_stderr().width().map(usize::from)
}

/// Breaks one line between words where it is wider than the terminal; further lines begin with `indent` spaces. `column` is
/// where the text begins. A word that is wider than the terminal is left whole.
pub(crate) fn wrap(text: &str, column: usize, indent: usize, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| *width > indent.max(column) + 20) else { return text.to_owned() };
    let (mut out, mut place, mut is_first) = (String::with_capacity(text.len()), column, true);
    for word in text.split_inclusive(' ') {
        let seen = word.trim_end_matches(' ').chars().count();
        if place + seen > width && !is_first && seen > 0 {
            out.truncate(out.trim_end_matches(' ').len());
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', indent));
            (place, is_first) = (indent, true);
        }
        out.push_str(word);
        place += word.chars().count();
        is_first &= seen == 0;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_between_words_and_a_pipe_gets_it_unbroken() {
        let text = "there is no master key yet: the first start creates latchkey.db.master-key";
        assert_eq!(wrap(text, 12, 12, None), text);
        let broken = wrap(text, 12, 12, Some(60));
        assert_eq!(
            broken,
            "there is no master key yet: the first start\n            creates latchkey.db.master-key"
        );
        assert_eq!(
            broken.split_whitespace().collect::<Vec<_>>(),
            text.split_whitespace().collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_word_that_is_wider_than_the_terminal_stays_whole() {
        let path = "/a".repeat(40);
        let text = format!("{path} can't be read");
        assert_eq!(wrap(&text, 0, 2, Some(60)), format!("{path}\n  can't be read"));
        assert_eq!(wrap(&format!("file {path}"), 0, 2, Some(60)), format!("file\n  {path}"));
    }

    #[test]
    fn a_line_that_just_fits_is_not_broken_and_a_narrow_terminal_breaks_nothing() {
        let text = "a ".repeat(29) + "ab";
        assert_eq!(wrap(&text, 0, 2, Some(60)), text);
        assert_eq!(wrap(&text, 0, 2, Some(20)), text);
    }
}
