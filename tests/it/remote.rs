//! `pawl --server URL`: what the command line does on a folder it does on a server, with the same to show for it; what
//! it cannot do there it says, with what to do instead.

use anyhow::{Context as _, Result};
use pawl_tests::{Outcome, Pawl, Serving, workflow};
use serde_json::{Value, json};

/// A server on a folder of its own, and a command line elsewhere.
struct Far {
    near: Pawl,
    away: Pawl,
    url: String,
    _server: Serving,
}

impl Far {
    fn new() -> Result<Self> {
        Self::of(Pawl::new()?)
    }

    /// The server of a folder.
    fn of(near: Pawl) -> Result<Self> {
        let server = Serving::start(near.command(&[])?)?;
        let url = format!("http://{}", server.address);
        Ok(Self { near, away: Pawl::new()?, url, _server: server })
    }

    fn at(&self, words: &[&str]) -> Result<Outcome> {
        self.away.run(&[&["--server", &self.url], words].concat())
    }

    /// The document of a command that ends with a code.
    #[track_caller]
    fn json(&self, code: i32, words: &[&str]) -> Result<Value> {
        let ran = self.at(&[words, &["--json"]].concat())?;
        assert_eq!(ran.code(), code, "{words:?}: {ran:?}");
        ran.json()
    }

    fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.away.folder().join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_str().context("a path")?.to_owned())
    }
}

fn id(run: &Value) -> Result<String> {
    Ok(run["id"].as_str().context("an id")?.to_owned())
}

