//! `pawl lock`, and what `--locked` refuses.

use std::fs;
use std::path::PathBuf;

use pawl_core::Digest;
use serde_json::json;

use crate::home::Home;

const WORKFLOW: &str = "\
pawl: 1
workflow: says
version: 1.0.0
plugins: { mine: ./parts/mine.wasm }
steps:
  - { id: own, tool: mine.say, with: { text: hello } }
  - { id: shipped, tool: echo.say, with: { text: hello } }
";

/// A component that ships with pawl, and its manifest.
pub(crate) fn shipped(name: &str) -> PathBuf {
    PathBuf::from(format!("{}/../../plugins/dist/{name}", env!("CARGO_MANIFEST_DIR")))
}

/// The same component with a section more that means nothing: another digest, and nothing else that is new.
pub(crate) fn touched(component: &[u8]) -> Vec<u8> {
    // A custom section of three bytes, named `x`.
    [component, &[0, 3, 1, b'x', 0]].concat()
}

impl Home {
    /// Puts a component that ships with pawl, and its manifest, beside the data folder.
    pub(crate) fn component(&self, from: &str, to: &str) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(shipped(&format!("{from}.toml")), to.with_extension("toml")).unwrap();
        fs::copy(shipped(&format!("{from}.wasm")), to).unwrap();
    }

    pub(crate) fn digest(&self, file: &str) -> String {
        Digest::of(&fs::read(self.path(file)).unwrap()).to_string()
    }
}

#[test]
fn a_lock_has_every_plugin_and_stays_as_it_is_while_they_do() {
    let home = Home::new();
    home.component("echo", "parts/mine.wasm");
    home.write("says.yaml", WORKFLOW);
    // Neither a test nor the operator's file is a workflow.
    home.write("says.test.yaml", "tests: []\n");
    home.write("pawl.yaml", "models: {}\n");
    let digest = home.digest("parts/mine.wasm");
    let made = home.json(&["lock"]);
    let plugin =
        |name: &str, origin: &str| json!({ "name": name, "origin": origin, "digest": digest, "needs": [] });
    assert_eq!(made[0]["plugins"], json!([plugin("echo", "shipped"), plugin("mine", "./parts/mine.wasm")]));
    assert_eq!(made[0]["changes"].as_array().unwrap().len(), 2);
    let text = fs::read_to_string(home.path("pawl.lock")).unwrap();
    assert!(
        text.contains(&format!("origin = \"./parts/mine.wasm\"\ndigest = \"sha256:{digest}\"")),
        "{text}"
    );
    // From the outside it is the same lock.
    let again = home.json(&["lock", "./says.yaml"]);
    assert_eq!((&again[0]["plugins"], &again[0]["changes"]), (&made[0]["plugins"], &json!([])));
    assert_eq!(fs::read_to_string(home.path("pawl.lock")).unwrap(), text);
    for command in [["check", "--locked", "says.yaml"], ["run", "--locked", "says.yaml"]] {
        let said = home.pawl(&command);
        assert_eq!(said.code, Some(0), "{}", said.show());
    }
    assert!(home.pawl(&["plugin", "inspect", "echo"]).stdout.contains("lock    as in pawl.lock"));
}

