//! The text of fastlin, fptlin and PolyLin: a header such as `# queue`, and then an operation on each
//! line with the times of its start and its end, `enq 7 1 3`; fptlin has the process before.
//!
//! All operations are complete. What ends when another starts overlaps it: the times do not say which
//! came first. An answer of -1 is that there was nothing. Where processes are not told, each operation
//! has its own.

use super::calls::{Method, Role, value};
use super::format::{Intake, ReadError, lines, unexpected_at, words};
use super::{EventKind, EventRef, Value, ValueRef};

/// The objects that a header may name.
const OBJECTS: [&str; 8] = [
    "set",
    "stack",
    "queue",
    "priorityqueue",
    "pqueue",
    "rmw",
    "register",
    "semaphore",
];

pub(super) fn looks_so(text: &str) -> bool {
    object(text.lines().next().unwrap_or("").trim()).is_some()
}

fn object(header: &str) -> Option<&str> {
    let name = header.strip_prefix('#')?.trim();
    OBJECTS.contains(&name).then_some(name)
}

/// An operation that takes from `start` to `end`.
struct Interval {
    at: usize,
    process: u64,
    f: &'static str,
    input: Value,
    output: Value,
    start: u64,
    end: u64,
}

pub(super) fn read(text: &str, into: &mut Intake<'_>) -> Result<(), ReadError> {
    let mut lines = lines(text);
    let header = lines.next();
    let Some(object) = header.and_then(|(_, header)| object(header)) else {
        let expected = format!("`#` and an object ({})", OBJECTS.join(", "));
        return Err(unexpected_at(
            text,
            header.map_or(text.len(), |(at, _)| at),
            &expected,
        ));
    };
    let intervals: Vec<Interval> = (0..)
        .zip(lines)
        .map(|(number, (at, line))| interval(text, at, line, number, object))
        .collect::<Result<_, _>>()?;
    let ends = intervals.iter().enumerate();
    let mut ends: Vec<(u64, bool, usize)> = ends
        .flat_map(|(place, it)| [(it.start, false, place), (it.end, true, place)])
        .collect();
    ends.sort_unstable();
    for (time_ns, is_end, place) in ends {
        let it = &intervals[place];
        let event = EventRef {
            process: it.process,
            kind: if is_end {
                EventKind::Ok
            } else {
                EventKind::Invoke
            },
            f: it.f,
            key: None,
            value: ValueRef::from(if is_end { &it.output } else { &it.input }),
            time_ns,
            error: None,
        };
        into.push(it.at, event)?;
    }
    Ok(())
}

fn interval(
    text: &str,
    at: usize,
    line: &str,
    number: u64,
    object: &str,
) -> Result<Interval, ReadError> {
    let mut words: Vec<(usize, &str)> = words(at, line).collect();
    let process = match words[0].1.parse() {
        Ok(process) => {
            words.remove(0);
            process
        }
        Err(_) => number,
    };
    let end_of_line = at + line.len();
    let named = words.first().copied().unwrap_or((end_of_line, ""));
    let method = Method::named(named.1, object)
        .ok_or_else(|| unexpected_at(text, named.0, &Method::expected()))?;
    let time = |place: Option<usize>, expected: &str| {
        let word = place
            .and_then(|place| words.get(place))
            .filter(|word| word.0 > named.0);
        let (at, word) = word.copied().unwrap_or((end_of_line, ""));
        let time: Result<u64, _> = word.parse();
        time.map_err(|_| unexpected_at(text, at, expected))
    };
    let start = time(words.len().checked_sub(2), "the time at which it started")?;
    let end = time(words.len().checked_sub(1), "the time at which it ended")?;
    if end < start {
        let at = words[words.len() - 1].0;
        return Err(unexpected_at(
            text,
            at,
            "an end that is not before the start",
        ));
    }
    let mut values: Vec<Value> = words[1..words.len() - 2]
        .iter()
        .map(|(_, word)| value(word))
        .collect();
    if values.is_empty() && method.role != Role::Takes {
        let at = words[0].0 + words[0].1.len();
        return Err(unexpected_at(text, at, "a value, a start and an end"));
    }
    let written = match values.len() {
        0 | 1 => values.pop().unwrap_or_default(),
        _ => Value::List(values),
    };
    let is_nothing = method.role == Role::Takes && written == Value::Int(-1);
    let (input, output) = method.values(if is_nothing { Value::Nil } else { written });
    Ok(Interval {
        at,
        process,
        f: method.f,
        input,
        output,
        start,
        end,
    })
}
