//! Tables and figures as text.

use std::fmt::Write;

/// Writes to standard output. Whoever has stopped reading has seen what they wanted.
pub(super) fn out(text: &str) {
    use std::io::Write;
    let mut output = std::io::stdout().lock();
    let _ = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
}

/// Lays rows out in columns; the first row is the head. Columns of numbers stand to the right.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let width = |column| {
        rows.iter()
            .map(|row| cell(row, column).chars().count())
            .max()
            .unwrap_or(0)
    };
    let is_number = |text: &str| {
        text.chars()
            .next()
            .is_some_and(|letter| letter.is_ascii_digit())
    };
    let numeric = |column| rows.iter().skip(1).any(|row| is_number(&cell(row, column)));
    let layout: Vec<(usize, bool)> = (0..columns)
        .map(|column| (width(column), numeric(column)))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (width, is_right)) in layout.iter().enumerate() {
            let cell = cell(row, column);
            let _ = match is_right {
                true => write!(line, "{cell:>width$}  "),
                false => write!(line, "{cell:<width$}  "),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A count with its thousands apart.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time, in the unit that suits it.
pub(super) fn duration(ns: u64) -> String {
    let seconds = ns as f64 / 1e9;
    match seconds {
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 120.0 => format!("{seconds:.1} s"),
        _ if seconds < 7200.0 => format!("{:.1} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_readable() {
        assert_eq!(
            [count(7), count(1234), count(1_234_567)],
            ["7", "1,234", "1,234,567"]
        );
        assert_eq!(duration(1_500_000), "2 ms");
        assert_eq!(duration(61_000_000_000), "61.0 s");
        assert_eq!(duration(7_200_000_000_000), "2.0 h");
    }

    #[test]
    fn numbers_stand_to_the_right() {
        let rows = [vec!["name", "n"], vec!["a", "10"], vec!["long", "7"]];
        let rows = rows.map(|row| row.into_iter().map(str::to_owned).collect());
        assert_eq!(table(&rows), "name   n\na     10\nlong   7\n");
    }
}
