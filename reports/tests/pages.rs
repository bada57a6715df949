//! What must hold of every page, whatever stands in the history.

use squall_checkers::{
    history::{Event, EventKind, Value},
    verdict::{Anomaly, Verdict},
};
use squall_reports::{
    CampaignPage, FailurePage, HistoryPage, campaign_index, failure_page, history_page,
};

mod synthetic;

const ATTACK: &str = "</script><img src=x onerror=alert(1)>\"'&<!--";

fn page(failure: &synthetic::Failure) -> String {
    failure_page(&FailurePage {
        capsule: &failure.capsule,
        record: &failure.record,
        verdict: &failure.verdict,
        reproduce: vec!["squall replay failures/stale-read.json".to_owned()],
    })
}

/// The timeline's data, read as a browser reads it: up to the first end of a script.
fn timeline_data(html: &str) -> serde_json::Value {
    let start = "<script type=\"application/json\" id=\"timeline-data\">";
    let (_, rest) = html
        .split_once(start)
        .expect("the page has the timeline's data");
    let (json, _) = rest.split_once("</script>").expect("the data end");
    serde_json::from_str(json).expect("the data are JSON")
}

/// Every place where a text can enter a page holds the attack; none may let it act.
fn assert_harmless(html: &str) {
    assert!(html.contains("&lt;/script&gt;"), "the attack is shown");
    assert!(!html.contains("<img"), "an element was smuggled in");
    assert!(!html.contains("<!--"), "a comment was smuggled in");
    assert!(
        !html.contains("onerror=alert(1)>"),
        "the attack stands as it is"
    );
    let opened = html.matches("<script").count();
    assert_eq!(opened, html.matches("</script>").count());
}

fn attack() -> String {
    ATTACK.to_owned()
}

#[test]
fn no_text_of_a_failure_breaks_out() {
    let mut failure = synthetic::failure(24, 3, 2);
    let anomaly = Anomaly {
        checker: attack(),
        class: attack(),
        sentence: attack(),
        witness: vec![0, 1],
        first_bad_event: Some(3),
        explanation: vec![attack()],
        ..Anomaly::default()
    };
    for event in &mut failure.record.history {
        event.f = attack();
        event.key = Some(Value::Text(attack()));
        event.value = Value::List(vec![Value::Text(attack())]);
        event.error = Some(attack());
    }
    for report in &mut failure.record.reports {
        report.what = attack();
        report.kind = attack();
    }
    for line in &mut failure.record.log {
        line.text = attack();
    }
    failure.record.nodes = vec![attack(), attack(), attack()];
    failure.record.counters = [(attack(), 1)].into();
    failure.record.digest = attack();
    failure.record.violations = vec![anomaly.clone()];
    failure.verdict = Verdict::Invalid(anomaly);
    failure.capsule.squall = attack();
    failure.capsule.signature = attack();
    failure.capsule.plan.scenario = attack();
    failure.capsule.plan.mutant = Some(attack());
    let html = failure_page(&FailurePage {
        capsule: &failure.capsule,
        record: &failure.record,
        verdict: &failure.verdict,
        reproduce: vec![attack()],
    });
    assert_harmless(&html);
    assert_eq!(timeline_data(&html)["operations"][0]["error"], ATTACK);
}

#[test]
fn no_text_of_a_campaign_breaks_out() {
    let mut campaign = synthetic::campaign();
    campaign.title = attack();
    campaign.started = Some(attack());
    campaign.incomplete = Some(attack());
    campaign.scenarios[0].scenario = attack();
    let count = campaign.scenarios[0].faults["pause"];
    campaign.scenarios[0].faults.insert(attack(), count);
    let failure = &mut campaign.failures[0];
    failure.signature = attack();
    failure.sentence = attack();
    failure.reproduce = attack();
    failure.report_file = format!("javascript:{ATTACK}");
    let html = campaign_index(&campaign);
    assert_harmless(&html);
    assert!(html.contains("href=\"./javascript%3A"));
}

#[test]
fn no_text_of_a_foreign_history_breaks_out() {
    let mut failure = synthetic::failure(24, 3, 2);
    for event in &mut failure.record.history {
        event.f = attack();
    }
    let html = history_page(&HistoryPage {
        title: ATTACK,
        history: &failure.record.history,
        verdict: &Verdict::Unknown(attack()),
        reproduce: vec![attack()],
    });
    assert_harmless(&html);
}

#[test]
fn equal_values_give_equal_bytes() {
    let once = page(&synthetic::failure(200, 5, 2));
    let again = page(&synthetic::failure(200, 5, 2));
    assert!(once == again, "the pages differ");
}

