//! `notes`: takes a note, and gives those that were taken before in the same memory.
//!
//! Whose memory that is, is said by the step: `memory: { key: customer/… }` makes it one customer's.

use pawl_plugin::prelude::*;

struct Notes;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// What is to be remembered.
    note: String,
    /// How many notes are kept at most, from 1; the oldest go first.
    #[serde(default = "keep")]
    #[schemars(range(min = 1, max = 1000))]
    keep: usize,
}

const fn keep() -> usize {
    100
}

#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Taken {
    /// The notes that were kept from before, the oldest first.
    earlier: Vec<String>,
    /// How many were ever taken, with this one.
    count: u64,
}

/// What stands in the memory.
#[derive(Debug, Default, PartialEq, Deserialize, Serialize)]
struct Kept {
    notes: Vec<String>,
    count: u64,
}

/// The key in the memory.
const NOTES: &str = "notes";

impl Agent for Notes {
    type Input = Input;
    type Output = Taken;
    const SUMMARY: &'static str = "Takes a note, and gives those that were taken before in the same memory.";
    const CAPABILITIES: &'static [&'static str] = &["remember"];

    fn run(task: Task<Input>) -> Result<Taken, Failure> {
        let before: Kept = memory::get(NOTES)?.unwrap_or_default();
        let earlier = before.notes.clone();
        let kept = take(before, task.input.note, task.input.keep);
        memory::put(NOTES, &kept)?;
        Ok(Taken { earlier, count: kept.count })
    }
}

export_agent!(Notes);

fn take(Kept { mut notes, count }: Kept, note: String, keep: usize) -> Kept {
    notes.push(note);
    notes.drain(..notes.len().saturating_sub(keep));
    Kept { notes, count: count.saturating_add(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_notes_go_first_and_are_still_counted() {
        let mut kept = Kept::default();
        for note in ["a", "b", "c"] {
            kept = take(kept, note.to_owned(), 2);
        }
        assert_eq!(kept, Kept { notes: vec!["b".to_owned(), "c".to_owned()], count: 3 });
    }
}
