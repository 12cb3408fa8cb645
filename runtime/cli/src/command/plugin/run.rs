//! `pawl plugin run`: one call of a tool, or one run of an agent, by hand.
//!
//! It is a run of a workflow with one step, in memory: the same sandbox, checks, grants and journal
//! as any other, and nothing of it is kept.

use std::collections::VecDeque;
use std::io::Read as _;

use clap::Args;
use pawl_core::definition::Schema;
use pawl_core::diagnostic::among;
use pawl_core::plugin::{Description, Hosts, PluginOrigin, split_tool};
use pawl_core::view::{OpenApproval, RunHeader, Status, Waiting};
use pawl_engine::{Engine, PluginEntry};
use serde_json::{Map, Value, json};

use super::find;
use crate::actor;
use crate::args::DataArgs;
use crate::ask::{self, Asked};
use crate::backend::{Opened, Request};
use crate::drive::to_rest;
use crate::exit::Exit;
use crate::fault::{Fault, FaultKind};
use crate::output::{Output, pretty};
use crate::place::Place;
use crate::progress::Progress;
use crate::session::Session;
use crate::stop::Stop;
use crate::summary::one_line;
use crate::values;

/// The step's id, and the name of the plugin where its file's name cannot be one.
const STEP: &str = "call";
/// What to do when something is denied.
const GRANT: &str = "grant tools with --allow-tool, hosts with --allow-http, models with --allow-model";

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// The name of a plugin, or the file of a component
    plugin: String,
    /// The tool to call; a plugin with one tool needs no name
    #[arg(long, value_name = "TOOL")]
    call: Option<String>,
    /// The tool's arguments or the agent's input: a JSON object, @FILE, or - for stdin
    #[arg(long, visible_alias = "input", value_name = "JSON", default_value = "{}")]
    with: String,
    /// A host that the tool may send requests to, with any method or with these alone; may be repeated
    #[arg(long, visible_alias = "allow-host", value_name = "HOST[=METHOD,…]")]
    allow_http: Vec<Hosts>,
    /// A secret of pawl.yaml that the tool may send; may be repeated
    #[arg(long, value_name = "SECRET")]
    allow_secret: Vec<String>,
    /// A tool that the agent may call, `orders.lookup` or `orders.*`; may be repeated
    #[arg(long, value_name = "TOOL")]
    allow_tool: Vec<String>,
    /// A model that the agent may ask, by its name in pawl.yaml; may be repeated
    #[arg(long, value_name = "MODEL")]
    allow_model: Vec<String>,
    /// Answer the agent's next question with this action, and its form with the JSON object behind it:
    /// --answer 'approve {"note": "ok"}'; may be repeated
    #[arg(long, value_name = "ACTION [JSON]")]
    answer: Vec<String>,
    /// Never ask on the terminal
    #[arg(long)]
    no_interactive: bool,
    #[command(flatten)]
    pub(super) data: DataArgs,
}

pub(super) async fn run(args: RunArgs, place: Place, out: Output, stop: Stop) -> Result<Exit, Fault> {
    let with = read(&args.with)?;
    let answers = args.answer.iter().map(|text| answer(text)).collect::<Result<_, _>>()?;
    let mut session = Session::in_memory(place, out, stop).await?;
    let called = start_and_drive(&mut session, &args, with, answers).await;
    session.end(called).await
}

/// The object that `--with` gives.
fn read(given: &str) -> Result<Map<String, Value>, Fault> {
    let unreadable = |what: &str, error: std::io::Error| {
        Fault::usage(format!("cannot read {what}: {error}")).hint("give JSON, @FILE, or - for stdin")
    };
    let text = match given.strip_prefix('@') {
        Some(path) => std::fs::read_to_string(path).map_err(|error| unreadable(path, error))?,
        None if given == "-" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).map_err(|error| unreadable("stdin", error))?;
            text
        }
        None => given.to_owned(),
    };
    values::read_object("--with", &text)
}

async fn start_and_drive(
    session: &mut Session,
    args: &RunArgs,
    with: Map<String, Value>,
    mut answers: VecDeque<Answer>,
) -> Result<Exit, Fault> {
    let engine = session.backend.engine()?.clone();
    let entry = find::find(&engine, &args.plugin).await?;
    let description = engine.describe_plugin(&entry).await?.description;
    let target = target(args, &entry, &description)?;
    let with = Value::Object(with);
    fits(&target, &with)?;
    grants(&engine, args).await?;
    let base = std::env::current_dir()
        .map_err(|error| Fault::usage(format!("cannot find the current folder: {error}")))?;
    let start = Request::Start {
        file: format!("(a call of {})", target.name),
        text: pretty(&workflow(args, &entry, &target, &with)),
        base,
        inputs: json!({ "with": with }),
        allow_http: args.allow_http.iter().cloned().collect(),
        by: actor::operator(),
        locked: false,
    };
    let Opened { run, .. } = session.backend.start(start).await.map_err(by_hand)?;
    session.out.note(&format!("run {run}  {}", target.name));
    let mut stop = session.stop.clone();
    tokio::select! {
        biased;
        exit = stop.wait() => {
            ask::give_back_terminal();
            session.out.stopped(exit);
            Ok(exit)
        }
        ended = drive(session, run, &mut answers, !args.no_interactive) => ended,
    }
}

