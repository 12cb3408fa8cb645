//! Several people answer one approval, each by a process of their own.

use crate::home::{Home, same, workflow};

const FINANCE: [&str; 2] = ["--group", "group:finance"];

fn by<'a>(words: &[&'a str], name: &'a str) -> Vec<&'a str> {
    [words, &["--as", name], &FINANCE].concat()
}

#[test]
fn two_people_release_what_a_third_one_proposed() {
    let home = Home::new();
    same!("inbox_run", home.pawl(&["run", &workflow("payout.yaml")]));
    let proposed = home.approval();
    let propose = [
        "answer",
        &proposed,
        "propose",
        "--data",
        "amount=40",
        "--as",
        "user:sam",
        "--group",
        "group:support",
    ];
    same!("inbox_propose", home.pawl(&propose));
    let id = home.approval();
    let act = |words: &[&str], name| home.pawl(&by(words, name));
    // Who started the run, and who said how much, may not.
    same!("inbox_starter", home.pawl(&["approve", &id]));
    same!("inbox_proposer", act(&["approve", &id], "user:sam"));
    same!("inbox_claim", act(&["approvals", "claim", &id], "user:bob"));
    same!("inbox_claimed", act(&["approve", &id], "user:dan"));
    same!("inbox_not_theirs", act(&["approvals", "release", &id], "user:dan"));
    same!("inbox_comment", act(&["approvals", "comment", &id, "who is the customer?"], "user:dan"));
    let release = act(&["approvals", "release", &id, "--json"], "user:bob");
    let released: serde_json::Value = serde_json::from_str(&release.stdout).unwrap();
    assert_eq!((&released["claimed_by"], &released["comments"]), (&serde_json::Value::Null, &1.into()));
    same!(
        "inbox_delegate",
        act(&["approvals", "delegate", &id, "--to", "user:fay", "--comment", "I am away"], "user:bob")
    );
    same!("inbox_delegate_nobody", act(&["approvals", "delegate", &id, "--to", "fay"], "user:bob"));
    same!("inbox_reject_without_reason", act(&["reject", &id], "user:dan"));
    same!("inbox_vote", home.pawl(&["approve", &id, "--as", "user:fay", "--comment", "I know them"]));
    same!("inbox_vote_again", home.pawl(&["approve", &id, "--as", "user:fay"]));
    same!("inbox_list", home.pawl(&["approvals"]));
    same!("inbox_json", home.pawl(&["approvals", "--json"]));
    let listed = |words: &[&str]| home.json(&[&["approvals"], words].concat()).as_array().unwrap().len();
    assert_eq!(listed(&["--for", "user:dan", "--for", "group:finance"]), 1);
    assert_eq!(listed(&["--for", "user:fay"]), 0);
    assert_eq!((listed(&["--claimed"]), listed(&["--unclaimed"])), (0, 1));
    same!("inbox_approve", act(&["approve", &id], "user:dan"));
    same!("inbox_show", home.pawl(&["approvals", "show", &id]));
    assert_eq!(home.json(&["approvals", "show", &id])["open"], false);
    same!("inbox_show_unknown", home.pawl(&["approvals", "show", "00000000000000000000000000"]));
    same!("inbox_events", home.pawl(&["events", &home.newest()]));
    assert_eq!(home.pawl(&["verify"]).code, Some(0));
}

#[test]
fn an_operator_takes_over_what_somebody_holds() {
    let home = Home::new();
    home.pawl(&["run", &workflow("refund.yaml"), "--input-file", &workflow("inputs/refund.json")]);
    let id = home.approval();
    home.pawl(&by(&["approvals", "claim", &id], "user:bob"));
    same!("inbox_operator_waits", home.pawl(&["approve", &id]));
    same!("inbox_operator_claims", home.pawl(&["approvals", "claim", &id]));
    let said = home.pawl(&["approve", &id, "--data", "note=ok"]);
    assert_eq!(said.code, Some(0), "{}", said.show());
}
