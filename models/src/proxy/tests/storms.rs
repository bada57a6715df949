//! The laws hold in every storm; with a planted bug, one of them does not, and only in a storm.

use super::world::{MS, Plan, Seen, Storm, run};

const STORMS: [Storm; 7] = [
    Storm::Calm,
    Storm::Kills,
    Storm::AllKilled,
    Storm::Pauses,
    Storm::AllPaused,
    Storm::Cuts,
    Storm::Overload,
];

/// More clients than the backends can serve at once, where that is what the storm is.
fn plan(seed: u64, storm: Storm) -> Plan {
    let mut plan = Plan::new(seed, storm);
    if storm == Storm::Overload {
        (plan.clients, plan.pause) = (400, 1500 * MS);
    }
    plan
}

#[test]
fn laws_hold_in_every_storm() {
    for storm in STORMS {
        for (seed, once, cancels) in [(1, false, true), (2, true, false), (3, true, true)] {
            let plan = Plan {
                once,
                cancels,
                ..plan(seed, storm)
            };
            let seen = run(plan.clone()).output;
            seen.assert_lawful(&plan);
        }
    }
}

#[test]
fn in_a_calm_everything_is_answered() {
    for once in [false, true] {
        let plan = Plan {
            once,
            ..Plan::new(4, Storm::Calm)
        };
        let seen = run(plan).output;
        assert_eq!(seen.errors, [].into());
        assert_eq!(seen.retries(), 0);
        assert!(seen.answered_ns.len() > 1500, "{}", seen.answered_ns.len());
        assert_eq!(
            seen.executed.len(),
            if once { seen.answered_ns.len() } else { 0 }
        );
    }
}

#[test]
fn storms_are_felt() {
    use crate::proxy::breaker::State;
    use crate::proxy::truth::Truth;
    let seen = run(Plan::new(5, Storm::AllKilled)).output;
    for state in [State::Open, State::HalfOpen, State::Closed] {
        let changed = |truth: &Truth| matches!(truth, Truth::BreakerChanged { state: to, .. } if *to == state);
        assert!(seen.count(changed) > 0, "{state:?}");
    }
    for healthy in [false, true] {
        let changed = |truth: &Truth| matches!(truth, Truth::HealthChanged { healthy: to, .. } if *to == healthy);
        assert!(seen.count(changed) > 0);
    }
    assert!(seen.retries() > 0);
}

#[test]
fn equal_seeds_give_equal_runs() {
    for storm in [Storm::Kills, Storm::Cuts] {
        let plan = Plan {
            cancels: true,
            ..plan(6, storm)
        };
        let (first, second) = (run(plan.clone()), run(plan.clone()));
        assert_eq!(first.digest, second.digest);
        assert_eq!(first.output.truths, second.output.truths);
        let other = run(Plan { seed: 7, ..plan });
        assert_ne!(first.digest, other.digest);
    }
}

/// A planted bug breaks its law in each of these storms on one of some seeds, and in a calm on none.
fn check(mutant: &'static str, shape: Plan, storms: &[Storm], breaks: fn(&Seen) -> bool) {
    let with = |seed, storm, pause| Plan {
        mutant: Some(mutant),
        once: shape.once,
        cancels: shape.cancels && storm != Storm::Calm,
        clients: shape.clients,
        pause,
        ..plan(seed, storm)
    };
    let calm = run(with(1, Storm::Calm, shape.pause)).output;
    assert!(!breaks(&calm), "{mutant} shows without a fault");
    for storm in storms {
        let pause = shape.pause;
        let found = (1..=6).find(|seed| breaks(&run(with(*seed, *storm, pause)).output));
        assert!(found.is_some(), "{mutant} does not show in {storm:?}");
    }
}

fn echoes() -> Plan {
    Plan::new(0, Storm::Calm)
}

#[test]
fn a_dirty_connection_gives_the_answer_to_somebody_else() {
    let cancelling = Plan {
        cancels: true,
        ..echoes()
    };
    let wrong = |seen: &Seen| seen.wrong_echoes > 0;
    // Cancelled in the middle, with nothing else amiss.
    let plan = Plan {
        mutant: Some("proxy.dirty-connection-reused"),
        ..cancelling.clone()
    };
    assert!(wrong(&run(plan).output));
    check(
        "proxy.dirty-connection-reused",
        echoes(),
        &[Storm::Pauses, Storm::Cuts],
        wrong,
    );
}

#[test]
fn what_is_sent_again_after_it_may_have_happened_happens_twice() {
    let posts = Plan {
        once: true,
        ..echoes()
    };
    check(
        "proxy.retried-after-send",
        posts,
        &[Storm::Cuts, Storm::Pauses],
        |seen| seen.executed_twice() > 0,
    );
}

#[test]
fn an_unbounded_half_open_breaker_lets_everybody_through() {
    let many = Plan {
        clients: 16,
        ..echoes()
    };
    let storms = [Storm::AllPaused, Storm::AllKilled, Storm::Pauses];
    check("proxy.half-open-unbounded", many, &storms, |seen| {
        seen.half_open_beyond_bound() > 0
    });
}

#[test]
fn without_a_panic_threshold_everybody_is_refused() {
    let storms = [Storm::AllPaused, Storm::AllKilled];
    check("proxy.all-ejected", echoes(), &storms, |seen| {
        seen.refused_for_health() > 0
    });
}

#[test]
fn retries_without_a_budget_are_more_than_were_paid_for() {
    let storms = [Storm::AllKilled, Storm::AllPaused];
    check("proxy.retries-without-budget", echoes(), &storms, |seen| {
        seen.unpaid_retries() > 0
    });
}
