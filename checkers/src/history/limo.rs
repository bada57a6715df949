//! LiMo's text: `# @object atomic-queue`, then calls and returns in the order in which they happened,
//! `[1] call enq(7)`, `[2] call deq`, `[1] return`, `[2] return 7`, with the process in brackets.
//!
//! A return of nothing or of `empty` says that there was nothing to take. What a read saw may stand at
//! its call.

use super::calls::{Method, Role, value};
use super::format::{Intake, ReadError, lines, unexpected_at};
use super::{EventKind, EventRef, Value, ValueRef};
use std::collections::HashMap;

pub(super) fn looks_so(text: &str) -> bool {
    let line = text.lines().next().unwrap_or("").trim_end();
    let is_header = line
        .strip_prefix('#')
        .is_some_and(|rest| rest.trim_start().starts_with("@object"));
    let process = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    is_header
        || process.is_some_and(|(number, rest)| {
            number.parse::<u64>().is_ok() && rest.trim_start().starts_with("call")
        })
}

pub(super) fn read(text: &str, into: &mut Intake<'_>) -> Result<(), ReadError> {
    let mut object = "";
    let mut open: HashMap<u64, (Method, Value)> = HashMap::new();
    for (at, line) in lines(text) {
        if let Some(comment) = line.strip_prefix('#') {
            object = comment
                .trim()
                .strip_prefix("@object")
                .map_or(object, str::trim);
            continue;
        }
        let (process, (word_at, said)) = process(text, at, line)?;
        if let Some(call) = after(said, "call") {
            let (method, argument) =
                call_of(text, word_at + (said.len() - call.len()), call, object)?;
            let (input, _) = method.values(argument.clone());
            push(into, at, process, EventKind::Invoke, method.f, &input)?;
            open.insert(process, (method, argument));
        } else if let Some(answer) = after(said, "return") {
            let Some((method, argument)) = open.remove(&process) else {
                return Err(unexpected_at(text, at, "a call before its return"));
            };
            let output = match (method.role, value(answer)) {
                (Role::Says(_), Value::Text(word)) if matches!(&*word, "true" | "false") => {
                    Value::Bool(word == "true")
                }
                (Role::Gives | Role::Says(_), _) => method.values(argument).1,
                (Role::Takes, Value::Nil) => argument,
                (Role::Takes, answer) => answer,
            };
            push(into, at, process, EventKind::Ok, method.f, &output)?;
        } else {
            return Err(unexpected_at(text, word_at, "`call` or `return`"));
        }
    }
    Ok(())
}

/// The process that a line is about, and the rest of it.
fn process<'t>(text: &str, at: usize, line: &'t str) -> Result<(u64, (usize, &'t str)), ReadError> {
    let expected = "a process in brackets, such as `[1]`";
    let parts = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (number, rest) = parts.ok_or_else(|| unexpected_at(text, at, expected))?;
    let process = number.trim().parse();
    let process = process.map_err(|_| unexpected_at(text, at, expected))?;
    let rest = rest.trim_start();
    Ok((process, (at + (line.len() - rest.len()), rest)))
}

/// What stands behind a word, if that comes first.
fn after<'t>(line: &'t str, word: &str) -> Option<&'t str> {
    let rest = line.strip_prefix(word)?;
    let is_word = rest.is_empty() || rest.starts_with(char::is_whitespace);
    is_word.then(|| rest.trim_start())
}

/// `enq(7)`, `enq 7`, `deq()` or `deq`.
fn call_of(text: &str, at: usize, call: &str, object: &str) -> Result<(Method, Value), ReadError> {
    let end = call.find(|letter: char| letter == '(' || letter.is_whitespace());
    let (name, rest) = call.split_at(end.unwrap_or(call.len()));
    let method =
        Method::named(name, object).ok_or_else(|| unexpected_at(text, at, &Method::expected()))?;
    let argument = rest.trim();
    let argument = match argument.strip_prefix('(') {
        None => argument,
        Some(inside) => inside
            .strip_suffix(')')
            .ok_or_else(|| unexpected_at(text, at + call.len(), "`)` behind the argument"))?,
    };
    Ok((method, value(argument.trim())))
}

fn push(
    into: &mut Intake<'_>,
    at: usize,
    process: u64,
    kind: EventKind,
    f: &str,
    value: &Value,
) -> Result<(), ReadError> {
    let event = EventRef {
        process,
        kind,
        f,
        key: None,
        value: ValueRef::from(value),
        time_ns: 0,
        error: None,
    };
    into.push(at, event)
}
