//! Some seeds, as part of every test run; `cargo run -p pawl-sim` simulates any number of them.

use std::path::Path;

use pawl_sim::{FAULT_RATES, FaultRates, Simulator};

const CALM: FaultRates = FaultRates { crash: 0, fail: 0, lost_answer: 0, slow: 0 };
const SEEDS: u64 = 60;
/// These found something once: what others must be told, in a commit whose answer was lost, was told
/// nobody; what was told stayed marked when the commit that takes the mark away was refused.
const ONCE_FOUND: [u64; 6] = [1230, 1286, 1349, 1360, 1567, 1801];

fn simulator() -> Simulator {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().and_then(Path::parent).expect("the project");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(Simulator::open(root)).expect("plugins and workflows load")
}

#[test]
fn no_seed_breaks_an_invariant() {
    let simulator = simulator();
    let mut crashes = 0;
    for seed in (0..SEEDS).chain(ONCE_FOUND) {
        let report = simulator.simulate(seed, FAULT_RATES).expect("it ends");
        assert!(report.violations.is_empty(), "seed {seed}: {:#?}", report.violations);
        crashes += report.crashes;
    }
    assert!(crashes > 20, "{crashes} crashes only: the faults did not come");
}

#[test]
fn the_same_seed_is_the_same_simulation() {
    let simulator = simulator();
    for seed in [1, 2, 3] {
        let [first, second] = [(); 2].map(|()| simulator.simulate(seed, FAULT_RATES).expect("it ends"));
        assert_eq!(first, second, "seed {seed}");
        assert_ne!(first.trace, simulator.simulate(seed, CALM).expect("it ends").trace);
    }
}
