//! The targets: each a function that must hold for every input.

mod expression;
mod journal;
mod operator;
#[cfg(feature = "plugins")]
mod plugin;
mod schema;
mod topic;
mod yaml;

/// One thing that pawl reads.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line, and the folder of its corpus.
    pub name: &'static str,
    /// What is read.
    pub about: &'static str,
    /// Panics where something does not hold.
    pub check: fn(&[u8]),
    /// Files of the project that cases begin with, beside the corpus: a folder and the end of a name.
    pub seeds: &'static [(&'static str, &'static str)],
    /// What a case is, and so how it is changed.
    pub form: Form,
}

/// What a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lines and words are moved, not only bytes.
    Text,
    /// Nothing is known of it.
    Bytes,
    /// Whole sections are moved as well.
    Component,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "workflow",
        about: "a workflow's file: its problems or its definition, and the drawings of that",
        check: yaml::workflow,
        seeds: &[
            ("workflows", ".yaml"),
            ("runtime/core/src/source/cases", ".yaml"),
            ("tests/torture", ".yaml"),
        ],
        form: Form::Text,
    },
    Target {
        name: "yaml",
        about: "YAML for itself: aliases, bombs, tags, depth",
        check: yaml::value,
        seeds: &[("runtime/core/src/source/cases", ".yaml"), ("workflows", ".yaml")],
        form: Form::Text,
    },
    Target {
        name: "test-file",
        about: "a file of tests, alone and against a workflow",
        check: yaml::test_file,
        seeds: &[("workflows", ".test.yaml"), ("tests/crashes", ".test.yaml")],
        form: Form::Text,
    },
    Target {
        name: "expression",
        about: "an expression and a template, compiled and evaluated",
        check: expression::check,
        seeds: &[],
        form: Form::Text,
    },
    Target {
        name: "journal",
        about: "records of a journal, and the state that they fold into",
        check: journal::check,
        seeds: &[("tests/journals/v1", ".msgpack")],
        form: Form::Bytes,
    },
    Target {
        name: "topic",
        about: "a pattern and a topic, by two ways that must agree",
        check: topic::check,
        seeds: &[],
        form: Form::Text,
    },
    Target {
        name: "schema",
        about: "what a plugin says of itself: JSON, its schemas, and values that are checked by them",
        check: schema::check,
        seeds: &[],
        form: Form::Text,
    },
    Target {
        name: "operator",
        about: "pawl.yaml, and the script of a model: their problems, or what they say",
        check: operator::file,
        seeds: &[("", "pawl.yaml")],
        form: Form::Text,
    },
    Target { name: "lock", about: "pawl.lock", check: operator::lock, seeds: &[], form: Form::Text },
    #[cfg(feature = "plugins")]
    Target {
        name: "manifest",
        about: "plugin.toml",
        check: plugin::manifest,
        seeds: &[("plugins/dist", ".toml"), ("tests/guests", ".toml")],
        form: Form::Text,
    },
    #[cfg(feature = "plugins")]
    Target {
        name: "component",
        about: "a component's bytes, before they are compiled",
        check: plugin::component,
        seeds: &[("tests/guests", "crash.wasm"), ("tests/fuzz/corpus/plugin", ".wasm")],
        form: Form::Component,
    },
    #[cfg(feature = "plugins")]
    Target {
        name: "plugin",
        about: "a component that is compiled, described and called",
        check: plugin::whole,
        seeds: &[("plugins/dist", "echo.wasm")],
        form: Form::Component,
    },
];

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
