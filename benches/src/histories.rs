//! The benches' histories as the checkers read them.

use squall_bench_work::histories::{self, Line, LineCall, LineKind, Object, Recipe};
use squall_checkers::History;
use squall_checkers::history::{Event, EventKind, HistoryBuilder, ProcessReuse, Value};

/// The history that a recipe gives.
pub fn history(recipe: &Recipe) -> History {
    let mut builder = HistoryBuilder::new(ProcessReuse::AfterInfo);
    histories::for_each_line(recipe, &mut |line| push(&mut builder, recipe.object, &line));
    builder.finish()
}

/// The history of these lines.
pub fn recorded(recipe: &Recipe, lines: &[Line]) -> History {
    let mut builder = HistoryBuilder::new(ProcessReuse::AfterInfo);
    for line in lines {
        push(&mut builder, recipe.object, line);
    }
    builder.finish()
}

/// What Jepsen logs of a history.
pub fn jepsen_log(history: &History) -> String {
    let lines = history.events().iter().map(|event| {
        let kind = event.kind.word();
        format!(
            "INFO  jepsen.util - {}\t:{kind}\t:{}\t{}\n",
            event.process, event.f, event.value
        )
    });
    lines.collect()
}

fn push(builder: &mut HistoryBuilder, object: Object, line: &Line) {
    let pushed = builder.push(event(object, line));
    pushed.expect("clients do one thing at a time");
}

fn event(object: Object, line: &Line) -> Event {
    let is_map = matches!(object, Object::Registers(_));
    let (put, take) = match object {
        Object::Stack => ("push", "pop"),
        _ => ("enqueue", "dequeue"),
    };
    let (f, value) = match line.call {
        LineCall::Read => (
            if is_map { "get" } else { "read" },
            line.seen.map(Value::Int),
        ),
        LineCall::Write(value) => (
            if is_map { "put" } else { "write" },
            Some(Value::Int(value)),
        ),
        LineCall::CompareAndSet(expected, new) => (
            "cas",
            Some(Value::List(vec![Value::Int(expected), Value::Int(new)])),
        ),
        LineCall::Enqueue(value) => (put, Some(Value::Int(value))),
        LineCall::Dequeue => (take, line.seen.map(Value::Int)),
        LineCall::Add(element) => ("add", Some(Value::Int(element))),
        LineCall::Contains(element) => match line.seen {
            None => ("contains", Some(Value::Int(element))),
            Some(seen) => ("contains", Some(Value::Bool(seen == 1))),
        },
    };
    Event {
        process: line.process,
        kind: match line.kind {
            LineKind::Invoke => EventKind::Invoke,
            LineKind::Ok => EventKind::Ok,
            LineKind::Fail => EventKind::Fail,
            LineKind::Info => EventKind::Info,
        },
        f: f.to_owned(),
        key: is_map.then_some(Value::Int(line.key as i64)),
        value: value.unwrap_or_default(),
        time_ns: line.time_ns,
        error: None,
    }
}
