//! `pawl memory`: what agents keep beyond their runs, directly and through the process that drives.

use crate::home::{Home, PAUSE, same, workflow};

#[test]
fn what_agents_keep_is_listed_shown_and_forgotten() {
    let home = Home::new();
    same!("memory_none", home.pawl(&["memory", "list"]));
    for (customer, letter) in [("ann", "Hello?"), ("ben", "Hi")] {
        let inputs = ["--input", &format!("customer={customer}"), "--input", &format!("letter={letter}")];
        let said = home.pawl(&[&["run", &workflow("memory.yaml"), "--json"][..], &inputs].concat());
        assert_eq!(said.code, Some(0), "{}", said.show());
    }
    // The same where another process holds the folder.
    home.write("pause.yaml", PAUSE);
    let _holder = home.holder(&["run", "pause.yaml"], "pause        wait");
    same!("memory_list", home.pawl(&["memory", "list"]));
    same!("memory_list_json", home.pawl(&["memory", "list", "--json"]));
    same!("memory_show", home.pawl(&["memory", "show", "--key", "customer/ann"]));
    same!("memory_forget", home.pawl(&["memory", "forget", "notes", "--key", "customer/ann", "--json"]));
    same!("memory_forget_nothing", home.pawl(&["memory", "forget", "--workflow", "memory"]));
    same!("memory_show_nothing", home.pawl(&["memory", "show", "--key", "customer/ann"]));
    same!("memory_whose", home.pawl(&["memory", "show"]));
}