const ASKS: &str = "\
pawl: 1
workflow: order
version: 1.0.0
inputs: { who: string, n: { type: number, default: 1 } }
steps:
  - { id: name, set: \"${{ inputs.who }}\" }
  - id: ask
    human: { title: Send it?, to: [group:desk], actions: [yes, no], form: { note: { type: string, default: none } } }
  - { id: send, set: \"sent to ${{ steps.name.output }}\" }
outputs: { said: \"${{ steps.send.output }}\", n: \"${{ inputs.n }}\" }
";

fn second() -> String {
    ASKS.replace("1.0.0", "1.1.0").replace("sent to", "posted to")
}

#[test]
fn runs_are_made_of_others_on_a_server() -> Result<()> {
    let far = Far::new()?;
    let file = far.file("order.yaml", ASKS)?;
    let run = id(&far.json(3, &["run", &file, "--input", "who=7", "--no-interactive"])?)?;
    // Settings are read as the schema wants them: a name that looks like a number stays a name.
    let again =
        far.json(3, &["rerun", &run, "--set", "inputs.who=8", "--set", "inputs.n=5", "--no-interactive"])?;
    let started = &far.json(0, &["events", &id(&again)?])?[0]["data"];
    assert_eq!(
        (&started["inputs"]["inline"]["who"], &started["inputs"]["inline"]["n"]),
        (&json!("8"), &json!(5)),
        "{started}"
    );
    assert_eq!(
        far.near.run(&["show", &id(&again)?, "--json"])?.json()?["ancestor"]["rerun"]["run"],
        run.as_str()
    );
    let newer = far.file("newer.yaml", &second())?;
    let latest = far.json(3, &["rerun", &run, "--latest", &newer, "--no-interactive"])?;
    assert_eq!(latest["version"], "1.1.0");
    let other = far.file("other.yaml", &ASKS.replace("workflow: order", "workflow: offer"))?;
    let refused = far.at(&["rerun", &run, "--latest", &other])?;
    assert!(refused.code() == 2 && refused.stderr.contains("is the workflow 'offer'"), "{refused:?}");
    let locked = far.at(&["rerun", &run, "--latest", &newer, "--locked"])?;
    assert!(locked.code() == 2 && locked.stderr.contains("pawl workflow register --locked"), "{locked:?}");

    let events = far.json(0, &["events", &run])?;
    let all = events.as_array().context("events")?;
    let named = all.iter().find(|event| event["event"] == "step-completed").context("a step")?;
    let at = named["seq"].to_string();
    let fork = ["fork", &run, "--at", &at, "--set", "steps.name.output=Bob", "--no-interactive"];
    let forked = id(&far.json(3, &fork)?)?;
    let asked = far.json(0, &["approvals", "--run", &forked])?;
    let approval = asked[0]["id"].as_str().context("an approval")?.to_owned();
    let done = far.json(0, &["answer", &approval, "yes", "--no-interactive"])?;
    assert_eq!(done["outputs"], json!({ "said": "sent to Bob", "n": 1 }));
    let rehearsed = id(&far.json(3, &["fork", &run, "--at", &at, "--dry", "--no-interactive"])?)?;
    let marked = far.json(0, &["events", &rehearsed])?.to_string();
    assert!(marked.contains("\"dry\":true"), "{marked}");
    let unknown = far.at(&["fork", &run, "--at", &at, "--with", "model=nobody"])?;
    assert!(unknown.code() != 0 && unknown.stderr.contains("no model 'nobody'"), "{unknown:?}");
    let file = far.at(&["fork", &run, "--at", &at, "--with", "agent=a=/x/a.wasm"])?;
    assert!(file.code() == 2 && file.stderr.contains("plugin folder"), "{file:?}");
    let drawn = far.json(0, &["graph", &run])?;
    assert!(drawn["graph"].as_str().context("a graph")?.contains("ask"), "{drawn}");
    assert!(!far.away.data().exists(), "nothing of it is in the folder here");
    Ok(())
}

#[test]
fn approvals_are_held_passed_on_and_talked_about_on_a_server() -> Result<()> {
    let far = Far::new()?;
    let file = far.file("order.yaml", ASKS)?;
    let run = id(&far.json(3, &["run", &file, "--input", "who=Ada", "--no-interactive"])?)?;
    let approval = far.json(0, &["approvals"])?[0]["id"].as_str().context("an approval")?.to_owned();
    let listed = |words: &[&str]| -> Result<usize> {
        Ok(far.json(0, &[&["approvals"], words].concat())?.as_array().context("a list")?.len())
    };
    assert_eq!((listed(&["--claimed"])?, listed(&["--unclaimed"])?), (0, 1));
    let claimed = far.json(0, &["approvals", "claim", &approval])?;
    assert_eq!(claimed["claimed_by"], "user:operator");
    assert_eq!((listed(&["--claimed"])?, listed(&["--unclaimed"])?), (1, 0));
    assert_eq!((listed(&["--for", "group:desk"])?, listed(&["--for", "user:fay"])?), (1, 0));
    assert_eq!(far.json(0, &["approvals", "release", &approval])?["claimed_by"], Value::Null);
    let passed = ["approvals", "delegate", &approval, "--to", "user:fay", "--comment", "I am away"];
    assert_eq!(far.json(0, &passed)?["delegations"][0]["to"], json!(["user:fay"]));
    assert_eq!(listed(&["--for", "user:fay"])?, 1);
    assert_eq!(far.json(0, &["approvals", "comment", &approval, "who is it?"])?["comments"], 1);
    let nobody = far.at(&["approvals", "delegate", &approval, "--to", "fay"])?;
    assert_eq!(nobody.code(), 1 + 1, "{nobody:?}");
    let other = far.at(&["approvals", "claim", &approval, "--as", "user:fay"])?;
    assert!(other.code() == 2 && other.stderr.contains("token"), "{other:?}");
    let show = ["approvals", "show", &approval];
    assert_eq!(far.json(0, &show)?, far.near.run(&[&show[..], &["--json"]].concat())?.json()?);
    assert_eq!(far.json(0, &["answer", &approval, "yes", "--no-interactive"])?["id"], run.as_str());
    let shown = far.json(0, &show)?;
    assert_eq!(shown["open"], false);
    assert_eq!(shown["events"].as_array().context("events")?.len(), 6, "{shown}");
    let none = far.at(&["approvals", "show", "00000000000000000000000000"])?;
    assert!(none.code() == 2 && none.stderr.contains("there is no approval"), "{none:?}");
    Ok(())
}

#[test]
fn workflows_are_registered_and_runs_moved_on_a_server() -> Result<()> {
    let far = Far::new()?;
    let (one, two) = (far.file("one.yaml", ASKS)?, far.file("two.yaml", &second())?);
    let registered = far.json(0, &["workflow", "register", &one, "--activate"])?;
    assert_eq!(
        (&registered["new"], &registered["active"], &registered["file"]),
        (&json!(true), &json!(true), &json!("one.yaml"))
    );
    assert_eq!(far.json(0, &["workflow", "register", &one])?["new"], false);
    let run = id(&far.json(3, &["run", "order", "--input", "who=Ada", "--no-interactive"])?)?;
    far.json(0, &["workflow", "register", &two])?;
    for words in [vec!["workflow", "list"], vec!["workflow", "show", "order"]] {
        let words = [words, vec!["--json"]].concat();
        assert_eq!(far.at(&words)?.json()?, far.near.run(&words)?.json()?, "{words:?}");
    }
    let activated = far.json(0, &["workflow", "activate", "order", "1.1.0"])?;
    assert_eq!(activated["active"]["before"], "1.0.0");
    let check = ["upgrade", "check", "order"];
    let checked = far.json(0, &check)?;
    assert_eq!(checked, far.near.run(&[&check[..], &["--json"]].concat())?.json()?);
    assert_eq!((&checked["can"], &checked["runs"][0]["run"]), (&json!(1), &json!(run)));
    let refused = far.file("refused.yaml", &second().replace("id: ask", "id: question"))?;
    let cannot = far.json(1, &["upgrade", "check", &refused, "--run", &run])?;
    assert_eq!(cannot["cannot"], 1, "{cannot}");
    let moved = far.json(0, &["upgrade", "apply", "order", "--all", "--reason", "by post now"])?;
    assert_eq!((&moved["moved"], &moved["runs"][0]["moved"]), (&json!(1), &json!(true)), "{moved}");
    assert_eq!(far.json(0, &["show", &run])?["version"], "1.1.0");
    let locked = far.at(&["workflow", "register", &two, "--locked"])?;
    assert!(locked.code() == 2 && locked.stderr.contains("pawl.lock"), "{locked:?}");
    let nobody = far.at(&["workflow", "show", "nobody"])?;
    assert!(nobody.code() == 2 && nobody.stderr.contains("nobody"), "{nobody:?}");
    Ok(())
}

#[test]
fn events_are_published_here_and_there() -> Result<()> {
    let far = Far::new()?;
    let hears = far.file(
        "hears.yaml",
        "pawl: 1\nworkflow: hears\nversion: 1.0.0\nsteps:\n  - { id: one, wait: { topic: orders/paid } }\n  \
         - { id: two, wait: { topic: orders/paid } }\noutputs: { n: \"${{ steps.two.output.data.n }}\" }\n",
    )?;
    let run = id(&far.json(3, &["run", &hears, "--no-interactive"])?)?;
    for _ in 0..2 {
        // The same once more is no other.
        assert_eq!(far.at(&["publish", "orders/paid", "--data", "n=5", "--id", "a"])?.code(), 0);
    }
    assert_eq!(far.json(0, &["show", &run])?["waiting"]["step"], "two");
    // Over the socket of the folder as well, and by whoever has the folder alone.
    assert_eq!(far.near.run(&["publish", "orders/paid", "--data-json", "{\"n\": 6}"])?.code(), 0);
    let ended = far.at(&["events", &run, "-f"])?;
    assert!(ended.stdout.contains("run-completed"), "{ended:?}");
    assert_eq!(far.json(0, &["show", &run])?["outputs"], json!({ "n": 6 }));
    let wrong = far.at(&["publish", "orders/*"])?;
    assert!(wrong.code() == 2 && far.near.run(&["publish", "orders/*"])?.code() != 0, "{wrong:?}");
    let alone = Pawl::new()?;
    assert_eq!(alone.run(&["run", &hears, "--no-interactive"])?.code(), 3);
    for id in ["a", "b"] {
        assert_eq!(alone.run(&["publish", "orders/paid", "--data", "n=1", "--id", id])?.code(), 0);
    }
    assert_eq!(alone.run(&["runs", "--json"])?.json()?[0]["status"], "completed");
    Ok(())
}

#[test]
fn plugins_of_a_server_are_looked_at_and_what_is_not_done_there_says_what_is() -> Result<()> {
    let near = Pawl::new()?;
    // A server that was never used compiles all that offer the same before it answers, which takes this build long.
    assert_eq!(near.run(&["plugin", "list", "--match", "capability=say"])?.code(), 0);
    let far = Far::of(near)?;
    let listed = far.json(0, &["plugin", "list"])?;
    let names: Vec<_> = listed.as_array().context("a list")?.iter().map(|one| one["name"].clone()).collect();
    assert!(names.contains(&json!("echo")), "{names:?}");
    let shown = far.at(&["plugin", "inspect", "echo"])?;
    assert!(shown.code() == 0 && shown.stdout.contains("tool echo.say"), "{shown:?}");
    assert_eq!(far.json(0, &["plugin", "inspect", "echo"])?["kind"], "tool");
    let none = far.at(&["plugin", "inspect", "nobody"])?;
    assert!(none.code() == 2 && none.stderr.contains("nobody"), "{none:?}");
    let cases: [(&[&str], &str); 12] = [
        (&["store", "compact"], "without --server"),
        (&["store", "backup", "x"], "without --server"),
        (&["verify"], "without --server"),
        (&["replay", "0000"], "hint"),
        (&["doctor"], "readyz"),
        (&["serve"], "leave out --server"),
        (&["resume"], "pawl resume RUN"),
        (&["memory", "list"], "pawl memory"),
        (&["token", "list"], "/v1/tokens"),
        (&["plugin", "accept"], "without --server"),
        (&["plugin", "add", "x.wasm"], "plugin folder"),
        (&["plugin", "list", "--match", "capability=x"], "--match"),
    ];
    for (words, hint) in cases {
        let ran = far.at(words)?;
        assert_eq!(ran.code(), 2, "{words:?}: {ran:?}");
        assert!(hint == "hint" || ran.stderr.contains(hint), "{words:?}: {ran:?}");
    }
    let file = workflow("hello.yaml");
    let file = file.to_str().context("a path")?;
    for words in [vec!["run", file, "--locked"], vec!["run", file, "--allow-http", "a.example"]] {
        let ran = far.at(&words)?;
        assert!(ran.code() == 2 && ran.stderr.contains("--server"), "{words:?}: {ran:?}");
    }
    assert!(!far.away.data().exists(), "no folder is made by what is refused");
    // What needs no folder works as ever.
    assert_eq!(far.at(&["check", file])?.code(), 0);
    Ok(())
}