#[test]
fn locked_refuses_what_is_another_or_not_in_the_lock() {
    let home = Home::new();
    home.component("echo", "parts/mine.wasm");
    home.write("says.yaml", WORKFLOW);
    home.write("says.test.yaml", "tests:\n  - { name: it runs, expect: { status: completed } }\n");
    let commands = [
        vec!["run", "--locked", "says.yaml"],
        vec!["check", "--locked", "says.yaml", "says.test.yaml"],
        vec!["test", "--locked", "says.test.yaml"],
    ];
    let refused = |parts: &[&str]| {
        for command in &commands {
            let said = home.pawl(command);
            assert_eq!(said.code, Some(2), "{command:?}: {}", said.show());
            for part in parts {
                assert!(said.show().contains(part), "{command:?}, {part}: {}", said.show());
            }
        }
    };
    refused(&["there is no", "pawl.lock", "make it with `pawl lock`"]);
    home.write("pawl.lock", "version = 1\n[[plugin]]\nname = what\n");
    refused(&["pawl.lock, line 3", "make it anew"]);
    home.write("pawl.lock", "version = 1\n");
    refused(&["is not in", "run `pawl lock`"]);
    fs::remove_file(home.path("pawl.lock")).unwrap();
    assert_eq!(home.pawl(&["lock", "says.yaml"]).code, Some(0));
    let said = home.pawl(&["test", "--locked"]);
    assert_eq!(said.code, Some(0), "{}", said.show());
    let old = home.digest("parts/mine.wasm");
    let component = touched(&fs::read(home.path("parts/mine.wasm")).unwrap());
    fs::write(home.path("parts/mine.wasm"), component).unwrap();
    refused(&["plugin 'mine' is not the one in", &old, &home.digest("parts/mine.wasm"), "run `pawl lock`"]);
    // Without it, the lock is no wall; and it is made anew when somebody wants that.
    let run = home.json(&["run", "says.yaml"])["id"].as_str().unwrap().to_owned();
    let again = ["rerun", &run, "--latest", "says.yaml"];
    assert_eq!(home.pawl(&again).code, Some(0));
    let said = home.pawl(&[&again[..], &["--locked"]].concat());
    assert!(
        said.code == Some(2) && said.show().contains("plugin 'mine' is not the one in"),
        "{}",
        said.show()
    );
    assert!(
        home.pawl(&["plugin", "inspect", "parts/mine.wasm"]).stdout.contains(&format!("which has {old}"))
    );
    assert_eq!(home.pawl(&["lock"]).code, Some(0));
    assert_eq!(home.pawl(&["run", "--locked", "says.yaml"]).code, Some(0));
    // Another in the plugin folder comes before the one that ships with pawl, and is not what was locked.
    home.component("echo", "data/plugins/echo.wasm");
    let component = touched(&fs::read(home.path("data/plugins/echo.wasm")).unwrap());
    fs::write(home.path("data/plugins/echo.wasm"), component).unwrap();
    let said = home.pawl(&["run", "--locked", "says.yaml"]);
    assert!(said.stderr.contains("plugin 'echo'") && said.stderr.contains("(folder)"), "{}", said.show());
}

#[test]
fn the_workflows_that_one_starts_are_under_its_lock() {
    let home = Home::new();
    home.component("echo", "child/parts/mine.wasm");
    fs::create_dir_all(home.path("top")).unwrap();
    fs::write(home.path("child/says.yaml"), WORKFLOW).unwrap();
    let top = "pawl: 1\nworkflow: top\nversion: 1.0.0\nworkflows: { says: ../child/says.yaml }\nsteps:\n  - { id: a, workflow: says }\n";
    fs::write(home.path("top/top.yaml"), top).unwrap();
    let made = home.json(&["lock", "top/top.yaml"]);
    assert_eq!(made[0]["plugins"][1]["origin"], "../child/parts/mine.wasm", "{made}");
    assert_eq!(home.pawl(&["run", "--locked", "top/top.yaml"]).code, Some(0));
    let component = touched(&fs::read(home.path("child/parts/mine.wasm")).unwrap());
    fs::write(home.path("child/parts/mine.wasm"), component).unwrap();
    let said = home.pawl(&["run", "--locked", "top/top.yaml"]);
    assert!(said.stderr.contains("../child/parts/mine.wasm"), "{}", said.show());
    assert_eq!(said.code, Some(2));
}

