//! Some seeds, as part of every test run; `cargo run -p pawl-sim` simulates any number of them.

use std::path::Path;

use pawl_sim::{COUNCILS_FROM, FAULT_RATES, FaultRates, Simulator};

const CALM: FaultRates = FaultRates { crash: 0, fail: 0, lost_answer: 0, slow: 0 };
const SEEDS: u64 = 60;
/// These find what was wrong once. The first five: what others must be told, in a commit whose answer was lost, was
/// told nobody; what was told stayed marked when the commit that takes the mark away was refused. The next five: a
/// fork whose commit had no answer stood still. The last three: a run was removed before the one that started it.
const ONCE_FOUND: [u64; 13] = [27, 68, 136, 241, 362, 97, 186, 489, 701, 1048, 150, 208, 993];

fn simulator() -> Simulator {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).expect("the project");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(Simulator::open(root)).expect("plugins and workflows load")
}

#[test]
fn no_seed_breaks_an_invariant() {
    let simulator = simulator();
    let mut crashes = 0;
    let (mut retried, mut made, mut removed) = (0, 0, 0);
    for seed in (0..SEEDS).chain(ONCE_FOUND) {
        let report = simulator.simulate(seed, FAULT_RATES).expect("it ends");
        assert!(report.violations.is_empty(), "seed {seed}: {:#?}", report.violations);
        crashes += report.crashes;
        (retried, made, removed) = (retried + report.retried, made + report.made, removed + report.removed);
    }
    assert!(crashes > 20, "{crashes} crashes only: the faults did not come");
    assert!(retried > 20 && made > 50 && removed > 50, "{retried} retried, {made} made, {removed} removed");
}

#[test]
fn no_seed_breaks_what_holds_of_questions_that_several_people_answer() {
    let simulator = simulator();
    let (mut crashes, mut handled, mut agreed) = (0, 0, 0);
    for seed in COUNCILS_FROM..COUNCILS_FROM + SEEDS / 2 {
        let report = simulator.simulate(seed, FAULT_RATES).expect("it ends");
        assert!(report.violations.is_empty(), "seed {seed}: {:#?}", report.violations);
        crashes += report.crashes;
        (handled, agreed) = (handled + report.handled, agreed + report.agreed);
    }
    assert!(crashes > 10, "{crashes} crashes only: the faults did not come");
    assert!(handled > 200 && agreed > 20, "{handled} claims, votes and so on, {agreed} decisions");
}

#[test]
fn the_same_seed_is_the_same_simulation() {
    let simulator = simulator();
    for seed in [1, 2, 3, COUNCILS_FROM + 1] {
        let [first, second] = [(); 2].map(|()| simulator.simulate(seed, FAULT_RATES).expect("it ends"));
        assert_eq!(first, second, "seed {seed}");
        assert_ne!(first.trace, simulator.simulate(seed, CALM).expect("it ends").trace);
    }
}
