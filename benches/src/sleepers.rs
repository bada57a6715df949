//! Many tasks that do nothing but sleep.

use squall_bench_work::sleepers::naps;
use squall_sim::engine::{self, Config};
use squall_sim::task;
use squall_sim::time::sleep;

/// Answers how often the tasks slept.
pub fn sleepers(tasks: u64) -> u64 {
    let outcome = engine::run(Config::new(1), move || async move {
        let tasks: Vec<_> = (0..tasks).map(|number| task::spawn(doze(number))).collect();
        let mut done = 0;
        for task in tasks {
            done += task.await.expect("the task ends");
        }
        done
    });
    outcome.expect("the harness ends").output
}

async fn doze(number: u64) -> u64 {
    let mut done = 0;
    for nap in naps(number) {
        sleep(nap).await;
        done += 1;
    }
    done
}