#[test]
fn every_operation_is_in_the_data_and_the_witness_is_marked() {
    let failure = synthetic::failure(1000, 7, 3);
    let html = page(&failure);
    let data = timeline_data(&html);
    let operations = data["operations"]
        .as_array()
        .expect("operations are a list");
    assert_eq!(operations.len(), 1000);
    assert!(
        operations
            .iter()
            .enumerate()
            .all(|(id, operation)| operation["id"] == id)
    );

    let Verdict::Invalid(anomaly) = &failure.verdict else {
        panic!("the failure is one");
    };
    assert_eq!(data["witness"], serde_json::json!(anomaly.witness));
    for id in &anomaly.witness {
        assert!(
            html.contains(&format!("<tr id=\"op-{id}\"")),
            "#{id} has no row"
        );
    }
    let read = anomaly.witness.last().expect("the witness is not empty");
    let headline = format!("<h1><a class=\"op\" href=\"#op-{read}\">#{read}</a> read x");
    assert!(
        html.contains(&headline),
        "the headline does not link to #{read}"
    );
    let bad = anomaly.first_bad_event.expect("the failure has one");
    assert_eq!(
        data["first_bad"]["time"],
        failure.record.history[bad].time_ns
    );
    assert_eq!(data["first_bad"]["operation"], *read);
}

#[test]
fn the_first_window_holds_the_witness() {
    let failure = synthetic::failure(5000, 10, 3);
    let data = timeline_data(&page(&failure));
    let window = |index: usize| data["window"][index].as_u64().expect("times are numbers");
    for id in data["witness"].as_array().expect("the witness is a list") {
        let id = usize::try_from(id.as_u64().expect("ids are numbers")).expect("ids are small");
        let operation = &data["operations"][id];
        assert!(operation["start"].as_u64() > Some(window(0)));
        assert!(operation["end"].as_u64() < Some(window(1)));
    }
    assert!(
        window(1) - window(0) < failure.record.virtual_ns / 20,
        "the window is the whole run"
    );
}

#[test]
fn a_page_refers_to_nothing_outside_itself() {
    let failure = synthetic::failure(100, 3, 2);
    let foreign = history_page(&HistoryPage {
        title: "history.edn",
        history: &failure.record.history,
        verdict: &failure.verdict,
        reproduce: Vec::new(),
    });
    for html in [
        page(&failure),
        foreign,
        campaign_index(&synthetic::campaign()),
    ] {
        let html = html.replace("http://www.w3.org/2000/svg", "");
        for outside in ["http://", "https://", "//cdn", "@import", "url(", " src="] {
            assert!(!html.contains(outside), "the page refers to `{outside}…`");
        }
        assert!(html.contains("default-src 'none'"));
    }
}

#[test]
fn faults_that_never_bit_are_marked() {
    let html = page(&synthetic::failure(100, 3, 2));
    assert!(html.contains("<strong class=\"finding\">never</strong>"));
    assert!(html.contains("<strong class=\"finding\">never felt</strong>"));
}

/// Nothing in a record is promised: it may be of another plan, empty, or nonsense.
#[test]
fn records_that_make_no_sense_are_drawn_all_the_same() {
    let mut failure = synthetic::failure(24, 3, 2);
    failure.capsule.plan.clients.clear();
    failure.record.nodes.clear();
    failure.record.virtual_ns = 0;
    failure.record.faults.truncate(1);
    failure.record.faults[0].end_ns = Some(0);
    failure.record.faults[0].targets = vec![u32::MAX];
    failure.record.reports[0].node = u32::MAX;
    for (index, event) in failure.record.history.iter_mut().enumerate() {
        event.time_ns = if index % 2 == 0 { u64::MAX } else { 0 };
    }
    failure.verdict = Verdict::Invalid(Anomaly {
        checker: String::new(),
        class: String::new(),
        sentence: "#99999999999999999999 and #7".to_owned(),
        witness: vec![3, usize::MAX, 3],
        first_bad_event: Some(usize::MAX),
        ..Anomaly::default()
    });
    timeline_data(&page(&failure));
    failure.record.history.clear();
    timeline_data(&page(&failure));
    failure.record = Default::default();
    timeline_data(&page(&failure));
}

#[test]
fn a_history_without_times_has_a_timeline_but_no_latencies() {
    let event = |kind, value| Event {
        process: 0,
        kind,
        f: "read".to_owned(),
        key: None,
        value,
        time_ns: 0,
        error: None,
    };
    let html = history_page(&HistoryPage {
        title: "untimed.jsonl",
        history: &[
            event(EventKind::Invoke, Value::Nil),
            event(EventKind::Ok, Value::Int(3)),
        ],
        verdict: &Verdict::Valid { witness: None },
        reproduce: Vec::new(),
    });
    assert_eq!(timeline_data(&html)["clock"], "event");
    assert!(html.contains("the history has no times"));
    assert!(!html.contains("Latency"));
}

#[test]
fn a_campaign_survives_the_way_through_json() {
    let campaign = synthetic::campaign();
    let json = serde_json::to_string(&campaign).expect("a campaign can be written");
    let read: CampaignPage = serde_json::from_str(&json).expect("and read");
    assert_eq!(read, campaign);
}
