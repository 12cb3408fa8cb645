//! Signed plugins: who makes them, who looks at them, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::home::Home;
use crate::lock::touched;

const WORKFLOW: &str = "\
pawl: 1
workflow: says
version: 1.0.0
plugins: { mine: ./mine.wasm }
steps:
  - { id: ask, human: { title: May it?, actions: [approve, reject] } }
  - { id: say, tool: mine.say, with: { text: hello } }
  - { id: shipped, tool: echo.say, with: { text: hello } }
";

/// A folder with a key, a component that it has signed, and a workflow that uses it.
fn signed() -> Home {
    let home = Home::new();
    home.component("echo", "mine.wasm");
    home.write("says.yaml", WORKFLOW);
    for command in
        [vec!["plugin", "keygen", "release.key"], vec!["plugin", "sign", "mine.wasm", "--key", "release.key"]]
    {
        let said = home.pawl(&command);
        assert_eq!(said.code, Some(0), "{}", said.show());
    }
    home.write("pawl.yaml", "trusted_keys: { release: { file: release.key.pub } }\n");
    home
}

fn refused(home: &Home, part: &str) {
    for command in [["run", "says.yaml"], ["check", "says.yaml"]] {
        let said = home.pawl(&command);
        assert_eq!(said.code, Some(2), "{command:?}: {}", said.show());
        assert!(
            said.stderr.contains("plugin 'mine' (") && said.stderr.contains(part),
            "{part}: {}",
            said.show()
        );
    }
}

#[test]
fn a_private_key_is_for_its_owner_and_is_never_shown() {
    let home = Home::new();
    let made = home.pawl(&["plugin", "keygen", "release.key"]);
    assert_eq!(made.code, Some(0), "{}", made.show());
    let private = fs::read_to_string(home.path("release.key")).unwrap();
    let private = private.trim().strip_prefix("ed25519-private:").unwrap();
    assert_eq!(fs::metadata(home.path("release.key")).unwrap().permissions().mode() & 0o777, 0o600);
    let public = fs::read_to_string(home.path("release.key.pub")).unwrap();
    assert_eq!(made.stdout, public);
    let again = home.pawl(&["plugin", "keygen", "release.key"]);
    assert_eq!(again.code, Some(2), "{}", again.show());
    home.component("echo", "mine.wasm");
    fs::set_permissions(home.path("release.key"), fs::Permissions::from_mode(0o644)).unwrap();
    let open = home.pawl(&["plugin", "sign", "mine.wasm", "--key", "release.key"]);
    assert!(open.code == Some(2) && open.stderr.contains("others can read it"), "{}", open.show());
    assert!(!home.path("mine.wasm.sig").exists());
    for said in [made, again, open] {
        assert!(!said.show().contains(private), "{}", said.show());
    }
}

