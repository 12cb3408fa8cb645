//! A row of the table, and the map that it belongs to.

use super::Shape;

/// A map of the language, and the keys that it may have.
#[derive(Debug)]
pub struct Place {
    /// Its name in the JSON Schema and in the reference.
    pub name: &'static str,
    /// What messages call it: `a step`, `retry`.
    pub what: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
    /// Keys that it shares with other places.
    pub shared: &'static [Key],
}

impl Place {
    /// All its keys, in the order of the reference.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> + Clone + use<> {
        self.keys.iter().chain(self.shared)
    }

    /// The key with this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// What holds where it is left out.
    pub need: Need,
    /// What it is for, in a sentence.
    pub says: &'static str,
    /// A value, as YAML. It loads as it is; it may use `inputs.amount`, a number, `inputs.order`, a
    /// text, `inputs.orders`, a list, `vars.total`, a number, and the step `order` before it.
    pub example: &'static str,
    /// The verbs that it stands beside; of steps only.
    pub goes: Goes,
    /// Whether it is a verb: a step has exactly one.
    pub verb: bool,
    /// What a step with this verb gives; of verbs only.
    pub gives: &'static str,
    /// Keys that must stand beside it.
    pub beside: &'static [&'static str],
}

/// What holds where a key is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It cannot be left out.
    Required,
    /// As if this had been written, in YAML.
    Default(&'static str),
    /// This, in words.
    Otherwise(&'static str),
}

/// The verbs that a key of a step stands beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goes {
    /// Any.
    WithAll,
    /// These.
    With(&'static [&'static str]),
    /// All but these.
    Without(&'static [&'static str]),
}

impl Goes {
    /// Whether a key stands beside this verb.
    pub fn with(self, verb: &str) -> bool {
        match self {
            Self::WithAll => true,
            Self::With(verbs) => verbs.contains(&verb),
            Self::Without(verbs) => !verbs.contains(&verb),
        }
    }
}

impl Key {
    const fn new(
        name: &'static str,
        shape: Shape,
        says: &'static str,
        example: &'static str,
        need: Need,
    ) -> Self {
        Self { name, shape, need, says, example, goes: Goes::WithAll, verb: false, gives: "", beside: &[] }
    }

    /// One that cannot be left out.
    pub(super) const fn required(
        name: &'static str,
        shape: Shape,
        says: &'static str,
        example: &'static str,
    ) -> Self {
        Self::new(name, shape, says, example, Need::Required)
    }

    /// One that can be left out; follow it with [`Self::default`] or [`Self::otherwise`] to say what holds then.
    pub(super) const fn optional(
        name: &'static str,
        shape: Shape,
        says: &'static str,
        example: &'static str,
    ) -> Self {
        Self::new(name, shape, says, example, Need::Otherwise("none"))
    }

    /// A verb of steps, and what a step with it gives.
    pub(super) const fn verb(
        name: &'static str,
        shape: Shape,
        says: &'static str,
        gives: &'static str,
        example: &'static str,
    ) -> Self {
        Self { verb: true, gives, ..Self::optional(name, shape, says, example) }
    }

    /// The value, as YAML, that leaving it out is the same as.
    pub(super) const fn default(self, yaml: &'static str) -> Self {
        Self { need: Need::Default(yaml), ..self }
    }

    /// What leaving it out means, where no value says that.
    pub(super) const fn otherwise(self, words: &'static str) -> Self {
        Self { need: Need::Otherwise(words), ..self }
    }

    /// Stands beside these verbs only.
    pub(super) const fn with(self, verbs: &'static [&'static str]) -> Self {
        Self { goes: Goes::With(verbs), ..self }
    }

    /// Stands beside all verbs but these.
    pub(super) const fn without(self, verbs: &'static [&'static str]) -> Self {
        Self { goes: Goes::Without(verbs), ..self }
    }

    /// Needs these keys beside it.
    pub(super) const fn beside(self, keys: &'static [&'static str]) -> Self {
        Self { beside: keys, ..self }
    }
}
