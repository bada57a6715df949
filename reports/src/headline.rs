//! The top of a page: the verdict in a sentence, the facts, how to see it again, and why.

use std::fmt::Write;

use squall_checkers::verdict::Verdict;

use crate::html::{copyable, escape, with_operation_links};

/// A name and a value, for the list below the headline.
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) look: Look,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Text,
    /// Monospaced, with a button that copies it.
    Copyable,
}

impl Fact {
    pub(crate) fn text(name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        Self {
            name,
            value,
            look: Look::Text,
        }
    }

    pub(crate) fn copyable(name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        Self {
            name,
            value,
            look: Look::Copyable,
        }
    }
}

/// What the verdict says, in one sentence.
pub(crate) fn sentence(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Valid { .. } => "This history was possible.",
        Verdict::Invalid(anomaly) => &anomaly.sentence,
        Verdict::Unknown(why) | Verdict::Vacuous(why) => why,
    }
}

/// What is impossible, large unless that would fill the page.
fn title(sentence: &str, operation_count: usize) -> String {
    const LARGE_CHARS_MAX: usize = 160;
    let look = match sentence.chars().count() {
        0..=LARGE_CHARS_MAX => "",
        _ => " class=\"long\"",
    };
    let sentence = with_operation_links(sentence, operation_count);
    format!("<h1{look}>{sentence}</h1>")
}

pub(crate) fn header(
    place: &str,
    verdict: &Verdict,
    operation_count: usize,
    facts: &[Fact],
) -> String {
    let mut html = String::from("<header class=\"headline\">\n");
    let word = verdict.word();
    let _ = writeln!(
        html,
        "<p class=\"eyebrow\"><span class=\"brand\">Squall</span> <span>{}</span> \
         <span class=\"badge {word}\">{word}</span>{}</p>",
        escape(place),
        anomaly_badges(verdict)
    );
    let _ = writeln!(html, "{}", title(sentence(verdict), operation_count));
    html.push_str("<dl class=\"facts\">\n");
    for fact in facts {
        let value = escape(&fact.value);
        let shown = match fact.look {
            Look::Text => value,
            Look::Copyable => format!(
                "<code>{value}</code> <button type=\"button\" class=\"small\" data-copy=\"{value}\" \
                 aria-label=\"Copy the {}\">Copy</button>",
                fact.name
            ),
        };
        let _ = writeln!(html, "<div><dt>{}</dt><dd>{shown}</dd></div>", fact.name);
    }
    html.push_str("</dl>\n</header>\n");
    html
}

fn anomaly_badges(verdict: &Verdict) -> String {
    let Verdict::Invalid(anomaly) = verdict else {
        return String::new();
    };
    let rules_out = match anomaly.rules_out.as_slice() {
        [] => String::new(),
        models => format!(" <span>rules out {}</span>", escape(&models.join(", "))),
    };
    format!(
        " <span class=\"badge\">{}</span> <span class=\"badge\">{}</span>{rules_out}",
        escape(&anomaly.class),
        escape(&anomaly.checker)
    )
}

/// Why the history is impossible, beside the commands that show it again.
pub(crate) fn why_and_how(
    verdict: &Verdict,
    operation_count: usize,
    reproduce: &[String],
) -> String {
    let why = explanation(verdict, operation_count);
    let how = reproduction(reproduce);
    if why.is_empty() && how.is_empty() {
        return String::new();
    }
    format!("<div class=\"columns\">\n{why}{how}</div>\n")
}

fn explanation(verdict: &Verdict, operation_count: usize) -> String {
    let lines: &[String] = match verdict {
        Verdict::Invalid(anomaly) => &anomaly.explanation,
        _ => &[],
    };
    if lines.is_empty() {
        return String::new();
    }
    let mut html = String::from("<section id=\"why\"><h2>Why it is impossible</h2>\n<ol>\n");
    for line in lines {
        let _ = writeln!(
            html,
            "<li>{}</li>",
            with_operation_links(line, operation_count)
        );
    }
    html.push_str("</ol></section>\n");
    html
}

fn reproduction(commands: &[String]) -> String {
    if commands.is_empty() {
        return String::new();
    }
    let mut html = String::from("<section id=\"reproduce\"><h2>See it again</h2>\n");
    for command in commands {
        html.push_str(&copyable(command));
    }
    html.push_str("</section>\n");
    html
}