#[test]
fn a_tag_alone_is_refused() {
    let home = Home::new();
    // Nothing listens there, and that is told apart.
    let tag = "oci://127.0.0.1:9/team/echo:1.0.0";
    home.write("says.yaml", &WORKFLOW.replace("./parts/mine.wasm", &format!("\"{tag}\"")));
    for command in [vec!["run", "says.yaml"], vec!["check", "says.yaml"]] {
        let said = home.pawl(&command);
        assert_eq!(said.code, Some(2), "{}", said.show());
        assert!(said.stderr.contains(&format!("{tag} names no digest")), "{}", said.show());
        assert!(said.stderr.contains("run `pawl lock`"), "{}", said.show());
    }
    let digest = "0".repeat(64);
    home.write("says.yaml", &WORKFLOW.replace("./parts/mine.wasm", &format!("\"{tag}@sha256:{digest}\"")));
    let said = home.pawl(&["run", "says.yaml"]);
    assert!(said.code == Some(1) && said.stderr.contains("cannot be asked"), "{}", said.show());
    home.write("says.yaml", &WORKFLOW.replace("./parts/mine.wasm", "\"oci://127.0.0.1:9/team/echo\""));
    let said = home.pawl(&["check", "says.yaml"]);
    assert!(said.code == Some(2) && said.stderr.contains("neither a tag nor a digest"), "{}", said.show());
    assert!(said.stderr.contains("P0205"), "{}", said.show());
}

#[test]
fn what_needs_more_than_before_is_held_until_it_is_accepted() {
    let home = Home::new();
    home.component("echo", "parts/mine.wasm");
    home.write("says.yaml", WORKFLOW);
    assert_eq!(home.pawl(&["lock"]).code, Some(0));
    let text = fs::read_to_string(home.path("pawl.lock")).unwrap();
    home.component("http", "parts/mine.wasm");
    let with = "tool: mine.get, with: { url: \"http://localhost/\" }, permissions: { http: [localhost] } }";
    home.write("says.yaml", &WORKFLOW.replace("tool: mine.say, with: { text: hello } }", with));
    let said = home.pawl(&["lock"]);
    assert_eq!(said.code, Some(1), "{}", said.show());
    assert!(said.stderr.contains("plugin 'mine'") && said.stderr.contains("http"), "{}", said.show());
    assert!(said.stderr.contains("pawl lock --accept"), "{}", said.show());
    assert_eq!(fs::read_to_string(home.path("pawl.lock")).unwrap(), text, "nothing is changed");
    let made = home.json(&["lock", "--accept"]);
    assert!(!made[0]["plugins"][1]["needs"].as_array().unwrap().is_empty(), "{made}");
    // What needs no more than that is only another.
    home.component("echo", "parts/mine.wasm");
    home.write("says.yaml", WORKFLOW);
    assert_eq!(home.pawl(&["lock"]).code, Some(0));
}

#[test]
fn locked_refuses_steps_whose_plugin_is_chosen_when_they_are_reached() {
    let home = Home::new();
    let routed = "pawl: 1\nworkflow: finds\nversion: 1.0.0\nsteps:\n  - { id: named, set: 1 }\n  \
                  - { id: found, tool: { match: { capability: lookup, labels: { domain: shop } } }, with: { id: A-1001 } }\n";
    home.write("finds.yaml", routed);
    home.write("finds.test.yaml", "tests:\n  - { name: it runs, expect: { status: completed } }\n");
    let top = "pawl: 1\nworkflow: top\nversion: 1.0.0\nworkflows: { finds: finds.yaml }\nsteps:\n  - { id: a, workflow: finds }\n";
    home.write("top.yaml", top);
    home.write("pawl.lock", "version = 1\n");
    for command in [
        ["run", "--locked", "finds.yaml"],
        ["check", "--locked", "finds.yaml"],
        ["test", "--locked", "finds.test.yaml"],
        ["run", "--locked", "top.yaml"],
    ] {
        let said = home.pawl(&command);
        assert_eq!(said.code, Some(2), "{command:?}: {}", said.show());
        for part in ["finds.yaml' leaves it to routes who does step 'found',", "name the plugins there"] {
            assert!(said.show().contains(part), "{command:?}, {part}: {}", said.show());
        }
    }
}