/// An answer to a question that is still to come.
struct Answer {
    action: String,
    form: Map<String, Value>,
}

/// `ACTION`, or `ACTION JSON`.
fn answer(text: &str) -> Result<Answer, Fault> {
    let (action, form) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let form =
        if form.trim().is_empty() { Map::new() } else { values::read_object("the form of --answer", form)? };
    Ok(Answer { action: action.to_owned(), form })
}

/// Whether there are the tools that are granted: a slip is told where it was written, not in a workflow that
/// nobody has seen.
async fn grants(engine: &Engine, args: &RunArgs) -> Result<(), Fault> {
    let entries = engine.plugins().await?;
    for granted in &args.allow_tool {
        let (plugin, tool) = split_tool(granted).unwrap_or((granted, ""));
        let Some(entry) = entries.iter().find(|entry| entry.name == plugin) else {
            return Err(Fault::usage(format!("--allow-tool {granted}: there is no plugin '{plugin}'"))
                .hint(find::others(plugin, &entries, "plugins are")));
        };
        let Description::Tools(tools) = engine.describe_plugin(entry).await?.description else {
            return Err(Fault::usage(format!(
                "--allow-tool {granted}: '{plugin}' is an agent, and has no tools"
            ))
            .hint("name a tool, such as orders.lookup"));
        };
        if tool != "*" && !tools.iter().any(|known| known.name == tool) {
            let names = tools.iter().map(|known| known.name.as_str());
            let hint = among(tool, "its tools are", names).unwrap_or_default();
            return Err(Fault::usage(format!("--allow-tool {granted}: '{plugin}' has no tool '{tool}'"))
                .hint(format!("{hint}; {plugin}.* grants all of them").trim_start_matches("; ")));
        }
    }
    Ok(())
}

/// What a step would be denied is granted on the command line here.
fn by_hand(fault: Fault) -> Fault {
    let is_denied = fault.details.as_ref().is_some_and(|details| details.get("denied").is_some());
    if is_denied { fault.hint(GRANT) } else { fault }
}

/// What is called.
struct Target<'a> {
    /// As a workflow names it: `orders.lookup`, `planner`.
    name: String,
    plugin: String,
    tool: Option<&'a str>,
    input_schema: &'a Value,
}

fn target<'a>(
    args: &'a RunArgs,
    entry: &PluginEntry,
    description: &'a Description,
) -> Result<Target<'a>, Fault> {
    let is_name = entry.name.starts_with(|c: char| c.is_ascii_alphabetic())
        && entry.name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    let is_name = is_name || matches!(entry.origin, PluginOrigin::Mcp(_));
    let plugin = if is_name { entry.name.clone() } else { STEP.to_owned() };
    match (description, &args.call) {
        (Description::Agent(_), Some(_)) => {
            Err(Fault::usage(format!("'{plugin}' is an agent, and has no tools"))
                .hint("leave --call out; --with is the agent's input"))
        }
        (Description::Agent(agent), None) => {
            Ok(Target { name: plugin.clone(), plugin, tool: None, input_schema: &agent.input_schema })
        }
        (Description::Tools(tools), call) => {
            let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
            let found = match call {
                Some(call) => tools.iter().find(|tool| tool.name == *call),
                None => tools.first().filter(|_| tools.len() == 1),
            };
            let Some(tool) = found else {
                let asked = call.as_ref().map_or_else(
                    || format!("'{plugin}' has several tools"),
                    |call| format!("'{plugin}' has no tool '{call}'"),
                );
                return Err(Fault::usage(asked).hint(format!("name one with --call: {}", names.join(", "))));
            };
            let name = format!("{plugin}.{}", tool.name);
            Ok(Target { name, plugin, tool: Some(&tool.name), input_schema: &tool.input_schema })
        }
    }
}

/// What does not fit is told before anything runs.
fn fits(target: &Target<'_>, with: &Value) -> Result<(), Fault> {
    let schema = Schema::new(target.input_schema.clone()).map_err(|error| {
        Fault::usage(format!("the input schema of {} cannot be used: {error}", target.name))
    })?;
    let problems = schema.problems(with);
    if problems.is_empty() {
        return Ok(());
    }
    Err(Fault::usage(format!("--with does not fit {}: {}", target.name, problems.join("; ")))
        .hint(format!("its schema is {}", target.input_schema)))
}

