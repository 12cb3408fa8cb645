//! The codes. They are part of the interface: a number keeps its meaning for ever.

use super::Severity;

macro_rules! codes {
    ($($variant:ident = $id:literal, $severity:ident, $title:literal;)*) => {
        /// What kind of problem a definition has.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $variant,)*
        }

        impl Code {
            /// All codes, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable name, `P0101`.
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),* }
            }

            /// One line that says what it is.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),* }
            }

            /// Whether a definition can be used in spite of it.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }
        }
    };
}

codes! {
    SourceTooLarge = "P0101", Error, "the file is larger than a definition may be";
    Syntax = "P0102", Error, "the file is not YAML";
    YamlBudget = "P0103", Error, "the YAML is nested too deeply or grows too large through its aliases";
    YamlUnsupported = "P0104", Error, "a part of YAML that workflows do not use";
    DuplicateKey = "P0105", Error, "a key stands twice";
    UnknownKey = "P0201", Error, "a key that the language does not know";
    MissingKey = "P0202", Error, "a required key is missing";
    WrongType = "P0203", Error, "a value of the wrong type";
    NotInThisVersion = "P0204", Error, "a part of the language that this version does not have";
    InvalidValue = "P0205", Error, "a value that is not allowed here";
    OutOfRange = "P0206", Error, "a number beyond its limit";
    InvalidDuration = "P0207", Error, "a duration without a unit, or none at all";
    InvalidSchema = "P0208", Error, "a schema that is none";
    VerbCount = "P0209", Error, "a step needs exactly one verb";
    BeyondPermissions = "P0210", Error, "a step takes more permissions than its workflow has";
    KeyMismatch = "P0211", Error, "keys that do not go together";
    DuplicateStep = "P0301", Error, "two steps with the same id";
    UnknownTarget = "P0302", Error, "a jump to a step that does not exist";
    MissingMaxVisits = "P0303", Error, "a jump back to a step without a limit of visits";
    UnreachableStep = "P0304", Warning, "no way leads to a step";
    UnreachableBranch = "P0305", Error, "a branch after one that is always taken";
    UnknownNeed = "P0306", Error, "a step needs one that is not in its list";
    CircularNeeds = "P0307", Error, "steps that need each other";
    InvalidExpression = "P0401", Error, "an expression that cannot be read";
    UnknownName = "P0402", Error, "an expression uses a name that does not exist";
    UnknownInput = "P0403", Error, "an expression uses an input that is not declared";
    UnknownStep = "P0404", Error, "an expression uses a step that does not exist";
    NeverRanBefore = "P0405", Error, "an expression uses a step that can never have run";
    UnknownFunction = "P0406", Error, "an expression uses a filter, test or function that does not exist";
    ExpressionTooLarge = "P0407", Error, "an expression is too long";
    NoSuchField = "P0408", Error, "an expression uses a field that the value never has";
    UnknownVar = "P0409", Error, "a variable that is not there";
    NotNeeded = "P0410", Error, "an expression uses a step that its own does not need";
    MayBeMissing = "P0411", Warning, "an expression uses an output that may not be there";
    UnknownPlugin = "P0501", Error, "a step uses a plugin that is not there";
    UnknownTool = "P0502", Error, "a plugin does not have the tool";
    WrongPluginKind = "P0503", Error, "a plugin of the other kind";
    InvalidArguments = "P0504", Error, "arguments that the plugin does not accept";
    UnknownModel = "P0505", Error, "a step is granted a model that is not there";
    NoCandidate = "P0506", Warning, "no plugin is there that a route could choose";
    UnpricedModel = "P0507", Error, "money is budgeted, and a model has no price";
    TestMismatch = "P0601", Error, "a test says something that its workflow or a plugin rules out";
    UnknownWorkflow = "P0701", Error, "a step starts a workflow that is not named";
    InvalidInputs = "P0702", Error, "inputs that the workflow does not accept";
    IdleRule = "P0801", Warning, "an approval rule for a tool that no step calls";
}
