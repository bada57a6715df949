//! The formats of others: what is told by their content, what they mean, and what is wrong where they
//! are malformed.

use expect_test::{Expect, expect};
use squall_checkers::history::{
    Format, History, read_cobra, write_edn, write_json_lines, write_porcupine_json,
};
use std::path::Path;

fn bytes(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    std::fs::read(folder.join(name)).expect("the file is part of the crate")
}

/// The events of a file of `testdata`, whose format is told by its content.
fn check(name: &str, format: Format, expected: Expect) {
    let bytes = bytes(name);
    assert_eq!(Format::detect(&bytes), format, "{name}");
    assert_eq!(format.name().parse(), Ok(format));
    let history = History::read(&bytes, None).expect("a history");
    expected.assert_eq(&write_json_lines(&history));
}

fn check_error(text: &str, format: Format, expected: Expect) {
    let error = History::read(text.as_bytes(), Some(format)).expect_err("no history");
    expected.assert_eq(&error.to_string());
}

#[test]
fn transactions_of_databases() {
    check(
        "rolled-back.plume.txt",
        Format::Plume,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"txn","value":[["w",1,5],["r",2,null]],"time":0}
        {"index":1,"process":0,"type":"ok","f":"txn","value":[["w",1,5],["r",2,null]],"time":0}
        {"index":2,"process":1,"type":"invoke","f":"txn","value":[["w",2,7]],"time":0}
        {"index":3,"process":1,"type":"ok","f":"txn","value":[["w",2,7]],"time":0}
        {"index":4,"process":1,"type":"invoke","f":"txn","value":[["w",1,9]],"time":0}
        {"index":5,"process":1,"type":"fail","f":"txn","value":[["w",1,9]],"time":0}
        {"index":6,"process":1,"type":"invoke","f":"txn","value":[["r",1,null]],"time":0}
        {"index":7,"process":1,"type":"ok","f":"txn","value":[["r",1,5]],"time":0}
    "#]],
    );
    check(
        "two-sessions.awdit.txt",
        Format::Awdit,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"txn","value":[["w",0,0],["w",1,4]],"time":0}
        {"index":1,"process":0,"type":"ok","f":"txn","value":[["w",0,0],["w",1,4]],"time":0}
        {"index":2,"process":0,"type":"invoke","f":"txn","value":[["r",0,null]],"time":0}
        {"index":3,"process":0,"type":"ok","f":"txn","value":[["r",0,0]],"time":0}
        {"index":4,"process":1,"type":"invoke","f":"txn","value":[["r",1,null],["w",0,2]],"time":0}
        {"index":5,"process":1,"type":"ok","f":"txn","value":[["r",1,4],["w",0,2]],"time":0}
    "#]],
    );
    check(
        "write-skew.dbcop.hist",
        Format::Dbcop,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"txn","value":[["w","x",1],["w","y",2]],"time":0}
        {"index":1,"process":0,"type":"ok","f":"txn","value":[["w","x",1],["w","y",2]],"time":0}
        {"index":2,"process":0,"type":"invoke","f":"txn","value":[["r","y",null],["w","x",3]],"time":0}
        {"index":3,"process":0,"type":"ok","f":"txn","value":[["r","y",2],["w","x",3]],"time":0}
        {"index":4,"process":1,"type":"invoke","f":"txn","value":[["r","x",null],["r","z",null]],"time":0}
        {"index":5,"process":1,"type":"fail","f":"txn","value":[["r","x",null],["r","z",null]],"time":0}
        {"index":6,"process":1,"type":"invoke","f":"txn","value":[["w","y",4]],"time":0}
        {"index":7,"process":1,"type":"ok","f":"txn","value":[["w","y",4]],"time":0}
    "#]],
    );
    check(
        "write-skew.dbcop.json",
        Format::DbcopJson,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"txn","value":[["w",0,1],["r",1,null]],"time":0}
        {"index":1,"process":0,"type":"ok","f":"txn","value":[["w",0,1],["r",1,null]],"time":0}
        {"index":2,"process":1,"type":"invoke","f":"txn","value":[["r",0,null]],"time":0}
        {"index":3,"process":1,"type":"fail","f":"txn","value":[["r",0,null]],"time":0}
    "#]],
    );
    check(
        "session.cobra",
        Format::Cobra,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"txn","value":[["w",7,11],["r",8,null]],"time":0}
        {"index":1,"process":0,"type":"ok","f":"txn","value":[["w",7,11],["r",8,null]],"time":0}
        {"index":2,"process":0,"type":"invoke","f":"txn","value":[["r",7,null]],"time":0}
        {"index":3,"process":0,"type":"fail","f":"txn","value":[["r",7,null]],"time":0}
        {"index":4,"process":0,"type":"invoke","f":"txn","value":[["w",7,12]],"time":0}
        {"index":5,"process":0,"type":"info","f":"txn","value":[["w",7,12]],"time":0}
    "#]],
    );
    check(
        "bare.elle.edn",
        Format::Edn,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"txn","value":[["append",5,1],["r",6,null]],"time":0}
        {"index":1,"process":0,"type":"ok","f":"txn","value":[["append",5,1],["r",6,[7]]],"time":0}
    "#]],
    );
}

