//! Secrets that are typed on a terminal, which does not show them.

use std::io::{self, BufRead, ErrorKind, Write as _};
use std::time::Duration;

use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

/// Time limit for the end of the process after it has sent a signal to itself.
const SIGNAL_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks for a line on the terminal that standard input is, and returns it. What is typed is not shown.
pub(super) fn read_hidden(question: &str) -> io::Result<String> {
    let hidden = HiddenInput::new()?;
    let mut error = io::stderr().lock();
    write!(error, "{question} (it is not shown): ")?;
    error.flush()?;
    let line = read_line(&mut io::stdin().lock(), hidden.interrupt())?;
    // The line end is not shown either.
    writeln!(error)?;
    drop(hidden);
    let Some(line) = line else {
        kill_current_process_group(Signal::INT)?;
        // The signal may be delivered to another thread, and ends the process a little later. It has no effect if the
        // caller's process ignores it.
        std::thread::sleep(SIGNAL_TIMEOUT);
        return Err(ErrorKind::Interrupted.into());
    };
    String::from_utf8(line).map_err(|_| io::Error::new(ErrorKind::InvalidData, "what was typed is not UTF-8"))
}

/// Reads a line; `None` if it ends by the code of an interrupt.
fn read_line(input: &mut impl BufRead, interrupt: u8) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    loop {
        let part = match input.fill_buf() {
            Ok(part) => part,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let end = part.iter().position(|byte| [b'\n', interrupt].contains(byte));
        let taken = end.map_or(part.len(), |end| end + 1);
        line.extend(part.iter().take(taken));
        input.consume(taken);
        if end.is_some() || taken == 0 {
            return Ok((line.last() != Some(&interrupt)).then_some(line));
        }
    }
}

/// Terminal that does not show what is typed, until this is dropped.
struct HiddenInput(Termios);

impl HiddenInput {
    fn new() -> io::Result<Self> {
        let before = Self(tcgetattr(io::stdin())?);
        let mut modes = before.0.clone();
        modes.local_modes.remove(LocalModes::ECHO);
        // The signal of Ctrl-C would end the process while the terminal shows nothing. The line ends instead, so that the modes
        // are set back before the signal is sent. By the code 0, no signal is sent.
        modes.special_codes[SpecialCodeIndex::VINTR] = 0;
        modes.special_codes[SpecialCodeIndex::VEOL] = before.interrupt();
        tcsetattr(io::stdin(), OptionalActions::Now, &modes)?;
        Ok(before)
    }

    /// Returns the code that Ctrl-C has on this terminal.
    fn interrupt(&self) -> u8 {
        self.0.special_codes[SpecialCodeIndex::VINTR]
    }
}

impl Drop for HiddenInput {
    fn drop(&mut self) {
        // A terminal that is gone has no modes.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_by_its_end_by_an_interrupt_and_by_the_end_of_the_input() {
        let read = |mut text: &[u8]| {
            let line = read_line(&mut text, 3).unwrap();
            (line.map(|line| String::from_utf8(line).unwrap()), text.len())
        };
        assert_eq!(read(b"secret\nnext"), (Some("secret\n".to_owned()), 4));
        assert_eq!(read(b"sec\x03ret\n"), (None, 4));
        assert_eq!(read(b"secret"), (Some("secret".to_owned()), 0));
        assert_eq!(read(b""), (Some(String::new()), 0));
    }
}