/// The workflow of one step. The arguments are its input: nothing in them is an expression.
fn workflow(args: &RunArgs, entry: &PluginEntry, target: &Target<'_>, with: &Value) -> Value {
    let keys = with.as_object().into_iter().flat_map(Map::keys);
    let with: Map<_, _> = keys
        .map(|key| (key.clone(), format!("${{{{ inputs.with[{}] }}}}", Value::from(key.as_str())).into()))
        .collect();
    let verb = if target.tool.is_some() { "tool" } else { "agent" };
    let http: Hosts = args.allow_http.iter().cloned().collect();
    let permissions = match target.tool {
        Some(_) => json!({ "http": http, "secrets": args.allow_secret }),
        None => json!({
            "tools": args.allow_tool, "http": http, "secrets": args.allow_secret, "models": args.allow_model,
            "human": true, "memory": true, "timers": true,
        }),
    };
    let plugins = match &entry.origin {
        PluginOrigin::Workflow(path) | PluginOrigin::Registry(path) => json!({ &target.plugin: path }),
        PluginOrigin::Operator(_)
        | PluginOrigin::Folder(_)
        | PluginOrigin::Shipped
        | PluginOrigin::Mcp(_) => json!({}),
    };
    json!({
        "pawl": 1, "workflow": STEP, "version": "1.0.0",
        "inputs": { "with": "object" },
        "plugins": plugins,
        "permissions": permissions,
        "steps": [{ "id": STEP, verb: target.name, "with": with }],
        "outputs": { "result": format!("${{{{ steps.{STEP}.output }}}}") },
    })
}

async fn drive(
    session: &mut Session,
    run: pawl_core::RunId,
    answers: &mut VecDeque<Answer>,
    interactive: bool,
) -> Result<Exit, Fault> {
    let mut progress = Progress::new(session.out, String::new(), 1).with_whole_log();
    loop {
        let header = to_rest(session, run, &mut progress).await?;
        let Some(Waiting::Approval { approval, .. }) = &header.waiting else {
            return ended(session.out, &header);
        };
        let Some(open) = session.backend.approval(approval).await? else { continue };
        if let Some(Answer { action, form }) = answers.pop_front() {
            let (approval, by, data) = (open.id.clone(), actor::operator(), Value::Object(form));
            let request = Request::Answer { approval, action: action.clone(), data, by, comment: None };
            let answered = session.backend.answer(request).await;
            answered.map_err(|fault| with_form(fault, &open, &action))?;
        } else if interactive && session.out.can_ask() {
            match ask::answer(session, &open).await? {
                Asked::Answered => {}
                Asked::Later => return Err(unanswered(&open)),
                Asked::Interrupted => return Ok(Exit::INTERRUPTED),
            }
        } else {
            return Err(unanswered(&open));
        }
    }
}

fn unanswered(open: &OpenApproval) -> Fault {
    let (title, actions) = (one_line(&open.title), open.actions.join(", "));
    let form = open.actions.first().filter(|_| open.form.is_some()).map(|action| {
        let fields = example(open);
        format!("; its form goes behind it: --answer '{action} {fields}'")
    });
    let form = form.unwrap_or_default();
    Fault::failed(format!("it asks \"{title}\", and has no answer")).hint(format!(
        "run it on a terminal, or give an --answer for each question, here one of: {actions}{form}"
    ))
}

/// What was answered does not fit, and this is how it would.
fn with_form(fault: Fault, open: &OpenApproval, action: &str) -> Fault {
    if fault.kind != FaultKind::Failed || open.form.is_none() || !open.actions.iter().any(|at| at == action) {
        return fault;
    }
    fault.hint(format!("fill in the form behind the action: --answer '{action} {}'", example(open)))
}

/// The fields of a form, for people: `{"note": …}`.
fn example(open: &OpenApproval) -> String {
    let fields = open.form.as_ref().and_then(|form| form.get("properties")?.as_object());
    let names =
        fields.into_iter().flat_map(Map::keys).map(|name| format!("{}: …", Value::from(name.as_str())));
    format!("{{{}}}", names.collect::<Vec<_>>().join(", "))
}

fn ended(out: Output, header: &RunHeader) -> Result<Exit, Fault> {
    if header.status == Status::Completed {
        let outputs = header.outputs.as_ref();
        let result = outputs.and_then(|outputs| outputs.get("result")).cloned().unwrap_or_default();
        out.document(&result);
        out.text(&pretty(&result));
        return Ok(Exit::Ok);
    }
    let Some(failure) = &header.error else {
        return Err(Fault::failed(format!("the call ended: {}", header.status.name())));
    };
    let fault = Fault::failed(failure.to_string()).details(json!(failure));
    let is_denied = failure.kind == pawl_core::FailureKind::Denied;
    Err(if is_denied { fault.hint(GRANT) } else { fault })
}
