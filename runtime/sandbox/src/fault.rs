//! Why a guest stopped, in words.

use pawl_core::{Failure, FailureKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::limits::{Exceeded, HANDLES_MAX};
use crate::state::{HostState, Stop};

/// How many frames of the guest a message shows.
const FRAMES: usize = 4;

/// What ends an attempt that gave no result.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The host suspended it.
    Suspended,
    /// It failed.
    Failed(Failure),
}

/// What an error that came out of a guest means.
pub(crate) fn explain(error: &wasmtime::Error, state: &HostState, stack_max_bytes: usize) -> Fault {
    match error.downcast_ref::<Stop>() {
        Some(Stop::Suspended) => return Fault::Suspended,
        Some(Stop::Aborted(failure)) => return Fault::Failed(failure.clone()),
        Some(Stop::Limit(exceeded)) => return Fault::Failed(exceeded.failure("")),
        None => {}
    }
    let cause = cause(error, state, stack_max_bytes);
    Fault::Failed(if let Some(refused) = state.refused {
        refused.failure(&cause)
    } else if error.is::<PoolConcurrencyLimitError>() {
        Failure::new(FailureKind::Transient, format!("all instances are in use: {error}; try again later"))
    } else if state.is_http_refused && is_table_full(error) {
        let message = "the plugin stopped: it used wasi:http, which is for tools that were granted `http`";
        Failure::new(FailureKind::Trap, message)
    } else if is_table_full(error) || says(error, "store handle limit exceeded") {
        let handles = Exceeded { limit: "handles_max", value: HANDLES_MAX as u64 };
        handles.failure("it holds too many resources of the host at once")
    } else if says(error, "fuel allocated for hostcalls") {
        payload(state).failure("a text or list it handed over is too large")
    } else {
        Failure::new(FailureKind::Trap, format!("the plugin stopped: {cause}"))
    })
}

fn payload(state: &HostState) -> Exceeded {
    Exceeded { limit: "payload_max_bytes", value: state.limits.payload_max_bytes }
}

fn is_table_full(error: &wasmtime::Error) -> bool {
    matches!(error.downcast_ref::<ResourceTableError>(), Some(ResourceTableError::Full))
}

/// wasmtime's own bounds on what one call copies and on handles have no error type.
fn says(error: &wasmtime::Error, words: &str) -> bool {
    error.chain().any(|cause| cause.to_string().contains(words))
}

fn cause(error: &wasmtime::Error, state: &HostState, stack_max_bytes: usize) -> String {
    let mut text = if let Some(exit) = error.downcast_ref::<I32Exit>() {
        format!("it called exit({})", exit.0)
    } else {
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => {
                format!(
                    "stack overflow (stack_max_bytes is {stack_max_bytes}): endless or too deep recursion"
                )
            }
            Some(Trap::UnreachableCodeReached) => "a panic or an `unreachable` instruction".to_owned(),
            Some(trap) => trap.to_string(),
            None => error.root_cause().to_string(),
        }
    };
    let words = state.log().last_words();
    if !words.is_empty() {
        text = format!("{text}; its last words: {words}");
    }
    let frames = frames(error);
    if frames.is_empty() { text } else { format!("{text}; in {frames}") }
}

fn frames(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let names = trace.frames().iter().take(FRAMES).map(|frame| {
        let function =
            frame.func_name().map_or_else(|| format!("#{}", frame.func_index()), ToOwned::to_owned);
        match frame.module().name() {
            Some(module) => format!("{module}!{function}"),
            None => function,
        }
    });
    names.collect::<Vec<_>>().join(" < ")
}
