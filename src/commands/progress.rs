//! Progress: a bar where somebody watches, a line now and then where nobody does.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// The progress of a command.
pub(super) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    last_line: Instant,
    started: Instant,
}

impl Progress {
    /// Of so many steps, if that is known.
    pub(super) fn new(steps: Option<u64>) -> Self {
        let is_terminal = console_is_terminal();
        let target = match is_terminal {
            true => ProgressDrawTarget::stderr_with_hz(8),
            false => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(steps, target);
        let template = match steps {
            Some(_) => "{elapsed_precise} {bar:30} {pos}/{len} {per_sec} {msg} eta {eta}",
            None => "{elapsed_precise} {spinner} {pos} {per_sec} {msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            is_terminal,
            last_line: Instant::now(),
            started: Instant::now(),
        }
    }

    /// One step is done; `message` says how things stand.
    pub(super) fn step(&mut self, message: impl FnOnce() -> String) {
        self.bar.inc(1);
        if self.is_terminal {
            self.bar.set_message(message());
        } else if self.last_line.elapsed() >= LINE_EVERY {
            self.last_line = Instant::now();
            let length = self
                .bar
                .length()
                .map_or_else(String::new, |length| format!("/{length}"));
            let seconds = self.started.elapsed().as_secs();
            eprintln!(
                "{seconds:>4} s  {}{length} {}",
                self.bar.position(),
                message()
            );
        }
    }

    /// Prints a line that stays, above the bar.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| eprintln!("{text}"));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

fn console_is_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal()
}
