use squall_workloads::{plan::Seed, runner, scenario};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let s = scenario::find(&a[1]).unwrap();
    let seed = Seed::parse(&a[2]).unwrap();
    let plan = s.plan(seed, None);
    for _ in 0..6 {
        let r = runner::run(s, &plan, true).unwrap();
        println!("{} {:?}", r.digest, r.counters.get("polls"));
    }
    let hs: Vec<_> = (0..4)
        .map(|_| {
            let plan = plan.clone();
            std::thread::spawn(move || {
                let r = runner::run(s, &plan, true).unwrap();
                println!("thread {}", r.digest)
            })
        })
        .collect();
    for h in hs {
        h.join().unwrap();
    }
}
