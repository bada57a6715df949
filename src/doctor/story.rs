//! What was found, as text for a person.

use std::collections::BTreeMap;

use squall_sim::engine::{ChangedWord, Decision, Escape, Memory};

use super::Symbols;
use super::bisect::Divergence;

/// How many callers are named: the nearest ones say where, the others how one came there.
const CALLERS_MAX: usize = 6;

/// Where two runs part, and what each did there.
pub(super) fn of_divergence(divergence: &Divergence, symbols: &Symbols) -> String {
    let Divergence {
        within,
        sides,
        common,
    } = divergence;
    let [None, None] = sides else {
        let mut text = format!("the first decision that differs: number {}\n", within.start);
        if let Some(common) = common {
            text.push_str("  just before, in both:\n");
            text.push_str(&of_decision(common, symbols));
        }
        for (side, name) in sides.iter().zip(["one run", "the other"]) {
            text.push_str(&format!("  {name}:\n"));
            match side {
                Some(decision) => text.push_str(&of_decision(decision, symbols)),
                None => text.push_str("    has ended, or died\n"),
            }
        }
        return text;
    };
    format!(
        "the first decision that differs is one of {} to {}: another one each time, so threads race, or \
         a decision is truly random\n",
        within.start,
        within.end.saturating_sub(1)
    )
}

fn of_decision(decision: &Decision, symbols: &Symbols) -> String {
    let time = milliseconds(decision.time_ns);
    let mut text = match decision.task.is_empty() {
        true => format!(
            "    at {time}: {} {}\n",
            decision.kind.told(),
            decision.event
        ),
        false => format!(
            "    at {time}: {}, incarnation {}: task {} {}\n",
            decision.node,
            decision.incarnation,
            decision.task,
            decision.kind.told()
        ),
    };
    text.push_str(&called(&symbols.callers(&decision.callers)));
    for line in &decision.log {
        text.push_str(&format!("      logged: {line}\n"));
    }
    text
}

/// What a program did around the simulation, and who called.
pub(super) fn of_escape(escape: &Escape, symbols: &Symbols) -> String {
    let severity = match escape.kind.is_harmful() {
        true => "ESCAPE",
        false => "caught",
    };
    let callers = called(&symbols.callers(&escape.callers));
    format!("{severity} {escape}\n{callers}")
}

/// Which statics and thread-locals changed, and which restart they outlived. State that is the
/// simulator's, the language's or the test harness's own is left out.
pub(super) fn of_changes(changed: &[ChangedWord], symbols: &Symbols) -> String {
    const OTHERS: [&str; 8] = [
        "std::",
        "std_detect::",
        "core::",
        "alloc::",
        "test::",
        "tokio::",
        "squall_sim::",
        "__",
    ];
    let mut named = BTreeMap::<(String, Memory), Option<&str>>::new();
    for word in changed {
        let name = match word.memory {
            Memory::Statics => symbols.at(word.address),
            Memory::ThreadLocals => symbols.thread_local_at(word.address),
        };
        let Some(name) = name.filter(|name| {
            let name = name.trim_start_matches('<');
            !OTHERS.iter().any(|prefix| name.starts_with(prefix))
        }) else {
            continue;
        };
        let restarted = named.entry((name, word.memory)).or_default();
        *restarted = restarted.or(word.restarted.as_deref());
    }
    let lines = named.iter().map(|((name, memory), restarted)| {
        let what = match memory {
            Memory::Statics => "STATIC",
            Memory::ThreadLocals => "THREAD-LOCAL",
        };
        let outlived = restarted.map_or_else(String::new, |node| {
            format!("; it outlived the restart of {node}")
        });
        format!("{what} {name} changed during the run: all machines share it{outlived}\n")
    });
    lines.collect()
}

fn called(callers: &[String]) -> String {
    let callers = callers.iter().take(CALLERS_MAX);
    callers
        .map(|caller| format!("      in {caller}\n"))
        .collect()
}

fn milliseconds(ns: u64) -> String {
    format!("{}.{:06} ms", ns / 1_000_000, ns % 1_000_000)
}
