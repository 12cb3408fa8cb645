//! Where the store is: its engine and its folder.

use rustix::process::Signal;

use crate::home::{Home, PAUSE, Said, same, workflow};

#[test]
fn runs_are_kept_by_the_engine_and_in_the_folder_that_are_named() {
    let cases = [("sled:", "data/sled"), ("sled:kept", "kept/sled"), ("lmdb:kept", "kept/lmdb")];
    for (store, folder) in cases {
        let home = Home::new();
        let inputs = workflow("inputs/refund.json");
        let run = home.pawl(&["--store", store, "run", &workflow("refund.yaml"), "--input-file", &inputs]);
        assert_eq!(run.code, Some(3), "{}", run.show());
        // What is suggested finds the store again.
        assert!(run.show().contains(&format!("pawl --store {store}")), "{}", run.show());
        assert!(home.path(folder).is_dir(), "{folder}");
        let open = home.json(&["approvals", "--store", store]);
        let approval = open[0]["id"].as_str().unwrap();
        let said = Said::from(
            home.command(&["approve", approval, "--data", "note=ok"])
                .env("PAWL_STORE", store)
                .output()
                .unwrap(),
        );
        assert_eq!(said.code, Some(0), "{}", said.show());
        assert_eq!(home.json(&["runs", "--store", store])[0]["status"], "completed");
        assert_eq!(home.pawl(&["verify", "--store", store]).code, Some(0));
    }
}

#[test]
fn a_store_of_another_engine_is_refused() {
    let home = Home::new();
    let hello = workflow("hello.yaml");
    assert_eq!(home.pawl(&["--store", "sled:kept", "run", &hello]).code, Some(0));
    same!("store_of_another_engine", home.pawl(&["--store", "lmdb:kept", "runs"]));
    same!("store_unknown", home.pawl(&["--store", "postgres:kept", "runs"]));
    assert_eq!(home.pawl(&["--store", "sled:", "run", &hello]).code, Some(0));
    same!("store_not_the_default", home.pawl(&["runs"]));
    assert_eq!(home.json(&["runs", "--store", "sled:"]).as_array().unwrap().len(), 1);
}

#[test]
fn the_process_that_holds_a_store_is_reached_through_its_folder() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    let holder = home.holder(&["--store", "sled:kept", "run", "pause.yaml"], "pause        wait");
    assert!(home.path("kept/pawl.sock").exists() && !home.path("data/pawl.sock").exists());
    assert_eq!(home.json(&["--store", "sled:kept", "runs"])[0]["status"], "waiting");
    // Another store of the same data folder is not in its way.
    assert_eq!(home.json(&["runs"]).as_array().unwrap().len(), 0);
    holder.signal(Signal::KILL);
    assert_eq!(holder.said().code, None);
    assert_eq!(home.json(&["--store", "sled:kept", "runs"])[0]["status"], "waiting");
}
