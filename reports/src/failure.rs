//! The page of a failure: what is impossible, how to see it again, and what happened around it.

use std::fmt::Write;

use squall_checkers::verdict::Verdict;
use squall_workloads::record::{Capsule, Record};

use crate::{
    cycle, display, faults, headline,
    headline::Fact,
    html::{Document, document, escape},
    logs, plots,
    scene::Scene,
    timeline, witness,
};

/// What the page of a failure is made of.
#[derive(Clone, Debug)]
pub struct FailurePage<'a> {
    pub capsule: &'a Capsule,
    /// The record of the capsule's plan, with everything on.
    pub record: &'a Record,
    /// The verdict on that record; its sentence is the headline.
    pub verdict: &'a Verdict,
    /// Exact command lines, the most useful first.
    pub reproduce: Vec<String>,
}

/// The page of a failure, as one HTML document.
pub fn failure_page(page: &FailurePage<'_>) -> String {
    let plan = &page.capsule.plan;
    let scene = Scene::of_record(plan, page.record, page.verdict);
    let operation_count = scene.operations.len();
    let body = [
        headline::header(
            &plan.scenario,
            page.verdict,
            operation_count,
            &facts(page, &scene),
        ),
        digest_notice(page),
        "<main>\n".to_owned(),
        headline::why_and_how(page.verdict, operation_count, &page.reproduce),
        cycle::section(page.verdict, operation_count),
        witness::section(&scene),
        cycle::also(page.verdict, operation_count),
        timeline::section(&scene),
        faults::section(plan, &scene),
        logs::section(&page.record.violations, &scene),
        plots::section(&scene),
        counters(page.record),
        "</main>\n".to_owned(),
        footer(page.capsule),
    ]
    .concat();
    document(&Document {
        title: &format!("{}: {}", plan.scenario, headline::sentence(page.verdict)),
        body: &body,
        styles: &[timeline::CSS, cycle::CSS],
        scripts: &[timeline::JS],
    })
}

fn facts(page: &FailurePage<'_>, scene: &Scene<'_>) -> Vec<Fact> {
    let plan = &page.capsule.plan;
    let mut facts = vec![Fact::copyable("Seed", plan.seed.to_string())];
    if let Some(mutant) = &plan.mutant {
        facts.push(Fact::copyable("Planted bug", mutant));
    }
    facts.push(Fact::copyable("Signature", &page.capsule.signature));
    facts.push(Fact::copyable("Digest", &page.record.digest));
    let size = format!(
        "{}, {}, {}, {}",
        display::counted(u64::from(plan.nodes), "server", "servers"),
        display::counted(plan.clients.len() as u64, "client", "clients"),
        display::counted(scene.operations.len() as u64, "operation", "operations"),
        display::counted(plan.faults.len() as u64, "fault", "faults"),
    );
    facts.push(Fact::text("Size", size));
    facts.push(Fact::text(
        "Virtual time",
        display::duration(page.record.virtual_ns),
    ));
    facts
}

/// A record that is not the capsule's run would explain a failure that did not happen.
fn digest_notice(page: &FailurePage<'_>) -> String {
    if page.record.digest == page.capsule.digest {
        return String::new();
    }
    format!(
        "<p class=\"notice\">This is another run than the one that failed first: its digest is <code>{}</code>, \
         the capsule’s is <code>{}</code>. The code has changed since, or the run is not deterministic.</p>\n",
        escape(&page.record.digest),
        escape(&page.capsule.digest)
    )
}

fn counters(record: &Record) -> String {
    if record.counters.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<details id=\"counters\" class=\"section\"><summary><h2>Counters</h2></summary>\n<dl class=\"counters\">\n",
    );
    for (name, count) in &record.counters {
        let _ = writeln!(
            html,
            "<div><dt>{}</dt><dd>{}</dd></div>",
            escape(name),
            display::count(*count)
        );
    }
    html.push_str("</dl></details>\n");
    html
}

fn footer(capsule: &Capsule) -> String {
    format!(
        "<footer>Squall {}, capsule format {}</footer>\n",
        escape(&capsule.squall),
        capsule.schema
    )
}
