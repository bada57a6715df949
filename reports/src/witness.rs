//! The operations that together are impossible: a table, with a bar in each row that shows which
//! came before which. It needs no script, and prints.

use std::{collections::BTreeSet, fmt::Write};

use squall_checkers::history::{Operation, Outcome};

use crate::{display, html::escape, scene::Scene};

/// A longer witness is nothing that a person reads; the rest is counted, and is in the timeline.
const ROWS_MAX: usize = 300;

/// The section; empty without a witness.
pub(crate) fn section(scene: &Scene<'_>) -> String {
    let operations: Vec<_> = scene.witness().collect();
    if operations.is_empty() {
        return String::new();
    }
    let shown = &operations[..operations.len().min(ROWS_MAX)];
    let order = Order::of(shown, scene);
    let mut html = format!(
        "<section id=\"witness\"><h2>The witness: {}</h2>\n\
         <div class=\"scroll\"><table class=\"witness\">\n\
         <thead><tr><th>#</th><th>Client</th><th>Operation</th><th>Outcome</th><th>Invoked</th>\
         <th>Returned</th><th class=\"order\">What came before what <small>(not to scale)</small></th></tr></thead>\n<tbody>\n",
        display::counted(
            operations.len() as u64,
            "operation",
            "operations that together are impossible"
        )
    );
    for operation in shown {
        html.push_str(&row(operation, scene, &order));
    }
    html.push_str("</tbody></table></div>\n");
    if operations.len() > shown.len() {
        let _ = writeln!(
            html,
            "<p class=\"note\">{} more are marked in the timeline.</p>",
            display::count((operations.len() - shown.len()) as u64)
        );
    }
    html.push_str("</section>\n");
    html
}

fn row(operation: &Operation<'_>, scene: &Scene<'_>, order: &Order) -> String {
    let id = operation.id;
    let outcome = outcome(operation.outcome);
    let bad = scene.first_bad.and_then(|bad| bad.operation) == Some(id);
    let returned = match (operation.completed_ns, operation.outcome) {
        (Some(ns), Outcome::Info) => format!("gave up at {}", scene.instant(ns)),
        (Some(ns), _) => scene.instant(ns),
        (None, _) => "never".to_owned(),
    };
    let error = operation.error.map_or_else(String::new, |error| {
        format!(" <small>{}</small>", escape(error))
    });
    let client = scene.client_of(operation);
    let process = match format!("process {}", operation.process) {
        name if name == client => String::new(),
        _ => format!(" <small>p{}</small>", operation.process),
    };
    format!(
        "<tr id=\"op-{id}\"{}><td><a class=\"op\" href=\"#op-{id}\">#{id}</a></td><td>{}{process}</td>\
         <td><code>{}</code></td><td><span class=\"outcome {outcome}\">{outcome}</span>{error}</td>\
         <td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"order\">{}</td></tr>\n",
        if bad { " class=\"first-bad\"" } else { "" },
        escape(client),
        escape(&display::operation(operation)),
        scene.instant(operation.invoked_ns),
        returned,
        order.bar(operation),
    )
}

pub(crate) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Fail => "fail",
        Outcome::Info => "info",
    }
}

/// The events of the witness at equal distances: what matters is what overlaps what, and a run's
/// times would draw a fast operation beside a slow one as a hairline.
struct Order {
    events: BTreeSet<usize>,
    first_bad: Option<usize>,
}

impl Order {
    fn of(operations: &[&Operation<'_>], scene: &Scene<'_>) -> Self {
        let invoked = operations.iter().map(|operation| operation.invoked);
        let completed = operations
            .iter()
            .filter_map(|operation| operation.completed);
        let first_bad = scene.first_bad.map(|bad| bad.event);
        Self {
            events: invoked.chain(completed).chain(first_bad).collect(),
            first_bad,
        }
    }

    /// The bar of one operation, for an element as wide as all the events.
    fn bar(&self, operation: &Operation<'_>) -> String {
        let left = self.percent(operation.invoked);
        let right = operation
            .completed
            .map_or(100.0, |event| self.percent(event));
        let mut html = format!(
            "<span class=\"bar {}\" style=\"left:{left:.2}%;width:{:.2}%\"></span>",
            outcome(operation.outcome),
            right - left
        );
        if let Some(event) = self.first_bad {
            let _ = write!(
                html,
                "<span class=\"first-bad-line\" style=\"left:{:.2}%\"></span>",
                self.percent(event)
            );
        }
        html
    }

    fn percent(&self, event: usize) -> f64 {
        let before = self.events.range(..event).count();
        (before as f64 + 0.5) * 100.0 / self.events.len() as f64
    }
}
