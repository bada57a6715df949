//! Whether each process polls and sends in the order of offsets.

use super::logs::Logs;
use super::recorded::{Act, Record, Recorded, What};
use super::{Consume, Report};
use crate::named::findings::Told;
use crate::named::{whose_first_of, whose_of};
use std::collections::BTreeMap;

/// Where each process is in each key.
pub(super) struct Orders<'r, 'h> {
    recorded: &'r Recorded<'h>,
    logs: &'r Logs<'r, 'h>,
    processes: BTreeMap<u64, Process<'r>>,
}

/// By key, where a process was last.
#[derive(Default)]
struct Process<'r> {
    polled: BTreeMap<usize, Last<'r>>,
    sent: BTreeMap<usize, Last<'r>>,
}

#[derive(Clone, Copy)]
struct Last<'r> {
    record: Record,
    act: &'r Act,
}

/// What one step from record to record is called if it is wrong.
#[derive(Clone, Copy)]
struct Classes {
    back: &'static str,
    skip: Option<&'static str>,
    done: &'static str,
}

const POLL: Classes = Classes {
    back: "nonmonotonic-poll",
    skip: Some("poll-skip"),
    done: "polled",
};
const POLL_WITHIN: Classes = Classes {
    back: "int-nonmonotonic-poll",
    skip: Some("int-poll-skip"),
    done: "polled",
};
const SEND: Classes = Classes {
    back: "nonmonotonic-send",
    skip: None,
    done: "sent",
};
const SEND_WITHIN: Classes = Classes {
    back: "int-nonmonotonic-send",
    skip: Some("int-send-skip"),
    done: "sent",
};

impl<'r, 'h> Orders<'r, 'h> {
    pub(super) fn judge(
        recorded: &'r Recorded<'h>,
        logs: &'r Logs<'r, 'h>,
        report: &mut Report<'_>,
    ) {
        let mut orders = Self {
            recorded,
            logs,
            processes: BTreeMap::new(),
        };
        for act in &recorded.acts {
            orders.follow(act, report);
        }
    }

    fn follow(&mut self, act: &'r Act, report: &mut Report<'_>) {
        let process = self.processes.entry(act.process).or_default();
        if act.span.completed().is_none() {
            // Whoever goes on under that number is another client.
            *process = Process::default();
        }
        if act.span.has_failed() {
            return;
        }
        match &act.what {
            What::Assign(keys) | What::Subscribe(keys) => {
                process.polled.retain(|key, _| keys.contains(key));
            }
            What::Seek => process.polled.clear(),
            What::Transaction(_) if act.span.returned().is_some() => {
                self.follow_polls(act, report);
                self.follow_sends(act, report);
            }
            What::Transaction(_) | What::Nothing => {}
        }
    }

    fn follow_polls(&mut self, act: &'r Act, report: &mut Report<'_>) {
        let may_lose_keys = report.options.consume == Consume::Subscribe;
        let before = std::mem::take(&mut self.process(act).polled);
        let mut within: BTreeMap<usize, Last<'r>> = BTreeMap::new();
        for poll in act.polls() {
            let mut in_this: BTreeMap<usize, ()> = BTreeMap::new();
            for &record in poll {
                let key = self.recorded.key(record.message);
                let is_in_this = in_this.insert(key, ()).is_some();
                match (within.get(&key), before.get(&key)) {
                    (Some(last), _) if is_in_this || !may_lose_keys => {
                        self.judge_step(*last, Last { record, act }, POLL_WITHIN, report);
                    }
                    (None, Some(last)) => {
                        self.judge_step(*last, Last { record, act }, POLL, report)
                    }
                    _ => {}
                }
                within.insert(key, Last { record, act });
            }
        }
        let mut after = before;
        after.extend(within);
        self.process(act).polled = after;
    }

    fn follow_sends(&mut self, act: &'r Act, report: &mut Report<'_>) {
        let mut sent = std::mem::take(&mut self.process(act).sent);
        for record in act.sent() {
            let key = self.recorded.key(record.message);
            let here = Last { record, act };
            if let Some(last) = sent.insert(key, here) {
                let is_within = last.act.span == act.span;
                let classes = if is_within { SEND_WITHIN } else { SEND };
                self.judge_step(last, here, classes, report);
            }
        }
        self.process(act).sent = sent;
    }

    fn process(&mut self, act: &Act) -> &mut Process<'r> {
        self.processes.entry(act.process).or_default()
    }

    fn judge_step(
        &self,
        last: Last<'_>,
        here: Last<'_>,
        classes: Classes,
        report: &mut Report<'_>,
    ) {
        let (Some(from), Some(to)) = (last.record.offset, here.record.offset) else {
            return;
        };
        let returned = here
            .act
            .span
            .returned()
            .expect("only what returned is followed");
        if to <= from {
            report.note(returned, classes.back, || {
                self.tell(last, here, classes, "which is not beyond that", None)
            });
            return;
        }
        let key = self.recorded.key(here.record.message);
        let Some(class) = classes.skip else { return };
        if let Some((known, skipped)) = self.logs.between(key, from, to) {
            let how = format!("although {} lies between", self.recorded.name(skipped));
            report.note(returned.max(known), class, || {
                let by = self.logs.seen_by(key, skipped, known);
                self.tell(last, here, classes, &how, by)
            });
        }
    }

    fn tell(
        &self,
        last: Last<'_>,
        here: Last<'_>,
        classes: Classes,
        how: &str,
        by: Option<usize>,
    ) -> Told {
        let history = self.recorded.history;
        let at = |last: Last<'_>| {
            let name = self.recorded.name(last.record.message);
            let offset = last.record.offset.unwrap_or(0);
            format!("{name} at offset {offset}")
        };
        let done = classes.done;
        let next = if last.act.span == here.act.span {
            "then".to_owned()
        } else {
            format!("and then {}", whose_of(history, here.act.span.id()))
        };
        let sentence = format!(
            "{} {done} {}, {next} {}, {how}.",
            whose_first_of(history, last.act.span.id()),
            at(last),
            at(here)
        );
        let witness = [last.act.span.id(), here.act.span.id()];
        Told::minimal(sentence, witness.into_iter().chain(by))
    }
}