#[test]
fn sessions_of_cobra_are_processes_of_one_history() {
    let session = bytes("session.cobra");
    let history = read_cobra([&session[..], &session[..]]).expect("a history");
    assert_eq!(history.processes(), [0, 1]);
}

#[test]
fn concurrent_objects() {
    check(
        "queue.fastlin.log",
        Format::Fastlin,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"enqueue","value":7,"time":1}
        {"index":1,"process":1,"type":"invoke","f":"dequeue","value":null,"time":2}
        {"index":2,"process":0,"type":"ok","f":"enqueue","value":7,"time":3}
        {"index":3,"process":2,"type":"invoke","f":"dequeue","value":null,"time":5}
        {"index":4,"process":1,"type":"ok","f":"dequeue","value":7,"time":5}
        {"index":5,"process":12,"type":"invoke","f":"enqueue","value":8,"time":6}
        {"index":6,"process":2,"type":"ok","f":"dequeue","value":null,"time":6}
        {"index":7,"process":12,"type":"ok","f":"enqueue","value":8,"time":9}
    "#]],
    );
    check(
        "set.fastlin.log",
        Format::Fastlin,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"add","value":3,"time":1}
        {"index":1,"process":1,"type":"invoke","f":"contains","value":3,"time":2}
        {"index":2,"process":0,"type":"ok","f":"add","value":true,"time":2}
        {"index":3,"process":2,"type":"invoke","f":"contains","value":4,"time":3}
        {"index":4,"process":1,"type":"ok","f":"contains","value":true,"time":4}
        {"index":5,"process":2,"type":"ok","f":"contains","value":false,"time":5}
        {"index":6,"process":3,"type":"invoke","f":"remove","value":3,"time":6}
        {"index":7,"process":3,"type":"ok","f":"remove","value":true,"time":7}
    "#]],
    );
    check(
        "stack.limo.hist",
        Format::Limo,
        expect![[r#"
        {"index":0,"process":1,"type":"invoke","f":"push","value":1,"time":0}
        {"index":1,"process":1,"type":"ok","f":"push","value":1,"time":0}
        {"index":2,"process":1,"type":"invoke","f":"pop","value":null,"time":0}
        {"index":3,"process":2,"type":"invoke","f":"pop","value":null,"time":0}
        {"index":4,"process":1,"type":"ok","f":"pop","value":1,"time":0}
        {"index":5,"process":2,"type":"ok","f":"pop","value":null,"time":0}
        {"index":6,"process":3,"type":"invoke","f":"push","value":"a","time":0}
    "#]],
    );
    check(
        "register.limo.hist",
        Format::Limo,
        expect![[r#"
        {"index":0,"process":1,"type":"invoke","f":"write","value":4,"time":0}
        {"index":1,"process":2,"type":"invoke","f":"read","value":null,"time":0}
        {"index":2,"process":1,"type":"ok","f":"write","value":4,"time":0}
        {"index":3,"process":2,"type":"ok","f":"read","value":4,"time":0}
    "#]],
    );
    check(
        "append.porcupine.txt",
        Format::Edn,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"append","key":"1","value":"x 0 1 y","time":0}
        {"index":1,"process":1,"type":"invoke","f":"get","key":"1","value":null,"time":0}
        {"index":2,"process":0,"type":"ok","f":"append","key":"1","value":"x 0 1 y","time":0}
        {"index":3,"process":1,"type":"ok","f":"get","key":"1","value":"x 0 1 y","time":0}
    "#]],
    );
}

#[test]
fn jepsen_and_json_are_told_from_others() {
    check(
        "failed-cas.edn",
        Format::Edn,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"write","value":4,"time":1000000}
        {"index":1,"process":0,"type":"ok","f":"write","value":4,"time":3000000}
        {"index":2,"process":1,"type":"invoke","f":"cas","value":[4,5],"time":4000000}
        {"index":3,"process":2,"type":"invoke","f":"read","value":null,"time":5000000}
        {"index":4,"process":1,"type":"fail","f":"cas","value":[4,5],"time":6000000,"error":"[\"conflict\" \"n1\"]"}
        {"index":5,"process":2,"type":"ok","f":"read","value":4,"time":7000000}
    "#]],
    );
    for (name, format) in [
        ("lost-write.log", Format::JepsenLog),
        ("deleted-key.jsonl", Format::JsonLines),
    ] {
        assert_eq!(Format::detect(&bytes(name)), format);
    }
    let texts = [
        ("#jepsen.history.Op{:process 0}", Format::Edn),
        ("[{:process 0}]", Format::Edn),
        ("[[{\"events\": []}]]", Format::DbcopJson),
        (
            "INFO  jepsen.util - 0\t:invoke\t:read\tnil",
            Format::JepsenLog,
        ),
        ("[1] call deq", Format::Limo),
        ("# priorityqueue\n", Format::Fastlin),
        ("[1] return 4", Format::Edn),
        ("[x call deq", Format::Edn),
        ("[_x1:=1]", Format::Dbcop),
        ("[ x==1]", Format::Dbcop),
        ("[:=1]", Format::Edn),
        ("\u{feff}{\"process\":0}", Format::JsonLines),
    ];
    for (text, format) in texts {
        assert_eq!(Format::detect(text.as_bytes()), format, "{text}");
    }
}

#[test]
fn errors_say_where_and_what() {
    check_error(
        "w(1,5,0,0)\n  r(1,x,0,0)",
        Format::Plume,
        expect!["line 2, column 7: expected a value, which is an integer, but found `x,0,0)`"],
    );
    check_error(
        "w(1,5,0,0",
        Format::Plume,
        expect![
            "line 1, column 1: expected `r(key,value,session,transaction)` or `w(…)`, but found `w(1,5,0,0`"
        ],
    );
    check_error(
        "w(1,5,0)",
        Format::Plume,
        expect![
            "line 1, column 1: expected `r(key,value,session,transaction)` or `w(…)`, but found `w(1,5,0)`"
        ],
    );
    check_error(
        "w 1 5\nx 1 2",
        Format::Awdit,
        expect!["line 2, column 1: expected `r` or `w`, but found `x 1 2`"],
    );
    check_error(
        "w 1 5\nr 1",
        Format::Awdit,
        expect![
            "line 2, column 4: expected a value, which is an integer, but found the end of the text"
        ],
    );
    check_error(
        "w 1 5\n---=",
        Format::Awdit,
        expect!["line 2, column 4: expected a line of dashes or of equals signs, but found `=`"],
    );
    check_error(
        "[x:=1]\n---=",
        Format::Dbcop,
        expect!["line 2, column 4: expected a line of dashes, but found `=`"],
    );
    check_error(
        "[x:=1 y=2]",
        Format::Dbcop,
        expect!["line 1, column 8: expected `==`, but found `=2]`"],
    );
    check_error(
        "[x:=1\n",
        Format::Dbcop,
        expect!["line 1, column 6: expected a variable or `]`, but found the end of the text"],
    );
    check_error(
        "[[{\"events\": [], \"committed\": 1}]]",
        Format::DbcopJson,
        expect![[
            r#"line 1, column 31: expected a list of sessions of {"events": […], "committed": …}, but found invalid type: integer `1`, expected a boolean"#
        ]],
    );
    check_error(
        "Sxxxxxxxx\u{1}",
        Format::Cobra,
        expect!["byte 9: expected `W`, `R`, `C` or `A`, but found 0x01"],
    );
    check_error(
        "Sxxxxxxx",
        Format::Cobra,
        expect!["byte 1: expected an integer of 8 bytes, but found 7 bytes"],
    );
    check_error(
        "# tree\n",
        Format::Fastlin,
        expect![
            "line 1, column 1: expected `#` and an object (set, stack, queue, priorityqueue, pqueue, rmw, register, semaphore), but found `# tree`"
        ],
    );
    check_error(
        "# queue\nenq 1 2",
        Format::Fastlin,
        expect!["line 2, column 4: expected a value, a start and an end, but found ` 1 2`"],
    );
    check_error(
        "# queue\nswap 1 2 3",
        Format::Fastlin,
        expect![
            "line 2, column 1: expected a method (enq, enqueue, deq, dequeue, push, pop, peek, top, poll, read, write, insert, add, remove, delete, contains, contains_true, contains_false, rmw, cas, acquire, release), but found `swap 1 2 3`"
        ],
    );
    check_error(
        "# queue\nenq 1",
        Format::Fastlin,
        expect![
            "line 2, column 6: expected the time at which it started, but found the end of the text"
        ],
    );
    check_error(
        "# queue\nenq 1 9 3",
        Format::Fastlin,
        expect!["line 2, column 9: expected an end that is not before the start, but found `3`"],
    );
    check_error(
        "[1] return 3",
        Format::Limo,
        expect!["line 1, column 1: expected a call before its return, but found `[1] return 3`"],
    );
    check_error(
        "[1] call enq(3",
        Format::Limo,
        expect![
            "line 1, column 15: expected `)` behind the argument, but found the end of the text"
        ],
    );
    check_error(
        "[1] call enq(3)\n[1] call deq",
        Format::Limo,
        expect![
            "line 2, column 1: event 1: expected `ok`, `fail` or `info` of process 1's `enqueue` (invoked at event 0), but it invokes `dequeue`"
        ],
    );
    check_error(
        "{:process 0 :type :invoke :f :write :value 1/2}",
        Format::Edn,
        expect![
            "line 1, column 37: expected in :value integers, strings, keywords, booleans, nil and vectors of them, nested at most 64 deep, but found `1/2`"
        ],
    );
    let deep = [
        "{\"process\":0,\"type\":\"invoke\",\"f\":\"r\",\"value\":",
        &"[".repeat(99),
        &"]".repeat(99),
        "}",
    ];
    check_error(
        &deep.concat(),
        Format::JsonLines,
        expect![[
            r#"line 1, column 110: expected data nested at most 64 deep, but found `[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]…`"#
        ]],
    );
    let error = "pdf".parse::<Format>().expect_err("no format");
    expect!["expected a history format (json-lines, edn, jepsen-log, plume, awdit, dbcop, dbcop-json, cobra, fastlin, limo), but found `pdf`"].assert_eq(&error.to_string());
}

#[test]
fn what_porcupine_is_told() {
    let text = "0 :invoke :write 1\n1 :invoke :read\n0 :info :write 1\n1 :ok :read 1\n2 :invoke :write 2\n2 :fail :write 2";
    let history = History::read(text.as_bytes(), None).expect("a history");
    expect![[r#"
        [
        {"ClientId":0,"Input":{"f":"write","value":1},"Call":0,"Output":null,"Return":6,"Metadata":"info"},
        {"ClientId":1,"Input":{"f":"read","value":null},"Call":1,"Output":1,"Return":3,"Metadata":"ok"}
        ]
    "#]].assert_eq(&write_porcupine_json(&history));
}

/// The events as they are written in JSON, one a line.
fn means(text: &str, format: Format, expected: Expect) {
    let history = History::read(text.as_bytes(), Some(format)).expect("a history");
    expected.assert_eq(&write_json_lines(&history));
}

#[test]
fn what_the_corpus_has_no_example_of() {
    means(
        "# pqueue\nadd 3 1 1",
        Format::Fastlin,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"insert","value":3,"time":1}
        {"index":1,"process":0,"type":"ok","f":"insert","value":3,"time":1}
    "#]],
    );
    means(
        "# @object set\n[1] call add(3)\n[1] return false\n[1] call contains(3)\n[1] return true\n[1] call remove(3)\n[1] return done",
        Format::Limo,
        expect![[r#"
            {"index":0,"process":1,"type":"invoke","f":"add","value":3,"time":0}
            {"index":1,"process":1,"type":"ok","f":"add","value":false,"time":0}
            {"index":2,"process":1,"type":"invoke","f":"contains","value":3,"time":0}
            {"index":3,"process":1,"type":"ok","f":"contains","value":true,"time":0}
            {"index":4,"process":1,"type":"invoke","f":"remove","value":3,"time":0}
            {"index":5,"process":1,"type":"ok","f":"remove","value":true,"time":0}
        "#]],
    );
    means(
        "w(1,0,0,0)\nr(1,0,1,1)\nr(2,0,1,1)",
        Format::Plume,
        expect![[r#"
            {"index":0,"process":0,"type":"invoke","f":"txn","value":[["w",1,0]],"time":0}
            {"index":1,"process":0,"type":"ok","f":"txn","value":[["w",1,0]],"time":0}
            {"index":2,"process":1,"type":"invoke","f":"txn","value":[["r",1,null],["r",2,null]],"time":0}
            {"index":3,"process":1,"type":"ok","f":"txn","value":[["r",1,0],["r",2,null]],"time":0}
        "#]],
    );
    means(
        "[_x:=1 _y==?]",
        Format::Dbcop,
        expect![[r#"
        {"index":0,"process":0,"type":"invoke","f":"txn","value":[["w","_x",1],["r","_y",null]],"time":0}
        {"index":1,"process":0,"type":"ok","f":"txn","value":[["w","_x",1],["r","_y",null]],"time":0}
    "#]],
    );
    check_error(
        "[1x:=1]",
        Format::Dbcop,
        expect!["line 1, column 2: expected a variable or `]`, but found `1x:=1]`"],
    );
    means(
        "0\t:invoke\t:read\tnil\n0\t:ok\t:read\t:x\n0\t:invoke\t:read\tnil\n0\t:info\t:read\t:x",
        Format::JepsenLog,
        expect![[r#"
            {"index":0,"process":0,"type":"invoke","f":"read","value":null,"time":0}
            {"index":1,"process":0,"type":"ok","f":"read","value":"x","time":0}
            {"index":2,"process":0,"type":"invoke","f":"read","value":null,"time":0}
            {"index":3,"process":0,"type":"info","f":"read","value":"x","time":0,"error":"x"}
        "#]],
    );
    means(
        "{\"process\":-1,\"type\":\"info\",\"f\":\"start\"}\n{\"process\":3,\"type\":\"invoke\",\"f\":\"read\",\"time\":1.5e3}",
        Format::JsonLines,
        expect![[r#"
            {"index":0,"process":3,"type":"invoke","f":"read","value":null,"time":1500}
        "#]],
    );
    means(
        "{\"process\" 3N \"type\" :invoke :f :read :time 7N}",
        Format::Edn,
        expect![[r#"
            {"index":0,"process":3,"type":"invoke","f":"read","value":null,"time":7}
        "#]],
    );
    check_error(
        "{:process 1 :type :invoke :value nil}",
        Format::Edn,
        expect![
            "line 1, column 1: expected in :f the operation's name, such as :read, but found no such field"
        ],
    );
    check_error(
        "{\"type\":\"invoke\",\"value\":null}",
        Format::JsonLines,
        expect![[
            r#"line 1, column 1: expected in "process" a process number or "nemesis", but found no such field"#
        ]],
    );
    check_error(
        "{\"process\":\"me\",\"type\":\"invoke\",\"f\":\"read\"}",
        Format::JsonLines,
        expect![[
            r#"line 1, column 2: expected in "process" a process number or "nemesis", but found `"me"`"#
        ]],
    );
    check_error(
        "{:process \"me\" :type :invoke :f :read}",
        Format::Edn,
        expect![
            "line 1, column 2: expected in :process a process number or :nemesis, but found `me`"
        ],
    );
    check_error(
        "[ {:process 1 :type :ok :f :read}]",
        Format::Edn,
        expect![
            "line 1, column 3: event 0: expected an `invoke` of process 1 before its `ok` of `read`, but the process has nothing open"
        ],
    );
    check_error(
        "1 :invoke :read\n  1 :ok :write",
        Format::JepsenLog,
        expect![
            "line 2, column 3: event 1: expected process 1 to complete its `read`, but it completes `write`"
        ],
    );
    means(
        "0:invoke :read\n1 :invoke :read",
        Format::JepsenLog,
        expect![[r#"
            {"index":0,"process":1,"type":"invoke","f":"read","value":null,"time":0}
        "#]],
    );
    means(
        "w 1 5\n---\n",
        Format::Awdit,
        expect![[r#"
            {"index":0,"process":0,"type":"invoke","f":"txn","value":[["w",1,5]],"time":0}
            {"index":1,"process":0,"type":"ok","f":"txn","value":[["w",1,5]],"time":0}
        "#]],
    );
    means(
        "{\"process\":3,\"type\":\"invoke\",\"f\":\"read\",\"key\":1}\n{\"process\":3,\"type\":\"ok\",\"f\":\"read\",\"value\":2}",
        Format::JsonLines,
        expect![[r#"
            {"index":0,"process":3,"type":"invoke","f":"read","key":1,"value":null,"time":0}
            {"index":1,"process":3,"type":"ok","f":"read","value":2,"time":0}
        "#]],
    );
    check_error(
        "{:process 1 :type :invoke :f :read}, ,\n {:process 1 :type :ok :f :write}",
        Format::Edn,
        expect![
            "line 2, column 2: event 1: expected process 1 to complete its `read`, but it completes `write`"
        ],
    );
}

#[test]
fn edn_is_written_with_names_as_keywords_where_they_can_be() {
    let text = r#"{"process":3,"type":"invoke","f":"add-and_get","value":"a\u0007"}
        {"process":3,"type":"info","f":"add-and_get","value":null,"error":"timed out"}
        {"process":4,"type":"invoke","f":"read it","value":null}"#;
    let history = History::read(text.as_bytes(), None).expect("a history");
    expect![[r#"
        {:index 0, :time 0, :process 3, :type :invoke, :f :add-and_get, :value "a\u0007"}
        {:index 1, :time 0, :process 3, :type :info, :f :add-and_get, :value nil, :error "timed out"}
        {:index 2, :time 0, :process 4, :type :invoke, :f "read it", :value nil}
    "#]].assert_eq(&write_edn(&history));
}
