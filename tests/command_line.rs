//! The command line as scripts and people meet it: exit codes, what is said, and what is left on disk.

mod program;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use program::{Ended, Place, squall};
use serde_json::{Value, json};
use squall_checkers::Verdict;
use squall_sim::fault::Fault;
use squall_workloads::record::Capsule;
use squall_workloads::scenario::SCENARIOS;

const VALID: &str = r#"{"process":0,"type":"invoke","f":"write","value":1}
{"process":0,"type":"ok","f":"write","value":1}
{"process":1,"type":"invoke","f":"read","value":null}
{"process":1,"type":"ok","f":"read","value":1}
"#;
/// A campaign that fails once, and leaves what a failure leaves, in `made`.
const FAILING: &str = "campaign --scenario consensus/register --mutant raft.ack-before-commit --seeds 200 \
                       --max-failures 1 --check-determinism 0 --jobs 1 --out made";

/// What a place holds.
impl Place {
    /// Writes a file, and the directories above it.
    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        let above = path.parent().expect("a file is in a directory");
        std::fs::create_dir_all(above).expect("a temporary directory can be written to");
        std::fs::write(path, content).expect("a temporary directory can be written to");
    }

    /// All files with their content, and all directories, below a path; nothing if it is not there.
    fn tree(&self, path: &str) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut tree = BTreeMap::new();
        let mut left = vec![self.path().join(path)];
        while let Some(path) = left.pop() {
            if path.is_dir() {
                let entries = std::fs::read_dir(&path).expect("a directory can be read");
                left.extend(entries.map(|entry| entry.expect("an entry can be read").path()));
                tree.insert(path, None);
            } else if let Ok(content) = std::fs::read(&path) {
                tree.insert(path, Some(content));
            }
        }
        tree
    }

    /// The paths of all files below a path whose names end so, relative to this place, in order.
    fn files(&self, path: &str, ending: &str) -> Vec<String> {
        let tree = self.tree(path).into_iter();
        let files = tree.filter_map(|(path, content)| content.map(|_| path));
        files
            .map(|path| {
                let relative = path.strip_prefix(self.path()).unwrap_or(&path);
                relative.to_string_lossy().into_owned()
            })
            .filter(|path| path.ends_with(ending))
            .collect()
    }

    fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path().join(path))
            .unwrap_or_else(|error| panic!("{path} cannot be read: {error}"))
    }

    fn capsule(&self, path: &str) -> Capsule {
        Capsule::parse(&self.read(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// Histories, in a place of their own.
fn histories() -> Place {
    let place = Place::new();
    place.write("valid.jsonl", VALID);
    place.write(
        "invalid.jsonl",
        VALID.replace(r#""read","value":1"#, r#""read","value":7"#),
    );
    // More writers at once than the checker can tell apart.
    let crowd: String = ["invoke", "ok"]
        .map(|kind| {
            let event = |process: u32| {
                format!(
                    "{{\"process\":{process},\"type\":\"{kind}\",\"f\":\"write\",\"value\":1}}\n"
                )
            };
            (0..1025).map(event).collect::<String>()
        })
        .concat();
    place.write("crowd.jsonl", crowd);
    place
}

/// A place with the capsule of a failure, and its path.
fn failure() -> (Place, String) {
    let place = Place::new();
    place.run(FAILING).expect_code(100);
    let [capsule] = &place.files("made", ".capsule.json")[..] else {
        panic!("one capsule was expected: {:?}", place.files("made", ""));
    };
    let capsule = capsule.clone();
    (place, capsule)
}

/// A wrong call says what is wrong, answers nothing and leaves everything as it was.
#[track_caller]
fn check_refused(place: &Place, line: &str, expected: &[&str]) {
    place.write("squall-out/index.html", "an older report");
    let before = place.tree("");
    let ended = place.run(line);
    assert_eq!(ended.code, Some(64), "squall {line}: {ended}");
    assert_eq!(ended.stdout, "", "squall {line}");
    assert!(
        ended.stderr.starts_with("error: "),
        "squall {line}: {ended}"
    );
    for text in expected {
        assert!(
            ended.stderr.contains(text),
            "squall {line}: expected `{text}`: {ended}"
        );
    }
    assert!(place.tree("") == before, "squall {line}: files changed");
}

// --- Wrong calls

#[test]
fn a_wrong_call_is_named() {
    let place = histories();
    place.write("append.jsonl", VALID.replace("write", "append"));
    let scenarios = "expected one of consensus/register, consensus/cas";
    let calls: &[(&str, &[&str])] = &[
        (
            "campaign --scenario consensus/none --out new",
            &["there is no scenario `consensus/none`", scenarios],
        ),
        (
            "campaign --scenario consensus/cas --scenario none",
            &["there is no scenario `none`", scenarios],
        ),
        (
            "replay --scenario none --seed 1 --out new",
            &["there is no scenario `none`", scenarios],
        ),
        (
            "replay --scenario consensus/cas --seed 0xfffffffffffffffff",
            &["`0xfffffffffffffffff` is not a seed", "--seed"],
        ),
        (
            "campaign --base-seed nonsense --out new",
            &["`nonsense` is not a seed", "--base-seed"],
        ),
        ("campaign --base-seed -1 --out new", &["-1"]),
        (
            "campaign --mutant raft.none --out new",
            &[
                "there is no planted bug `raft.none`",
                "raft.stale-leader-read",
            ],
        ),
        (
            "replay --scenario consensus/cas --seed 1 --mutant raft.none",
            &["there is no planted bug `raft.none`"],
        ),
        (
            "mutants --mutant raft.none",
            &["there is no planted bug `raft.none`"],
        ),
        ("mutants --bases 0", &["--bases", "0"]),
        (
            "campaign --without gravity --out new",
            &[
                "there is no kind of fault `gravity`",
                "partition",
                "power-loss",
            ],
        ),
        (
            "replay --scenario consensus/cas --seed 1 --without gravity",
            &["there is no kind of fault `gravity`", "partition"],
        ),
        ("campaign --for soon", &["`soon` is not a duration", "90s"]),
        ("campaign --for 8", &["`8` is not a duration"]),
        ("campaign --for 8d", &["`8d` is not a duration"]),
        ("campaign --for -8h", &["-8"]),
        (
            "campaign --for 99999999999999h",
            &["`99999999999999h` is not a duration"],
        ),
        ("campaign --seeds many", &["'many'", "--seeds"]),
        (
            "campaign --regressions valid.jsonl --seeds 1",
            &["valid.jsonl"],
        ),
        ("campaign --sceds 3", &["--sceds"]),
        ("simulate", &["simulate"]),
        ("replay", &["required"]),
        ("replay --seed 1", &["--scenario"]),
        ("replay --scenario consensus/cas", &["--seed"]),
        (
            "replay none.capsule.json",
            &["cannot read none.capsule.json"],
        ),
        (
            "replay none.capsule.json --seed 1",
            &["cannot be used with"],
        ),
        ("replay squall-out", &["cannot read squall-out"]),
        ("check --model register", &["<FILES>"]),
        ("check valid.jsonl", &["--model"]),
        (
            "check --model list valid.jsonl",
            &["`list`", "register, cas-register, kv"],
        ),
        (
            "check --model register none.jsonl",
            &["cannot read none.jsonl"],
        ),
        (
            // Nothing is judged if not all can be: the first file would be fine.
            "check --model register --out new valid.jsonl none.jsonl",
            &["cannot read none.jsonl"],
        ),
        (
            "check --model kv --out new valid.jsonl",
            &["valid.jsonl does not fit the model kv", "`write`"],
        ),
        (
            "check --model register --out new valid.jsonl append.jsonl",
            &["append.jsonl does not fit the model register", "`append`"],
        ),
        (
            "check --model cas-register --failed-cas maybe valid.jsonl",
            &["expected `dropped` or `observed`"],
        ),
        (
            "check --model rw-register --keys fresh valid.jsonl",
            &["expected `unknown`, `sequential` or `linearizable`"],
        ),
        (
            "check --model list-append --keys sequential valid.jsonl",
            &["--keys", "list-append", "only to rw-register, causal"],
        ),
        (
            "check --model queue --delivery twice valid.jsonl",
            &["`twice`", "at-least-once"],
        ),
        (
            "check --model bank valid.jsonl",
            &["valid.jsonl does not fit the model bank", "`write`"],
        ),
        (
            "check --model register --time-limit soon valid.jsonl",
            &["`soon` is not a duration"],
        ),
        (
            "check --model register --permits 2 valid.jsonl",
            &["--permits says nothing to the model register, only to semaphore"],
        ),
        (
            "check --model bank --init 3 valid.jsonl",
            &["--init says nothing to the model bank, only to register"],
        ),
        (
            "check --model queue --strategy general valid.jsonl",
            &["--strategy says nothing to the model queue"],
        ),
        (
            "check --model kv --drained valid.jsonl",
            &["--drained says nothing to the model kv, only to queue, fanout, kafka, watch"],
        ),
        (
            "check --model counter --init blue valid.jsonl",
            &["--init of the model counter is an integer, but found `blue`"],
        ),
        (
            "check --model multi-register --init {x valid.jsonl",
            &["--init is no map: line 1"],
        ),
        (
            "check --model register --threads 0 valid.jsonl",
            &["--threads"],
        ),
        (
            "check --model stats --min-success 3/2 valid.jsonl",
            &["expected a share, such as 9/10"],
        ),
        (
            "check --model counter-bounds --fresh soon valid.jsonl",
            &["expected `all`, `final` or `last`"],
        ),
        (
            "serve queue --data new --listen 127.0.0.1:7000",
            &["'queue'"],
        ),
        ("serve", &["consensus", "kv", "broker", "proxy", "backend"]),
        ("serve kv --listen 127.0.0.1:7000", &["--data"]),
        ("serve proxy --listen 127.0.0.1:7000", &["--backend"]),
        (
            "serve broker --data new --listen 127.0.0.1:7000 --stream JOBS",
            &["--stream JOBS", "NAME=SUBJECT"],
        ),
        (
            "serve broker --data new --listen 127.0.0.1:7000 --consumer JOBS=workers",
            &["--consumer JOBS=workers", "--stream"],
        ),
        (
            "serve consensus --data new --listen 127.0.0.1:7000 --peers 0=127.0.0.1:7001,1=127.0.0.1:7002",
            &["127.0.0.1:7000 listens for itself", "--peers"],
        ),
        (
            "serve consensus --data new --listen 127.0.0.1:7000 --peers 0=127.0.0.1:7000,0=127.0.0.1:7001",
            &["--peers"],
        ),
        (
            "serve consensus --data new --listen 127.0.0.1:7000 --peers 0=127.0.0.1:7000,1=here",
            &["`1=here` is not a peer", "0=127.0.0.1:7000"],
        ),
        (
            "serve consensus --data new --listen here --peers 0=127.0.0.1:7000",
            &["'here'", "--listen"],
        ),
    ];
    for (line, expected) in calls {
        check_refused(&place, line, expected);
    }
}

#[test]
fn a_file_that_is_no_history_is_named_with_the_line() {
    let ok_first = VALID.lines().skip(1).collect::<Vec<_>>().join("\n");
    let late = VALID.replacen(r#""invoke","f":"read""#, r#""ok","f":"read""#, 1);
    let cut = &VALID[..VALID.len() - 20];
    let files: &[(&str, &[u8], &[&str])] = &[
        (
            "first.jsonl",
            ok_first.as_bytes(),
            &["line 1", "`invoke` of process 0 before its `ok`"],
        ),
        (
            "late.jsonl",
            late.as_bytes(),
            &["line 3", "`invoke` of process 1 before its `ok`"],
        ),
        ("cut.jsonl", cut.as_bytes(), &["line 4"]),
        (
            "type.jsonl",
            br#"{"process":0,"type":"start","f":"read","value":1}"#,
            &["line 1", "\"type\"", "start"],
        ),
        (
            "late.edn",
            b"{:process 0, :type :invoke, :f :read, :value nil}\n\
              {:process 0, :type :ok, :f :read, :value nil}\n\n\
              {:process 4, :type :ok, :f :write, :value 1}\n",
            &["line 4", "`invoke` of process 4 before its `ok`"],
        ),
        (
            "vector.edn",
            b"[\n{:process 0, :type :ok, :f :read, :value nil}]",
            &["line 2", "`invoke` of process 0 before its `ok`"],
        ),
        (
            "open.edn",
            b"[{:process 0, :type :invoke, :f :read, :value nil}\n",
            &["line 2", "`]`"],
        ),
        (
            "jepsen.log",
            b"INFO  jepsen.core - Setting up database\nINFO  jepsen.util - 0\t:ok\t:write\t1\n",
            &["line 2", "`invoke` of process 0 before its `ok`"],
        ),
        (
            "keys.jsonl",
            br#"{"process":0,"type":"invoke","f":"write","key":"x","value":1}
{"process":0,"type":"ok","f":"write","key":"y","value":1}"#,
            &["line 2", "key"],
        ),
        ("empty", b"", &["at least one operation", "found none"]),
        ("blank", b"\n \n", &["at least one operation", "found none"]),
        (
            "garbage",
            &[b'{', 0, 1, 0xfe, 0xff, 0x80],
            &["line 1, column 4", "UTF-8", "0xfe"],
        ),
        (
            "zeros",
            &[0; 4096],
            &["at least one operation", "found none"],
        ),
    ];
    let place = histories();
    for (name, content, expected) in files {
        place.write(name, content);
        let path = format!("cannot read {name}");
        let expected = [*expected, &[&path]].concat();
        let line = format!("check --model register --out new valid.jsonl {name}");
        check_refused(&place, &line, &expected);
    }
}

#[track_caller]
fn check_capsule_refused(place: &Place, text: impl AsRef<[u8]>, expected: &str) {
    place.write("old/bad.capsule.json", text);
    for line in [
        "replay old/bad.capsule.json --out new",
        "campaign --seeds 1 --regressions old --out new",
    ] {
        check_refused(place, line, &[expected, "old/bad.capsule.json"]);
    }
}

/// A good capsule with one thing changed.
#[track_caller]
fn check_change_refused(pointer: &str, value: Value, expected: &str) {
    let (place, path) = failure();
    let mut capsule: Value = serde_json::from_str(&place.read(&path)).expect("a capsule is JSON");
    let place_of_change = capsule.pointer_mut(pointer);
    *place_of_change.unwrap_or_else(|| panic!("a capsule has no {pointer}")) = value;
    check_capsule_refused(&place, capsule.to_string(), expected);
}

#[test]
fn a_damaged_capsule_is_refused() {
    let (place, path) = failure();
    let text = place.read(&path);
    check_capsule_refused(&place, &text[..text.len() / 2], "EOF while parsing");
    check_capsule_refused(&place, &text[..text.len() - 2], "EOF while parsing");
    check_capsule_refused(&place, "", "EOF while parsing");
    check_capsule_refused(&place, "{}", "missing field `schema`");
    check_capsule_refused(&place, [0, 1, 0xfe, 0xff], "cannot read");
    check_capsule_refused(&place, VALID, "not a capsule");
    let unknown = text.replacen("\"squall\"", "\"surprise\": 1, \"squall\"", 1);
    check_capsule_refused(&place, unknown, "unknown field `surprise`");
}

#[test]
fn a_capsule_of_another_schema_is_refused() {
    check_change_refused(
        "/schema",
        json!(9),
        "the capsule is of schema 9, expected 1",
    );
    check_change_refused(
        "/plan/schema",
        json!(9),
        "the capsule's plan is of schema 9, expected 1",
    );
}

#[test]
fn a_capsule_whose_plan_makes_no_sense_is_refused() {
    let nowhere = json!([{
        "fault": {"kind": "kill"},
        "start": {"at": {"ns": 1}},
        "duration_ns": 1,
        "targets": {"nodes": [64]},
    }]);
    let no_such_fault = json!([{
        "fault": {"kind": "gravity"},
        "start": {"at": {"ns": 1}},
        "duration_ns": 1,
        "targets": "leader",
    }]);
    for (pointer, value, expected) in [
        (
            "/plan/scenario",
            json!("none"),
            "there is no scenario `none`",
        ),
        ("/plan/seed", json!("0xg"), "`0xg` is not a seed"),
        ("/plan/nodes", json!(0), "it has 0 nodes, expected 1 to 64"),
        (
            "/plan/nodes",
            json!(65),
            "it has 65 nodes, expected 1 to 64",
        ),
        ("/plan/clients", json!([]), "it has 0 clients"),
        ("/plan/phases/end_ns", json!(1), "its phases end at"),
        (
            "/plan/network/latency_ns_max",
            json!(1),
            "its latency goes from",
        ),
        ("/plan/faults", nowhere, "strikes server 64"),
        ("/plan/faults", no_such_fault, "unknown variant `gravity`"),
    ] {
        check_change_refused(pointer, value, expected);
    }
}

#[test]
fn a_capsule_with_a_planted_bug_that_nobody_knows_is_refused() {
    check_change_refused(
        "/plan/mutant",
        json!("raft.none"),
        "there is no planted bug `raft.none`",
    );
}

#[test]
fn a_plan_whose_times_lie_beyond_all_time_is_refused() {
    let episode = |start: Value, duration_ns: u64| {
        json!([{
            "fault": {"kind": "kill"},
            "start": start,
            "duration_ns": duration_ns,
            "targets": "leader",
        }])
    };
    let late = json!({"leader": {"nth": 1, "delay_ns": u64::MAX}});
    for (pointer, value) in [
        ("/plan/clients/0/operations/0/wait_ns", json!(u64::MAX)),
        ("/plan/faults", episode(json!({"at": {"ns": 1}}), u64::MAX)),
        ("/plan/faults", episode(late, 1)),
    ] {
        check_change_refused(pointer, value, "the capsule's plan cannot be run");
    }
}

#[test]
fn a_worker_that_is_sent_no_job_says_so() {
    let place = Place::new();
    place.write("jobs", "no job\n");
    let jobs = std::fs::File::open(place.path().join("jobs")).expect("it has just been written");
    let output = squall().arg("worker").stdin(jobs).output();
    let ended = Ended::of(output.expect("the program starts")).expect_code(1);
    assert!(ended.stderr.starts_with("error: "), "{ended}");
}

/// An end that is out of reach is none that nobody can have: each of these ends by what it finds.
#[test]
fn the_greatest_numbers_are_numbers() {
    for line in [
        "campaign --seeds 18446744073709551615 --max-failures 1 --mutant raft.ack-before-commit",
        "campaign --seeds 50 --check-determinism 18446744073709551615 --max-failures 1 --mutant \
         raft.ack-before-commit",
        "campaign --for 9999999h --max-failures 1 --mutant raft.ack-before-commit",
    ] {
        Place::new().run(line).expect_code(100);
    }
}

// --- list and check

#[test]
fn list_names_everything_once() {
    let ended = Place::new().run("list").expect_code(0);
    let scenarios = SCENARIOS.iter().map(|it| it.id);
    let mutants = squall_models::mutants::all().map(|it| it.id);
    for id in scenarios.chain(mutants) {
        let rows = ended.stdout.lines();
        let rows = rows.filter(|row| row.split_whitespace().next() == Some(id));
        assert_eq!(rows.count(), 1, "{id}: {ended}");
    }
    let kinds = Fault::KINDS.join(", ");
    assert_eq!(ended.after("kinds of fault: "), [kinds]);
}

/// As in `squall list | head -0`.
#[test]
fn nobody_has_to_listen() {
    let (reader, writer) = std::io::pipe().expect("there is a pipe");
    drop(reader);
    let output = squall().arg("list").stdout(writer).output();
    let ended = Ended::of(output.expect("the program starts"));
    assert!(!ended.stderr.contains("panicked"), "{ended}");
}

#[test]
fn help_and_version_are_no_errors() {
    for line in ["--help", "campaign --help", "--version"] {
        let ended = Place::new().run(line).expect_code(0);
        assert_eq!(ended.stderr, "", "{line}");
        assert!(ended.stdout.contains("squall"), "{line}: {ended}");
    }
}

#[test]
fn the_worst_verdict_counts() {
    let place = histories();
    for (line, code) in [
        ("valid.jsonl", 0),
        ("invalid.jsonl", 100),
        ("crowd.jsonl", 121),
        ("--memory-limit 0 valid.jsonl", 121),
        ("valid.jsonl valid.jsonl", 0),
        ("valid.jsonl invalid.jsonl", 100),
        ("invalid.jsonl valid.jsonl", 100),
        ("valid.jsonl crowd.jsonl", 121),
        ("crowd.jsonl invalid.jsonl valid.jsonl", 100),
    ] {
        let ended = place
            .run(&format!("check --model register {line}"))
            .expect_code(code);
        let files = line.split_whitespace().filter(|word| word.contains('.'));
        for file in files {
            let word = match file {
                _ if line.contains("limit") => "unknown: ",
                "valid.jsonl" => "valid",
                "invalid.jsonl" => "invalid (linearizability, ",
                _ => "unknown: the search met the limit of 1024 operations open at once",
            };
            let line = format!("{file}: {word}");
            assert!(ended.stdout.contains(&line), "expected `{line}`: {ended}");
        }
    }
}

#[test]
fn the_history_begins_with_the_value_that_init_names() {
    let place = Place::new();
    for (init, read) in [
        ("7", "7"),
        ("-7", "-7"),
        ("nil", "null"),
        ("true", "true"),
        ("blue", "\"blue\""),
    ] {
        let history = format!(
            "{{\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"value\":null}}\n\
             {{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"value\":{read}}}\n"
        );
        place.write("read.jsonl", history);
        place
            .run(&format!("check --model register --init={init} read.jsonl"))
            .expect_code(0);
        place
            .run("check --model register --init other read.jsonl")
            .expect_code(100);
    }
}

#[test]
fn check_writes_a_page_for_each_history() {
    let place = histories();
    place.write("elsewhere/valid.jsonl", VALID);
    let ended = place
        .run("check --model register --out pages valid.jsonl invalid.jsonl elsewhere/valid.jsonl")
        .expect_code(100);
    let pages = place.files("pages", ".html");
    assert_eq!(pages.len(), 3, "{pages:?}");
    let reports = ended.after("report: ");
    for page in &pages {
        assert!(reports.contains(&page.as_str()), "{page}: {ended}");
        assert!(place.read(page).contains("squall check --model register"));
    }
}

/// A cas that failed after it looked makes this history impossible; one that was dropped does not.
#[test]
fn the_page_of_a_history_says_how_it_was_judged() {
    let place = Place::new();
    place.write(
        "cas.edn",
        "{:process 0, :type :invoke, :f :write, :value [1 4]}\n\
         {:process 0, :type :ok, :f :write, :value [1 4]}\n\
         {:process 0, :type :invoke, :f :cas, :value [1 [4 5]]}\n\
         {:process 0, :type :fail, :f :cas, :value [1 [4 5]]}\n",
    );
    let judged = "check --model cas-register --keyed --failed-cas observed --out pages cas.edn";
    place.run(judged).expect_code(100);
    let page = place.read("pages/cas.edn.html");
    let said = page
        .split("squall check ")
        .nth(1)
        .and_then(|rest| rest.split('<').next())
        .expect("the page says how to judge the history again");
    place.run(&format!("check {said}")).expect_code(100);
    place
        .run(&judged.replace("--failed-cas observed", ""))
        .expect_code(0);
}

#[test]
fn check_says_which_algorithm_decided() {
    let place = histories();
    place.write(
        "keys.edn",
        "{:process 0 :type :invoke :f :put :key 1 :value 1} {:process 0 :type :ok :f :put :key 1}
         {:process 0 :type :invoke :f :put :key 2 :value 1} {:process 0 :type :ok :f :put :key 2}
         {:process 0 :type :invoke :f :put :key 2 :value 1} {:process 0 :type :ok :f :put :key 2}
         {:process 0 :type :invoke :f :put :key 3 :value 1} {:process 0 :type :ok :f :put :key 3}",
    );
    let stack =
        "{:process 0 :type :invoke :f :push :value 1} {:process 0 :type :ok :f :push :value 1}
         {:process 0 :type :invoke :f :pop} {:process 0 :type :ok :f :pop :value 1}";
    place.write("stack.edn", stack);
    place.write(
        "queue.edn",
        stack.replace("push", "insert").replace("pop", "poll"),
    );
    for (line, decided_by) in [
        ("register valid.jsonl", Some("unique-writes")),
        ("register invalid.jsonl", Some("unique-writes")),
        ("register --strategy general valid.jsonl", Some("search")),
        (
            "kv keys.edn",
            Some("search (keys: 1), unique-writes (keys: 2)"),
        ),
        (
            "kv --threads 2 keys.edn",
            Some("search (keys: 1), unique-writes (keys: 2)"),
        ),
        ("stack stack.edn", Some("unique-stack")),
        (
            "stack --strategy cross-check stack.edn",
            Some("unique-stack"),
        ),
        ("priority-queue queue.edn", Some("unique-priority-queue")),
        ("stats valid.jsonl", None),
    ] {
        let ended = place.run(&format!("check --model {line}"));
        let told = ended.after("decided by: ");
        assert_eq!(told, Vec::from_iter(decided_by), "{line}: {ended}");
    }
}

/// What specifications are told, and what they make of it.
#[test]
fn specifications_judge_by_their_options() {
    let place = Place::new();
    place.write(
        "semaphore.edn",
        "{:process 0 :type :invoke :f :acquire} {:process 0 :type :ok :f :acquire}
         {:process 1 :type :invoke :f :acquire} {:process 1 :type :ok :f :acquire}",
    );
    place.write(
        "priority.edn",
        "{:process 0 :type :invoke :f :insert :value 1} {:process 0 :type :ok :f :insert :value 1}
         {:process 0 :type :invoke :f :insert :value 2} {:process 0 :type :ok :f :insert :value 2}
         {:process 0 :type :invoke :f :poll} {:process 0 :type :ok :f :poll :value 2}",
    );
    place.write(
        "multi.edn",
        "{:process 0 :type :invoke :f :txn :value [[:read :x nil] [:read :y nil]]}
         {:process 0 :type :ok :f :txn :value [[:read :x 3] [:read :y 4]]}",
    );
    let queue = "{:process 0 :type :invoke :f :enqueue :value 1} {:process 0 :type :ok :f :enqueue :value 1}
         {:process 0 :type :invoke :f :enqueue :value 2} {:process 0 :type :ok :f :enqueue :value 2}
         {:process 0 :type :invoke :f :drain} {:process 0 :type :ok :f :drain :value [1 2]}";
    place.write("drained.edn", queue);
    place.write("reversed.edn", queue.replace("[1 2]", "[2 1]"));
    place.write(
        "counter.edn",
        "{:process 0 :type :invoke :f :add :value 5} {:process 0 :type :info :f :add :value 5}
         {:process 1 :type :invoke :f :add :value 3} {:process 1 :type :info :f :add :value 3}
         {:process 2 :type :invoke :f :read} {:process 2 :type :ok :f :read :value 4}",
    );
    place.write(
        "half.edn",
        "{:process 0 :type :invoke :f :read} {:process 0 :type :ok :f :read :value 4}
         {:process 0 :type :invoke :f :read} {:process 0 :type :fail :f :read}",
    );
    for (line, code) in [
        ("semaphore semaphore.edn", 100),
        ("semaphore --permits 2 semaphore.edn", 0),
        ("priority-queue priority.edn", 100),
        ("priority-queue --largest-first priority.edn", 0),
        ("multi-register multi.edn", 100),
        ("multi-register --init {x,3,y,4} multi.edn", 0),
        ("multi-register --init {\"x\":3,\"y\":4} multi.edn", 0),
        ("multi-register --init {x,3,y,5} multi.edn", 100),
        ("fifo-queue drained.edn", 0),
        ("fifo-queue reversed.edn", 100),
        ("counter-bounds counter.edn", 0),
        ("counter-bounds --exact counter.edn", 100),
        ("stats half.edn", 0),
        ("stats --min-success 9/10 half.edn", 100),
        ("availability half.edn", 100),
        ("availability --min-success 1/2 half.edn", 0),
    ] {
        place
            .run(&format!("check --model {line}"))
            .expect_code(code);
    }
}

/// Each law, by the option that decides: a history, and whether it is valid without and with it.
#[test]
fn named_checkers_judge_by_their_options() {
    let place = Place::new();
    place.write(
        "bank.edn",
        "{:process 0 :type :invoke :f :read} {:process 0 :type :ok :f :read :value {0 10, 1 -5}}",
    );
    place.write(
        "set.edn",
        "{:process 0 :type :invoke :f :add :value 1} {:process 0 :type :ok :f :add :value 1}
         {:process 0 :type :invoke :f :read} {:process 0 :type :ok :f :read :value #{}}
         {:process 0 :type :invoke :f :read} {:process 0 :type :ok :f :read :value #{1}}",
    );
    place.write(
        "queue.edn",
        "{:process 0 :type :invoke :f :enqueue :value 1} {:process 0 :type :ok :f :enqueue :value 1}
         {:process 0 :type :invoke :f :dequeue :time 1} {:process 0 :type :ok :f :dequeue :value 1 :time 2}
         {:process 0 :type :invoke :f :dequeue :time 3} {:process 0 :type :ok :f :dequeue :value 1 :time 4}",
    );
    place.write(
        "fanout.edn",
        "{:process 0 :type :invoke :f :poll} {:process 0 :type :ok :f :poll :value []}
         {:process 1 :type :invoke :f :publish :value [0 1]} {:process 1 :type :ok :f :publish}
         {:process 1 :type :invoke :f :publish :value [0 2]} {:process 0 :type :invoke :f :poll}
         {:process 0 :type :ok :f :poll :value [[0 1]]} {:process 1 :type :ok :f :publish}
         {:process 0 :type :invoke :f :poll} {:process 0 :type :ok :f :poll :value []}",
    );
    place.write(
        "echo.edn",
        "{:process 0 :type :invoke :f :echo :value 1} {:process 0 :type :ok :f :echo :value 2}",
    );
    place.write(
        "phantom.edn",
        "{:process 0 :type :invoke :f :txn :value [[:rp [:= 1] nil] [:w :x 1]]}
         {:process 1 :type :invoke :f :txn :value [[:rp [:= 1] nil] [:w :y 1]]}
         {:process 0 :type :ok :f :txn :value [[:rp [:= 1] {}] [:w :x 1]]}
         {:process 1 :type :ok :f :txn :value [[:rp [:= 1] {}] [:w :y 1]]}",
    );
    // That x went from 1 to 2, and y from 2 to 1, is known only if each is sequential on its own.
    place.write(
        "keys.edn",
        "{:process 0 :type :invoke :f :txn :value [[:w :x 1] [:w :y 1]]}
         {:process 0 :type :ok :f :txn :value [[:w :x 1] [:w :y 1]]}
         {:process 1 :type :invoke :f :txn :value [[:w :x 2] [:w :y 2]]}
         {:process 1 :type :ok :f :txn :value [[:w :x 2] [:w :y 2]]}
         {:process 1 :type :invoke :f :txn :value [[:r :y nil]]}
         {:process 1 :type :ok :f :txn :value [[:r :y 1]]}
         {:process 0 :type :invoke :f :txn :value [[:r :x nil]]}
         {:process 0 :type :ok :f :txn :value [[:r :x 2]]}",
    );
    for (line, class) in [
        ("rw-register --consistency serializable keys.edn", ""),
        (
            "rw-register --consistency serializable --keys sequential keys.edn",
            "rw-register, G0",
        ),
        (
            "rw-register --consistency serializable --keys=linearizable keys.edn",
            "rw-register, G0",
        ),
        ("closed-predicate phantom.edn", "closed-predicate, G2"),
        (
            "closed-predicate --consistency snapshot-isolation phantom.edn",
            "",
        ),
        ("bank bank.edn", "bank, negative-balance"),
        ("bank --allow-negative bank.edn", ""),
        (
            "bank --allow-negative --total 100 bank.edn",
            "bank, wrong-total",
        ),
        (
            "bank --allow-negative --total -5 bank.edn",
            "bank, wrong-total",
        ),
        ("set set.edn", ""),
        ("set --linearizable set.edn", "set, stale-read"),
        ("queue queue.edn", ""),
        (
            "queue --delivery exactly-once queue.edn",
            "queue, duplicate-delivery",
        ),
        ("queue --hold 1s queue.edn", "queue, two-holders"),
        ("fanout fanout.edn", ""),
        ("fanout --drained fanout.edn", "fanout, missing-at-end"),
        ("nonce-echo echo.edn", "nonce-echo, foreign-response"),
    ] {
        let ended = place.run(&format!("check --out pages --model {line}"));
        let ended = ended.expect_code(if class.is_empty() { 0 } else { 100 });
        let verdict = match class {
            "" => "valid".to_owned(),
            class => format!("invalid ({class})"),
        };
        assert!(
            ended.stdout.contains(&format!(".edn: {verdict}")),
            "{line}: {ended}"
        );
        let file = line.split(' ').next_back().expect("a line has words");
        let page = place.read(&format!("pages/{file}.html"));
        let said = page
            .split("squall check ")
            .nth(1)
            .and_then(|rest| rest.split('<').next())
            .expect("the page says how to judge the history again");
        let again = place.run(&format!("check {said}"));
        assert!(
            again.stdout.contains(&format!(".edn: {verdict}")),
            "{said}: {again}"
        );
    }
}

// --- Campaigns

/// The rows of the table by scenario: how many seeds, and how many of them were valid, invalid, unknown
/// and vacuous.
fn verdicts(ended: &Ended) -> Vec<(String, [u64; 5])> {
    let rows = ended
        .stdout
        .lines()
        .filter(|line| line.starts_with("consensus/"));
    rows.map(|row| {
        let words: Vec<_> = row.split_whitespace().collect();
        let number = |at: usize| {
            let word = words[at].replace(',', "");
            word.parse::<u64>()
                .unwrap_or_else(|error| panic!("{row}: {word}: {error}"))
        };
        let last = words.len() - 4;
        let counts = [
            number(1),
            number(last),
            number(last + 1),
            number(last + 2),
            number(last + 3),
        ];
        (words[0].to_owned(), counts)
    })
    .collect()
}

/// The arguments in a line that tells how to run a failure again.
fn arguments(line: &str) -> &str {
    let (cargo, arguments) = line
        .split_once(" -- ")
        .unwrap_or_else(|| panic!("`{line}` is no call of cargo run"));
    assert_eq!(cargo.trim(), "cargo run --release");
    arguments
}

/// What a campaign has said on the way: for each failure its signature and how to run it again.
fn announced(ended: &Ended) -> Vec<(String, String)> {
    let lines: Vec<_> = ended.stderr.lines().collect();
    lines
        .windows(3)
        .filter_map(|lines| {
            let signature = lines[0].strip_prefix("FAILED ")?;
            assert!(
                lines[1].ends_with('.'),
                "a sentence was expected: {}",
                lines[1]
            );
            let again = lines[2].strip_prefix("  reproduce: ")?;
            Some((signature.to_owned(), arguments(again).to_owned()))
        })
        .collect()
}

#[test]
fn a_clean_campaign_ends_well_and_leaves_its_page() {
    for line in ["campaign --seeds 5 --out new", "--seeds 5 --out new"] {
        let place = Place::new();
        let ended = place.run(line).expect_code(0);
        let expected =
            ["consensus/cas", "consensus/register"].map(|id| (id.to_owned(), [5, 5, 0, 0, 0]));
        assert_eq!(verdicts(&ended), expected, "{ended}");
        assert_eq!(ended.after("report: "), ["new/index.html"]);
        assert_eq!(place.files("", ""), ["new/index.html"], "squall {line}");
    }
}

#[test]
fn a_campaign_of_nothing_is_incomplete() {
    let place = Place::new();
    place.run("campaign --seeds 0 --out new").expect_code(123);
    assert_eq!(place.files("", ""), ["new/index.html"]);
}

#[test]
fn a_failure_leaves_what_is_needed_to_see_it_again() {
    let place = Place::new();
    let ended = place.run(FAILING).expect_code(100);
    let [(signature, again)] = &announced(&ended)[..] else {
        panic!("one failure was expected: {ended}");
    };
    let capsules = place.files("made", ".capsule.json");
    let [capsule] = &capsules[..] else {
        panic!("one capsule was expected: {capsules:?}");
    };
    let stem = capsule.trim_end_matches(".capsule.json");
    let mut expected = ["capsule.json", "history.jsonl", "html"]
        .map(|ending| format!("{stem}.{ending}"))
        .to_vec();
    expected.push("made/index.html".to_owned());
    assert_eq!(place.files("made", ""), expected);

    let written = place.capsule(capsule);
    assert_eq!(written.signature, *signature);
    assert!(again.contains(&format!("--seed {}", written.plan.seed)));
    // Of how many seeds: that depends on how many were under way when it was found.
    assert!(
        ended.stdout.contains(&format!("FAILED {signature} (")),
        "{ended}"
    );
    for page in [format!("{stem}.html"), "made/index.html".to_owned()] {
        let text = place.read(&page);
        let seed = written.plan.seed.to_string();
        assert!(text.contains(&seed) && text.contains(again), "{page}");
    }
    // Somebody else's tool must be able to read it.
    let history = squall_checkers::History::read(
        place.read(&format!("{stem}.history.jsonl")).as_bytes(),
        None,
    );
    assert!(!history.expect("it is a history").operations().is_empty());
}

/// Runs a failure's line and its capsule three times each; all must tell what the capsule holds.
#[track_caller]
fn check_reproduced(campaign: &str) {
    let place = Place::new();
    let ended = place.run(campaign).expect_code(100);
    let announced = announced(&ended);
    assert!(!announced.is_empty(), "{ended}");
    for path in place.files("made", ".capsule.json") {
        let capsule = place.capsule(&path);
        let Verdict::Invalid(anomaly) = &capsule.verdict else {
            panic!("{path} holds no failure");
        };
        let seed = format!("--seed {}", capsule.plan.seed);
        let by_seed = announced.iter().find(|(_, again)| again.contains(&seed));
        let (_, by_seed) = by_seed.unwrap_or_else(|| panic!("{seed} is not announced: {ended}"));
        let mut told = Vec::new();
        for line in [by_seed, &format!("replay {path}")] {
            for _ in 0..3 {
                let ended = place.run(&format!("{line} --out again")).expect_code(100);
                assert_eq!(ended.after("digest: "), [&capsule.digest], "squall {line}");
                told.push(ended.stdout);
                let again = path.replacen("made", "again", 1);
                assert_eq!(place.capsule(&again), capsule, "squall {line}");
            }
        }
        let first = format!(
            "invalid ({}, {})\n{}\n",
            anomaly.checker, anomaly.class, anomaly.sentence
        );
        assert!(told[0].starts_with(&first), "expected {first}: {}", told[0]);
        let witness = told[0].lines().filter(|line| line.starts_with("  #"));
        assert_eq!(witness.count(), anomaly.witness.len(), "{}", told[0]);
        assert!(told.iter().all(|text| *text == told[0]), "{told:#?}");
    }
}

#[test]
fn a_failure_of_servers_is_reproduced_three_times_of_three() {
    check_reproduced(FAILING);
}

#[test]
fn a_failure_that_clients_saw_is_reproduced_with_its_witness() {
    check_reproduced(
        "campaign --mutant raft.stale-leader-read --seeds 200 --max-failures 1 --jobs 1 --out made",
    );
}

/// What was left out of the campaign must be left out of the run that shows its failure again.
#[test]
fn a_failure_without_a_kind_of_fault_is_reproduced() {
    for kind in ["partition", "kill", "power-loss", "pause"] {
        check_reproduced(&format!(
            "campaign --mutant raft.ack-before-commit --without {kind} --seeds 200 --max-failures 1 \
             --jobs 1 --check-determinism 0 --out made"
        ));
    }
}

#[test]
fn what_a_campaign_finds_does_not_depend_on_its_workers() {
    let found = |jobs: u32| {
        let place = Place::new();
        let ended = place
            .run(&format!(
                "campaign --mutant raft.ack-before-commit --seeds 30 --check-determinism 3 \
                 --max-failures 1000 --jobs {jobs} --out made"
            ))
            .expect_code(100);
        let failed: Vec<_> = ended
            .after("FAILED ")
            .iter()
            .map(|line| (*line).to_owned())
            .collect();
        // The names of files are made of signature and first seed; capsules hold no times of ours.
        let capsules = place.files("made", ".capsule.json");
        let capsules: Vec<_> = capsules
            .iter()
            .map(|path| (path.clone(), place.read(path)))
            .collect();
        (verdicts(&ended), failed, capsules)
    };
    let alone = found(1);
    assert!(
        alone.1.len() > 1 && alone.2.len() == alone.1.len(),
        "{:?}",
        alone.1
    );
    assert!(alone == found(3), "{:?}\n{:?}", alone.1, found(3).1);
}

#[test]
fn a_campaign_without_any_fault_is_valid_and_misses_none() {
    let all: String = Fault::KINDS
        .map(|kind| format!(" --without {kind}"))
        .concat();
    let none = Place::new()
        .run(&format!("campaign --seeds 5 --check-determinism 5{all}"))
        .expect_code(0);
    assert_eq!(
        none.stdout.matches("0 / 0 / 0").count(),
        SCENARIOS.len(),
        "{none}"
    );
    assert_eq!(
        none.after("note: no "),
        [""; 0],
        "what is left out is not missed"
    );
}

#[test]
fn a_failure_that_is_back_is_a_regression() {
    let (place, path) = failure();
    place.write("old/a.capsule.json", place.read(&path));
    let back = place
        .run("campaign --seeds 2 --check-determinism 0 --regressions old --out new")
        .expect_code(112);
    assert!(
        back.stderr.contains("REGRESSED old/a.capsule.json: "),
        "{back}"
    );
    assert!(
        back.stderr.contains("regressions: 0 of 1 still mended"),
        "{back}"
    );
    // A promise that is broken just now is worse.
    place
        .run(&format!("{FAILING} --regressions old"))
        .expect_code(100);
    // Without its planted bug the failure is mended.
    let mut mended = place.capsule(&path);
    mended.plan.mutant = None;
    place.write("mended/a.capsule.json", mended.to_text());
    place.write("mended/README.md", "Not a capsule.");
    let mended = place
        .run("campaign --seeds 2 --check-determinism 0 --regressions mended --out new")
        .expect_code(0);
    assert!(
        mended.stderr.contains("regressions: 1 of 1 still mended"),
        "{mended}"
    );
    place.run("replay mended/a.capsule.json").expect_code(0);
}

/// A capsule that proves nothing any more guards against nothing.
#[test]
fn an_old_failure_that_cannot_be_judged_is_no_success() {
    let (place, path) = failure();
    let mut idle = place.capsule(&path);
    idle.plan.mutant = None;
    for client in &mut idle.plan.clients {
        client.operations.clear();
    }
    place.write("old/a.capsule.json", idle.to_text());
    let ended = place
        .run("campaign --seeds 2 --check-determinism 0 --regressions old --out new")
        .expect_code(122);
    assert!(
        ended.stderr.contains("vacuous: old/a.capsule.json: "),
        "{ended}"
    );
    place.run("replay old/a.capsule.json").expect_code(122);
}

#[test]
fn a_campaign_stops_at_as_many_failures_as_it_is_told() {
    for most in [1, 3] {
        let ended = Place::new()
            .run(&format!(
                "campaign --mutant raft.ack-before-commit --seeds 1000000 --jobs 1 \
                 --check-determinism 0 --max-failures {most}"
            ))
            .expect_code(100);
        let invalid: u64 = verdicts(&ended).iter().map(|(_, counts)| counts[2]).sum();
        // The worker has begun one more by the time that the last is heard of.
        assert!((most..=most + 2).contains(&invalid), "{most}: {ended}");
        assert!(ended.stdout.contains("incomplete: stopped"), "{ended}");
    }
}

// --- Interruption

/// A campaign under way. It ends with it.
struct Running {
    place: Place,
    child: Option<Child>,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(line: &str) -> Self {
        let place = Place::new();
        let mut child = squall()
            .args(line.split_whitespace())
            .current_dir(place.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        Self {
            place,
            child: Some(child),
            stderr,
        }
    }

    /// Waits until the campaign says this.
    fn hear(&mut self, text: &str) {
        let mut line = String::new();
        while !line.contains(text) {
            line.clear();
            let length = self
                .stderr
                .read_line(&mut line)
                .expect("its errors can be read");
            assert!(length > 0, "the campaign ended before it said `{text}`");
        }
    }

    fn interrupt(&self) {
        let id = self.child.as_ref().map(Child::id).unwrap_or_default();
        let status = Command::new("kill")
            .args(["-INT", &id.to_string()])
            .status();
        assert!(status.expect("kill starts").success());
    }

    /// How it ends by itself; far longer than a run takes is too long.
    fn end(mut self) -> (Place, Ended) {
        let child = self.child.take().expect("it ends once");
        let id = child.id();
        let (sender, ended) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let Ok(output) = ended.recv_timeout(Duration::from_secs(60)) else {
            let _ = Command::new("kill")
                .args(["-KILL", &id.to_string()])
                .status();
            panic!("the campaign did not end");
        };
        (
            std::mem::replace(&mut self.place, Place::new()),
            Ended::of(output.expect("it can be waited for")),
        )
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn an_interrupted_campaign_tells_what_it_has() {
    let mut running = Running::start("campaign --seeds 1000000 --jobs 2 --out new");
    running.hear("campaign: ");
    running.interrupt();
    let (place, ended) = running.end();
    let ended = ended.expect_code(123);
    assert!(
        ended
            .stdout
            .contains("incomplete: stopped before all seeds were run"),
        "{ended}"
    );
    assert_eq!(place.files("", ""), ["new/index.html"]);
    assert!(
        place
            .read("new/index.html")
            .contains("stopped before all seeds were run")
    );
}

#[test]
fn a_failure_is_told_at_once_and_outranks_the_interruption() {
    let mut running = Running::start(
        "campaign --for 8h --mutant raft.ack-before-commit --max-failures 1000000 --jobs 2 --out new",
    );
    running.hear("FAILED consensus/");
    running.hear("  reproduce: cargo run --release -- replay --scenario consensus/");
    running.interrupt();
    let (place, ended) = running.end();
    let ended = ended.expect_code(100);
    assert!(ended.stdout.contains("incomplete: stopped"), "{ended}");
    assert!(!place.files("new", ".capsule.json").is_empty());
    assert!(
        place
            .read("new/index.html")
            .contains("stopped before all seeds were run")
    );
}

#[test]
fn the_doctor_finds_nothing_in_a_scenario_that_repeats() {
    let place = Place::new();
    let examined = place.run("doctor --scenario kv/register").expect_code(0);
    assert_eq!(examined.after("equal ").len(), 3, "{examined}");
    assert!(
        examined
            .stdout
            .contains("nothing went around the simulation"),
        "{examined}"
    );
    let replay = "replay --scenario kv/register --seed 0x1 --check-determinism";
    let repeated = place.run(replay).expect_code(0);
    assert_eq!(
        repeated.after("equal in two fresh processes").len(),
        1,
        "{repeated}"
    );
    place.run("doctor --scenario kv/nothing").expect_code(64);
}
