//! One node at a time: what it answers, and what it concludes from answers.

use squall_sim::mutant;
use squall_sim::time::{Duration, Instant};

use super::super::{
    AppendOutcome, Ballot, Config, Entry, EntryId, HardState, Index, Message, NodeId, Payload,
    Raft, ReadOutcome, Ready, RestoreError, Restored, Role, Snapshot, Term,
};
use super::cluster::Rng;

#[test]
fn a_vote_goes_to_one_candidate_a_term_whose_log_is_as_good() {
    // The voter: its term, its vote, its log's terms. The question: from, term, last entry. Granted?
    type Row = (u64, Option<u32>, &'static [u64], u32, u64, (u64, u64), bool);
    let table: [Row; 12] = [
        (1, None, &[1], 2, 2, (1, 1), true),
        (2, None, &[1], 2, 2, (1, 1), true),
        (2, Some(2), &[1], 2, 2, (1, 1), true),
        (2, Some(3), &[1], 2, 2, (1, 1), false),
        (2, Some(1), &[1], 2, 2, (1, 1), false),
        (2, Some(3), &[1], 2, 3, (1, 1), true),
        (3, None, &[1], 2, 2, (1, 1), false),
        // The log: a later last term wins, then a longer log.
        (2, None, &[1, 1], 2, 3, (1, 1), false),
        (2, None, &[1, 1], 2, 3, (1, 2), true),
        (2, None, &[1, 1, 1], 2, 3, (2, 2), true),
        (2, None, &[1, 2], 2, 3, (1, 9), false),
        (2, None, &[], 2, 3, (0, 0), true),
    ];
    for (own_term, voted_for, log, from, term, last, granted) in table {
        let mut raft = node(3, own_term, voted_for, log);
        for _ in 0..2 {
            let question = Message::RequestVote {
                ballot: Ballot::Real,
                term: Term(term),
                last: id(last.0, last.1),
            };
            raft.step(START, NodeId(from), question);
            let work = work(&mut raft);
            let answer = Message::Vote {
                ballot: Ballot::Real,
                term: Term(term.max(own_term)),
                granted,
            };
            assert_eq!(work.messages, [(NodeId(from), answer)], "{log:?} {term}");
        }
    }
}

#[test]
fn a_pre_vote_binds_nobody() {
    let mut raft = node(3, 2, Some(3), &[1]);
    let question = Message::RequestVote {
        ballot: Ballot::Pre,
        term: Term(3),
        last: id(1, 1),
    };
    raft.step(START, NodeId(2), question.clone());
    let work_done = work(&mut raft);
    assert_eq!(
        work_done.messages,
        [(NodeId(2), vote(Ballot::Pre, 3, true))]
    );
    assert_eq!(work_done.hard_state, None);

    // Nor does a node that hears a leader help to depose it, in either kind of election.
    raft.step(START, NodeId(3), append(2, (1, 1), &[], 0));
    work(&mut raft);
    raft.step(START, NodeId(2), question);
    assert_eq!(
        work(&mut raft).messages,
        [(NodeId(2), vote(Ballot::Pre, 2, false))]
    );
    let real = Message::RequestVote {
        ballot: Ballot::Real,
        term: Term(3),
        last: id(1, 1),
    };
    raft.step(START, NodeId(2), real);
    assert_eq!(work(&mut raft), Ready::default());
}

#[test]
fn a_vote_waits_for_the_disk() {
    let mut raft = node(3, 1, None, &[]);
    let question = Message::RequestVote {
        ballot: Ballot::Real,
        term: Term(2),
        last: id(0, 0),
    };
    raft.step(START, NodeId(2), question);
    let ready = raft.ready().expect("a vote is work");
    let voted = HardState {
        term: Term(2),
        voted_for: Some(NodeId(2)),
    };
    assert_eq!(ready.hard_state, Some(voted));
    assert_eq!(ready.messages, [(NodeId(2), vote(Ballot::Real, 2, true))]);
    raft.step(START, NodeId(3), append(2, (0, 0), &[2], 0));
    assert_eq!(raft.ready(), None, "one work at a time");
    raft.persisted(ready.number);
    assert!(raft.ready().is_some());
}

#[test]
fn an_undecided_candidate_asks_again_and_counts_each_voter_once() {
    let mut raft = node(5, 1, None, &[1]);
    stand(&mut raft);
    assert_eq!(raft.role(), Role::Candidate);
    raft.step(raft.now, NodeId(2), vote(Ballot::Real, 2, true));
    work(&mut raft);
    raft.tick(raft.next_deadline());
    let asked: Vec<NodeId> = work(&mut raft).messages.iter().map(|it| it.0).collect();
    assert_eq!(asked, [NodeId(3), NodeId(4), NodeId(5)]);

    raft.step(raft.now, NodeId(2), vote(Ballot::Real, 2, true));
    assert_eq!(raft.role(), Role::Candidate);
    mutant::activate(Some("raft.duplicate-votes-counted"));
    raft.step(raft.now, NodeId(2), vote(Ballot::Real, 2, true));
    mutant::activate(None);
    assert_eq!(raft.role(), Role::Leader);
}

#[test]
fn a_follower_takes_over_only_what_differs() {
    use AppendOutcome::Conflict;
    let conflict = |previous, hint: (u64, u64)| {
        let hint = id(hint.0, hint.1);
        Some(Conflict {
            previous: Index(previous),
            hint,
        })
    };
    let matched = |index| {
        let matched = Index(index);
        Some(AppendOutcome::Appended { matched })
    };
    // The log's terms and what of it is committed; previous, entries' terms; the answer and the log after it.
    type Row = (
        &'static [u64],
        u64,
        (u64, u64),
        &'static [u64],
        Option<AppendOutcome>,
        &'static [u64],
    );
    let table: [Row; 11] = [
        (&[], 0, (0, 0), &[1], matched(1), &[1]),
        (&[1], 0, (1, 1), &[1, 2], matched(3), &[1, 1, 2]),
        // A message that was overtaken cuts nothing off.
        (&[1, 1, 1], 0, (1, 1), &[1], matched(2), &[1, 1, 1]),
        (&[1, 1, 1], 0, (1, 1), &[], matched(1), &[1, 1, 1]),
        // What differs goes, and all behind it.
        (&[1, 1, 1], 0, (1, 1), &[2], matched(2), &[1, 2]),
        (&[1, 2, 2, 2], 1, (1, 1), &[3, 3], matched(3), &[1, 3, 3]),
        // A gap, and a previous entry of another term: whole terms are skipped.
        (&[1], 0, (1, 3), &[1], conflict(3, (1, 1)), &[1]),
        (
            &[1, 2, 2, 2],
            0,
            (3, 4),
            &[3],
            conflict(4, (2, 4)),
            &[1, 2, 2, 2],
        ),
        (
            &[1, 4, 4, 4],
            1,
            (3, 4),
            &[3],
            conflict(4, (1, 1)),
            &[1, 4, 4, 4],
        ),
        // No leader may deny what is committed.
        (&[1, 2], 2, (1, 1), &[3], None, &[1, 2]),
        (&[1, 2], 2, (3, 2), &[3], None, &[1, 2]),
    ];
    for (log, commit, previous, entries, outcome, after) in table {
        let mut raft = node(3, 5, None, log);
        raft.commit = Index(commit);
        raft.step(START, NodeId(2), append(5, previous, entries, 0));
        let replies = work(&mut raft).messages;
        let expected = outcome.map(|outcome| (NodeId(2), reply(5, 0, outcome)));
        assert_eq!(
            replies,
            Vec::from_iter(expected),
            "{log:?} {previous:?} {entries:?}"
        );
        let last = raft.log.last().index;
        let terms = raft
            .log
            .between(Index::ZERO, last)
            .iter()
            .map(|it| it.id.term.0);
        assert_eq!(terms.collect::<Vec<_>>(), after);
    }
}

#[test]
fn a_follower_commits_only_what_it_has_compared() {
    let mut raft = node(3, 2, None, &[1, 1, 1]);
    raft.step(START, NodeId(2), append(2, (1, 1), &[], 3));
    assert_eq!(
        raft.commit,
        Index(1),
        "entries 2 and 3 may not be the leader's"
    );
    raft.step(START, NodeId(2), append(2, (1, 1), &[2], 3));
    assert_eq!(raft.commit, Index(2));
}

/// Figure 8 of the paper, from (c) on: the leader of term 4 has an entry of term 2 that a majority
/// holds too, and a node with an entry of term 3 could still be elected.
#[test]
fn an_entry_of_an_older_term_is_committed_by_one_of_the_own() {
    assert_eq!(commits_of_figure_8(), [Index(0), Index(3)]);
    mutant::activate(Some("raft.commit-older-term"));
    let wrong = commits_of_figure_8();
    mutant::activate(None);
    assert_eq!(wrong, [Index(2), Index(3)]);
}

fn commits_of_figure_8() -> [Index; 2] {
    let mut raft = node(3, 3, None, &[1, 2]);
    lead(&mut raft);
    assert_eq!(raft.log.last(), id(4, 3));
    [2, 3].map(|matched| {
        let matched = Index(matched);
        let stored = reply(4, 0, AppendOutcome::Appended { matched });
        raft.step(raft.now, NodeId(2), stored);
        work(&mut raft);
        raft.commit
    })
}

#[test]
fn a_leader_counts_its_own_entries_once_they_are_durable() {
    let mut raft = node(1, 1, None, &[]);
    raft.tick(raft.next_deadline());
    assert_eq!(raft.role(), Role::Leader);
    let ready = raft.ready().expect("the first entry is to be written");
    assert_eq!(ready.entries.len(), 1);
    assert_eq!(raft.commit, Index(0));
    raft.persisted(ready.number);
    assert_eq!(raft.commit, Index(1));
}

#[test]
fn a_leader_without_a_majority_resigns() {
    let mut raft = node(3, 1, None, &[]);
    lead(&mut raft);
    raft.read_index(raft.now, 7).expect("it leads");
    let resigns_at = raft.now + raft.config.election_timeout;
    raft.step(raft.now, NodeId(9), append(2, (0, 0), &[], 0));
    while raft.now < resigns_at {
        assert_eq!(raft.role(), Role::Leader);
        raft.tick(raft.next_deadline().min(resigns_at));
    }
    assert_eq!(raft.role(), Role::Follower);
    assert_eq!(work(&mut raft).reads, [(7, ReadOutcome::Failed)]);
}

#[test]
fn a_read_waits_for_the_own_term_and_for_a_round_that_began_after_it() {
    let mut raft = node(3, 1, None, &[1]);
    lead(&mut raft);
    raft.read_index(raft.now, 1).expect("it leads");
    assert_eq!(
        work(&mut raft).reads,
        [],
        "its first entry is not committed"
    );

    let matched = Index(2);
    raft.step(
        raft.now,
        NodeId(2),
        reply(2, 0, AppendOutcome::Appended { matched }),
    );
    assert_eq!(
        work(&mut raft).reads,
        [],
        "the reply is older than the round"
    );
    raft.read_index(raft.now, 2).expect("it leads");
    raft.read_index(raft.now, 3).expect("it leads");
    raft.step(raft.now, NodeId(2), reply(1, 1, AppendOutcome::StaleTerm));
    raft.step(raft.now, NodeId(2), reply(2, 9, AppendOutcome::StaleTerm));
    assert_eq!(
        work(&mut raft).reads,
        [],
        "another term's reply; a round not begun"
    );

    let answer = ReadOutcome::Index(Index(2));
    raft.step(
        raft.now,
        NodeId(3),
        reply(2, 1, AppendOutcome::Appended { matched }),
    );
    assert_eq!(work(&mut raft).reads, [(1, answer)]);
    raft.step(
        raft.now,
        NodeId(2),
        reply(2, 2, AppendOutcome::Appended { matched }),
    );
    assert_eq!(
        work(&mut raft).reads,
        [(2, answer), (3, answer)],
        "one round for both"
    );
}

#[test]
fn a_snapshot_replaces_only_a_log_that_lacks_its_last_entry() {
    // The log's terms; the last entry that the snapshot stands for; installed? and the log's end after it.
    type Row = (&'static [u64], (u64, u64), bool, (u64, u64));
    let table: [Row; 4] = [
        (&[1], (2, 3), true, (2, 3)),
        (&[1, 1, 1], (2, 3), true, (2, 3)),
        (&[1, 1, 1, 1], (2, 2), true, (2, 2)),
        (&[1, 2, 2, 2], (2, 3), false, (2, 4)),
    ];
    for (log, last, installed, end) in table {
        let mut raft = node(3, 2, None, log);
        let snapshot = Snapshot {
            last: id(last.0, last.1),
            data: vec![1],
        };
        let message = Message::InstallSnapshot {
            term: Term(2),
            snapshot,
            round: 3,
        };
        raft.step(START, NodeId(2), message);
        let work = work(&mut raft);
        assert_eq!(work.snapshot.is_some(), installed, "{log:?} {last:?}");
        assert_eq!(raft.log.last(), id(end.0, end.1));
        assert_eq!((raft.commit, raft.applied), (Index(last.1), Index(last.1)));
        let matched = Index(last.1);
        let reply = reply(2, 3, AppendOutcome::Appended { matched });
        assert_eq!(work.messages, [(NodeId(2), reply)]);
    }
}

#[test]
fn a_restart_reads_what_a_crash_can_leave() {
    let restore = |snapshot: (u64, u64), first: u64, terms: &[u64]| {
        let snapshot = Snapshot {
            last: id(snapshot.0, snapshot.1),
            data: vec![],
        };
        let restored = Restored {
            hard_state: HardState {
                term: Term(3),
                voted_for: None,
            },
            snapshot: (snapshot.last.index > Index::ZERO).then_some(snapshot),
            entries: entries(first, terms),
        };
        Raft::new(config(3), restored, START).map(|raft| (raft.log.base(), raft.log.last()))
    };
    assert_eq!(restore((0, 0), 1, &[1, 1]), Ok((id(0, 0), id(1, 2))));
    assert_eq!(restore((1, 2), 1, &[1, 1, 2]), Ok((id(0, 0), id(2, 3))));
    assert_eq!(restore((1, 4), 3, &[1, 1, 2]), Ok((id(1, 3), id(2, 5))));
    assert_eq!(restore((1, 4), 5, &[2]), Ok((id(1, 4), id(2, 5))));
    // A log that is left over: too short, or of another term.
    assert_eq!(restore((1, 4), 1, &[1, 1]), Ok((id(1, 4), id(1, 4))));
    assert_eq!(restore((2, 2), 1, &[1, 1, 1]), Ok((id(2, 2), id(2, 2))));
    let gap = RestoreError::Gap {
        first: Index(6),
        snapshot: Index(4),
    };
    assert_eq!(restore((1, 4), 6, &[2]), Err(gap));
    assert_eq!(
        restore((0, 0), 1, &[2, 1]),
        Err(RestoreError::NotContiguous)
    );
    let behind = RestoreError::TermBehindLog {
        log: Term(4),
        hard_state: Term(3),
    };
    assert_eq!(restore((0, 0), 1, &[4]), Err(behind));
}

#[test]
fn nonsense_is_ignored() {
    let far = u64::MAX;
    let nonsense = [
        append(far, (1, 1), &[], 0),
        append(3, (1, far - 2), &[1], 0),
        append(3, (1, 1), &[], far),
        append(3, (1, 1), &[2, 1], 0),
        append(3, (1, 1), &[4], 0),
        append(0, (0, 0), &[], 0),
        append(3, (0, 1), &[], 0),
        vote(Ballot::Real, far, true),
        reply(3, far, AppendOutcome::Appended { matched: Index(99) }),
        reply(
            3,
            0,
            AppendOutcome::Appended {
                matched: Index(far),
            },
        ),
        reply(
            3,
            0,
            AppendOutcome::Conflict {
                previous: Index(0),
                hint: id(0, 0),
            },
        ),
        reply(
            3,
            0,
            AppendOutcome::Conflict {
                previous: Index(1),
                hint: id(1, 2),
            },
        ),
    ];
    for message in nonsense {
        let mut raft = node(3, 2, None, &[1]);
        lead(&mut raft);
        let before = raft.status();
        raft.step(raft.now, NodeId(2), message.clone());
        assert_eq!(raft.status(), before, "{message:?}");
        raft.step(raft.now, NodeId(4), append(9, (1, 1), &[9], 1));
        assert_eq!(raft.status(), before, "a stranger's message");
        work(&mut raft);
    }
}

/// Peers that lie in every field, but with numbers near the true ones, where the checks are.
#[test]
fn no_message_of_a_peer_brings_a_node_down() {
    let mut roles = std::collections::BTreeMap::new();
    for seed in 0..300 {
        let mut rng = Rng(seed);
        let mut raft = node(3, 2, None, &[1, 1, 2]);
        for _ in 0..400 {
            let from = NodeId(rng.number(1, 4));
            let message = lie(&mut rng, raft.status().term.0);
            let now = if rng.below(10) == 0 {
                raft.next_deadline()
            } else {
                raft.now
            };
            raft.step(now, from, message);
            raft.tick(now);
            *roles.entry(format!("{:?}", raft.role())).or_insert(0) += 1;
            let _ = raft.propose(now, vec![1]);
            let _ = raft.read_index(now, 1);
            if rng.below(3) == 0 {
                work(&mut raft);
            }
            if rng.below(40) == 0 {
                raft.config.trailing_entries = rng.below(3);
                raft.compact(raft.applied, vec![]).expect("it is empty");
            }
        }
    }
    assert_eq!(roles.len(), 4, "{roles:?}");
    assert!(roles.values().all(|count| *count > 500), "{roles:?}");
}

fn lie(rng: &mut Rng, near_term: u64) -> Message {
    let term = match rng.below(24) {
        0 => near_term + 1,
        1 => near_term.saturating_sub(1),
        _ => near_term,
    };
    let ballot = if rng.below(2) == 0 {
        Ballot::Pre
    } else {
        Ballot::Real
    };
    let mut some_id = || id((term + rng.below(3)).saturating_sub(2), rng.below(9));
    let (one, other) = (some_id(), some_id());
    let round = rng.below(5);
    match rng.below(8) {
        0 => Message::RequestVote {
            ballot,
            term: Term(term),
            last: one,
        },
        1 | 2 => vote(ballot, term + rng.below(2), true),
        3 => {
            let terms: Vec<u64> = (0..rng.below(4))
                .map(|_| term - rng.below(term.min(1) + 1))
                .collect();
            append(term, (one.term.0, one.index.0), &terms, rng.below(9))
        }
        4 => Message::InstallSnapshot {
            term: Term(term),
            snapshot: Snapshot {
                last: one,
                data: vec![],
            },
            round,
        },
        5 => reply(
            term,
            round,
            AppendOutcome::Conflict {
                previous: one.index,
                hint: other,
            },
        ),
        6 => reply(term, round, AppendOutcome::StaleTerm),
        _ => {
            let matched = one.index;
            reply(term, round, AppendOutcome::Appended { matched })
        }
    }
}

const START: Instant = Instant::from_nanos(1);

fn config(voter_count: u32) -> Config {
    Config::new(NodeId(1), (1..=voter_count).map(NodeId).collect(), 0)
}

/// Node 1 of a group, with a log of entries of these terms.
fn node(voter_count: u32, term: u64, voted_for: Option<u32>, log: &[u64]) -> Raft {
    let restored = Restored {
        hard_state: HardState {
            term: Term(term),
            voted_for: voted_for.map(NodeId),
        },
        snapshot: None,
        entries: entries(1, log),
    };
    Raft::new(config(voter_count), restored, START).expect("the log is whole")
}

fn entries(first: u64, terms: &[u64]) -> Vec<Entry> {
    let entry = |(index, term): (u64, &u64)| Entry {
        id: id(*term, index),
        payload: Payload::Noop,
    };
    (first..).zip(terms).map(entry).collect()
}

fn id(term: u64, index: u64) -> EntryId {
    EntryId {
        term: Term(term),
        index: Index(index),
    }
}

fn append(term: u64, previous: (u64, u64), terms: &[u64], commit: u64) -> Message {
    let first = previous.1.saturating_add(1);
    Message::Append {
        term: Term(term),
        previous: id(previous.0, previous.1),
        entries: entries(first, terms),
        commit: Index(commit),
        round: 0,
    }
}

fn vote(ballot: Ballot, term: u64, granted: bool) -> Message {
    Message::Vote {
        ballot,
        term: Term(term),
        granted,
    }
}

fn reply(term: u64, round: u64, outcome: AppendOutcome) -> Message {
    Message::AppendReply {
        term: Term(term),
        round,
        outcome,
    }
}

/// Takes all work, as on a disk that is done at once.
fn work(raft: &mut Raft) -> Ready {
    let mut all = Ready::default();
    while let Some(ready) = raft.ready() {
        raft.persisted(ready.number);
        all.hard_state = ready.hard_state.or(all.hard_state);
        all.snapshot = ready.snapshot.or(all.snapshot);
        all.messages.extend(ready.messages);
        all.committed.extend(ready.committed);
        all.reads.extend(ready.reads);
    }
    all
}

/// Lets the election timeout pass, and wins the pre-vote.
fn stand(raft: &mut Raft) {
    raft.tick(raft.next_deadline());
    assert_eq!(raft.role(), Role::PreCandidate);
    let term = raft.status().term.next().0;
    let voters = u32::try_from(raft.quorum()).expect("groups are small");
    for voter in 2..=voters {
        raft.step(
            raft.now + Duration::from_millis(1),
            NodeId(voter),
            vote(Ballot::Pre, term, true),
        );
    }
    work(raft);
}

/// Wins an election of three.
fn lead(raft: &mut Raft) {
    stand(raft);
    let term = raft.status().term.0;
    raft.step(raft.now, NodeId(2), vote(Ballot::Real, term, true));
    work(raft);
    assert_eq!(raft.role(), Role::Leader);
}
