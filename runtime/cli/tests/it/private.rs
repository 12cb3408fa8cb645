//! What other users of the machine can do with what pawl leaves on the disk.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::home::{Home, PAUSE, workflow};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode()
        & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_pawl_makes_is_its_owners_alone() {
    let home = Home::new();
    home.write("pause.yaml", PAUSE);
    // A umask that would let everybody in.
    let holder = home.loose_holder(&["--data", "new", "run", "pause.yaml"], "pause        wait");
    let new = home.path("new");
    for (name, expected) in [("", 0o700), ("cache", 0o700), ("pawl.sock", 0o600), ("lmdb/data.mdb", 0o600)] {
        assert_eq!(mode(&new.join(name)), expected, "{name}");
    }
    holder.signal(rustix::process::Signal::TERM);
    holder.said();
}

#[test]
fn code_is_not_kept_where_others_could_leave_some() {
    let home = Home::new();
    std::fs::create_dir_all(home.path("open/cache")).unwrap();
    set_mode(&home.path("open"), 0o700);
    set_mode(&home.path("open/cache"), 0o777);
    let said = home.pawl(&["run", &workflow("hello.yaml"), "--data", "open"]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    assert!(said.stderr.contains("compiled code is not kept"), "{}", said.stderr);
    assert_eq!(std::fs::read_dir(home.path("open/cache")).unwrap().count(), 0);
    let said = home.pawl(&["doctor", "--data", "open"]);
    assert!(said.stdout.contains("others can write in it (mode 777)"), "{}", said.show());
    set_mode(&home.path("open/cache"), 0o700);
    let said = home.pawl(&["run", &workflow("hello.yaml"), "--data", "open"]);
    assert!(!said.stderr.contains("compiled code"), "{}", said.stderr);
    assert!(std::fs::read_dir(home.path("open/cache")).unwrap().count() > 0);
}
