//! Secrets that are typed on a terminal, which does not show them.

use std::io::{self, BufRead as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Asks for a line on the terminal that standard input is, and returns it. What is typed is not shown.
pub(super) fn read_hidden(question: &str) -> io::Result<String> {
    let hidden = Hidden::new()?;
    let mut error = io::stderr().lock();
    write!(error, "{question} (it is not shown): ")?;
    error.flush()?;
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    // The line end is not shown either.
    writeln!(error)?;
    drop(hidden);
    Ok(line)
}

/// Terminal that does not show what is typed, until this is dropped.
struct Hidden(Termios);

impl Hidden {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone has no modes.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
