//! Why a guest stopped, in words.

use pawl_core::{Failure, FailureKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::limits::{Exceeded, HANDLES_MAX};
use crate::state::{HostState, Stop};
use crate::words::{cut_message, cut_name};

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
    let cause = cut_message(cause(error, state, stack_max_bytes));
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
    let words = state.log().last_words();
    let mut text = if let Some(exit) = error.downcast_ref::<I32Exit>() {
        format!("it called exit({})", exit.0)
    } else {
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => {
                format!(
                    "stack overflow (stack_max_bytes is {stack_max_bytes}): endless or too deep recursion"
                )
            }
            Some(Trap::UnreachableCodeReached) => return stopped_itself(error, &words),
            Some(trap) => trap.to_string(),
            None => error.root_cause().to_string(),
        }
    };
    if !words.is_empty() {
        text = format!("{text}; its last words: {words}");
    }
    with_frames(text, error)
}

/// A guest that gave up by itself: its panic, where its last words tell of one.
fn stopped_itself(error: &wasmtime::Error, words: &str) -> String {
    if let Some(panic) = panic(words) {
        return with_frames(format!("a panic at {panic}"), error);
    }
    let text = "a panic or an `unreachable` instruction".to_owned();
    let last = if words.is_empty() {
        "; it left no word in its log: write what goes wrong to the log before it stops".to_owned()
    } else {
        format!("; its last words: {words}")
    };
    with_frames(text + &last, error)
}

/// Place and message of a panic, `src/lib.rs:12:5: no such order`, as the SDKs and Rust's own hook
/// write it.
fn panic(words: &str) -> Option<String> {
    let (_, panic) = words.rsplit_once("panicked at ")?;
    let lines = panic.lines().flat_map(|line| line.split(" / ")).map(str::trim);
    let told: Vec<_> = lines.filter(|line| !line.is_empty() && !line.starts_with("note: ")).collect();
    let (place, message) = told.split_first()?;
    if message.is_empty() {
        Some((*place).to_owned())
    } else {
        Some(format!("{place} {}", message.join(" ")))
    }
}

fn with_frames(text: String, error: &wasmtime::Error) -> String {
    let frames = frames(error);
    if frames.is_empty() { text } else { format!("{text}; in {frames}") }
}

/// The innermost functions by name; of a stripped component there is nothing to tell.
fn frames(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let named = trace.frames().iter().filter_map(|frame| {
        let function = cut_name(frame.func_name()?);
        Some(
            frame
                .module()
                .name()
                .map_or_else(|| function.clone(), |module| format!("{}!{function}", cut_name(module))),
        )
    });
    named.take(FRAMES).collect::<Vec<_>>().join(" < ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_with_its_place_and_message() {
        let cases = [
            ("panicked at src/lib.rs:12:5:\nno such order", "src/lib.rs:12:5: no such order"),
            (
                "thread 'main' (1) panicked at src/lib.rs:1:2: / oh / note: run with `RUST_BACKTRACE=1`",
                "src/lib.rs:1:2: oh",
            ),
            (
                "low on stock / panicked at src/orders.js:3:9:\nTypeError: x is\nundefined",
                "src/orders.js:3:9: TypeError: x is undefined",
            ),
            ("panicked at src/lib.rs:1:1", "src/lib.rs:1:1"),
        ];
        for (words, told) in cases {
            assert_eq!(panic(words).as_deref(), Some(told), "{words}");
        }
        assert_eq!(panic("order is 42"), None);
    }
}
