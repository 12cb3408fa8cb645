//! Slots: whoever waits for one gets it, is sent away, or makes way for somebody else.

use pawl_core::{Command, RunId, SlotNews};

use super::World;

impl World {
    /// The first who waits for a slot hears of it; now and then one who has one loses it.
    pub(super) fn slot(&mut self) -> bool {
        let other = RunId::from_bytes([7; 16]);
        let heard = self.state.slots().find_map(|(visit, slot)| {
            let drawn = self.draw(&format!("slot {visit:?} {}", slot.since.0));
            let news = match (slot.taken, drawn) {
                (false, 0..20) => SlotNews::Refused,
                (false, 20..40) | (true, 40..50) => SlotNews::Replaced(other),
                (false, _) => SlotNews::Granted,
                (true, _) => return None,
            };
            Some((visit, news))
        });
        let Some((visit, news)) = heard else { return false };
        let before = self.head.seq;
        self.command(Command::HearOfSlot { visit, news });
        self.head.seq > before
    }
}