#[test]
fn only_what_a_trusted_key_has_signed_is_used() {
    let home = signed();
    let public = fs::read_to_string(home.path("release.key.pub")).unwrap();
    let said = home.pawl(&["plugin", "verify", "mine.wasm"]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    assert!(
        said.stdout.contains("trusts as 'release'") && said.stdout.contains(public.trim()),
        "{}",
        said.show()
    );
    assert_eq!(home.pawl(&["check", "says.yaml"]).code, Some(0));
    let state = |name: &str| home.json(&["plugin", "inspect", name])["signature"]["state"].clone();
    assert_eq!((state("mine.wasm"), state("echo")), ("trusted".into(), "shipped".into()));

    let (signature, component) = (home.path("mine.wasm.sig"), home.path("mine.wasm"));
    let (good, whole) = (fs::read(&signature).unwrap(), fs::read(&component).unwrap());
    fs::write(&component, touched(&whole)).unwrap();
    refused(&home, "it is not what was signed");
    let said = home.pawl(&["plugin", "verify", "mine.wasm"]);
    assert!(said.code == Some(1) && said.stderr.contains("not what was signed"), "{}", said.show());
    fs::write(&component, &whole).unwrap();

    let manifest = fs::read_to_string(home.path("mine.toml")).unwrap();
    home.write("mine.toml", &manifest.replace("0.1.0", "0.1.1"));
    refused(&home, "its plugin.toml is not what was signed");
    home.write("mine.toml", &manifest);

    // Another version in the signature than was signed.
    let text = String::from_utf8(good.clone()).unwrap();
    fs::write(&signature, text.replace("0.1.0", "0.1.1")).unwrap();
    refused(&home, "does not hold");
    fs::write(&signature, "{}").unwrap();
    refused(&home, "cannot be read");
    fs::write(&signature, " ".repeat(20_000)).unwrap();
    refused_unreadable(&home);
    fs::remove_file(&signature).unwrap();
    refused(&home, "it is not signed");
    let said = home.pawl(&["plugin", "verify", "mine.wasm"]);
    assert!(said.code == Some(1) && said.stderr.contains("is not signed"), "{}", said.show());

    // Somebody else, whose signature holds.
    assert_eq!(home.pawl(&["plugin", "keygen", "other.key"]).code, Some(0));
    assert_eq!(home.pawl(&["plugin", "sign", "mine.wasm", "--key", "other.key"]).code, Some(0));
    refused(&home, "which is not among the `trusted_keys`");
    assert_eq!(home.pawl(&["plugin", "verify", "mine.wasm"]).code, Some(1));
    assert_eq!(state("mine.wasm"), "untrusted");
    fs::write(&signature, good).unwrap();
    assert_eq!(home.pawl(&["check", "says.yaml"]).code, Some(0));
}

/// A file that is too long to be a signature is not read at all.
fn refused_unreadable(home: &Home) {
    let said = home.pawl(&["check", "says.yaml"]);
    assert!(said.code == Some(2) && said.stderr.contains("longer than 16384 bytes"), "{}", said.show());
}

#[test]
fn a_run_keeps_what_was_trusted_when_it_started() {
    let home = signed();
    let said = home.pawl(&["run", "says.yaml", "--no-interactive"]);
    assert_eq!(said.code, Some(3), "{}", said.show());
    fs::remove_file(home.path("mine.wasm.sig")).unwrap();
    fs::remove_file(home.path("mine.wasm")).unwrap();
    let said = home.pawl(&["approve", &home.approval()]);
    assert_eq!(said.code, Some(0), "{}", said.show());
}

#[test]
fn the_plugin_folder_takes_what_is_trusted_with_its_signature() {
    let home = signed();
    let said = home.pawl(&["plugin", "add", "mine.wasm"]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    assert!(home.path("data/plugins/echo.wasm.sig").exists());
    home.write(
        "says.yaml",
        &WORKFLOW.replace("plugins: { mine: ./mine.wasm }\n", "").replace("mine.say", "echo.say"),
    );
    assert_eq!(home.pawl(&["check", "says.yaml"]).code, Some(0));
    fs::remove_file(home.path("mine.wasm.sig")).unwrap();
    let said = home.pawl(&["plugin", "add", "mine.wasm"]);
    assert!(said.code == Some(2) && said.stderr.contains("it is not signed"), "{}", said.show());
    fs::remove_file(home.path("data/plugins/echo.wasm.sig")).unwrap();
    let said = home.pawl(&["check", "says.yaml"]);
    assert!(said.code == Some(2) && said.stderr.contains("it is not signed"), "{}", said.show());
    let listed = home.pawl(&["plugin", "list"]);
    assert!(listed.code == Some(1) && listed.stdout.contains("refused"), "{}", listed.show());
    // Without trusted keys nobody asks for signatures.
    home.write("pawl.yaml", "trusted_keys: {}\n");
    assert_eq!(home.pawl(&["check", "says.yaml"]).code, Some(0));
}

#[test]
fn a_trusted_key_that_cannot_be_read_lets_nothing_pass() {
    let home = signed();
    for (file, part) in [("none.pub", "No such file"), ("mine.toml", "a public key is")] {
        home.write("pawl.yaml", &format!("trusted_keys: {{ release: {{ file: {file} }} }}\n"));
        let said = home.pawl(&["check", "says.yaml"]);
        assert!(said.code == Some(2) && said.stderr.contains("trusted key 'release'"), "{}", said.show());
        assert!(said.stderr.contains(part), "{}", said.show());
    }
}
