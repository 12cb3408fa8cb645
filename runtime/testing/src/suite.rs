//! The tests of a file, one after the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use pawl_core::plugin::PluginPins;
use pawl_core::source::test_file::{self, TEST_FILE_SUFFIX, TestCase, TestFile};
use pawl_engine::{Engine, EngineConfig, EngineError, Workflow};
use pawl_store::memory::MemoryStore;
use tokio::sync::Mutex;

use crate::TestingError;
use crate::check::check;
use crate::crash::crash_at_every_event;
use crate::model::read_scripts;
use crate::play::{Play, Played};
use crate::report::{FileReport, TestReport};
use crate::servers::{Instead, PlayedServers};

/// Which tests, and how.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only tests whose name has this in it.
    pub filter: Option<String>,
    /// Whether each test is run again with a crash at every position of its journal.
    pub crash_at_every_event: bool,
    /// Where chance comes from.
    pub seed: u64,
}

/// Told before each run: the test, the number of the run and how many there will be.
pub type Progress = dyn Fn(&str, usize, usize) + Send + Sync;

/// Runs tests. Plugins are loaded once for all of them.
#[derive(Debug)]
pub struct Suite {
    bench: Engine,
    /// Whose turn it is to have the engine take other MCP servers for its own.
    turn: Mutex<()>,
}

impl Suite {
    /// Sets up what all tests share; of the settings, those of the sandbox and the plugin folder.
    pub async fn open(config: EngineConfig) -> Result<Self, EngineError> {
        Ok(Self::on(Engine::open(Arc::new(MemoryStore::new()), config).await?))
    }

    /// The same on an engine that is there.
    pub const fn on(bench: Engine) -> Self {
        Self { bench, turn: Mutex::const_new(()) }
    }

    /// Runs the tests of a file that the options ask for.
    pub async fn run(
        &self,
        path: &Path,
        options: &Options,
        progress: Arc<Progress>,
    ) -> Result<FileReport, TestingError> {
        let file = path.display().to_string();
        let (tests, workflow) = self.load(path).await?;
        let tests = Arc::new(tests);
        let mut report = FileReport { file, tests: Vec::new() };
        for number in 0..tests.tests.len() {
            let name = &tests.tests[number].name;
            if options.filter.as_ref().is_some_and(|filter| !name.contains(filter)) {
                continue;
            }
            let (bench, workflow, tests) = (self.bench.clone(), workflow.clone(), Arc::clone(&tests));
            let (options, progress) = (options.clone(), Arc::clone(&progress));
            let run = move || run(&bench, &workflow, &tests.tests[number], &options, progress.as_ref());
            let done = tokio::task::spawn_blocking(run).await;
            report.tests.push(done.map_err(std::io::Error::other)??);
        }
        Ok(report)
    }

    /// Reads a test file and its workflow, and checks one against the other.
    pub async fn load(&self, path: &Path) -> Result<(TestFile, Workflow), TestingError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| TestingError::Unreadable { path: file.clone(), reason: error.to_string() })?;
        let mut tests = test_file::load(&file, &text)?;
        read_scripts(&mut tests, path.parent().unwrap_or_else(|| Path::new(".")))?;
        let workflow_path = workflow_of(path, tests.workflow.as_deref());
        let workflow = self.workflow(&tests, &workflow_path).await.map_err(TestingError::Workflow)?;
        let plugins = self.plugins_of(&workflow).await?;
        let problems = test_file::check(&tests, &file, &text, &workflow.definition, &plugins);
        if problems.has_errors() {
            return Err(problems.into());
        }
        Ok((tests, workflow))
    }

    /// The workflow. MCP servers are not asked for what they have where the tests replace all that it names of them.
    async fn workflow(&self, tests: &TestFile, path: &Path) -> Result<Workflow, EngineError> {
        let _turn = self.turn.lock().await;
        let Some(played) = PlayedServers::of(tests, self.bench.servers()) else {
            return self.bench.load_workflow(path).await;
        };
        let has_real = played.has_real();
        let instead = Instead::of(&self.bench, Arc::new(played));
        let loaded = self.bench.load_workflow(path).await;
        drop(instead);
        match loaded {
            // It may name tools that the tests do not replace.
            Err(EngineError::Definition(_)) if has_real => self.bench.load_workflow(path).await,
            loaded => loaded,
        }
    }

    /// The plugins that the workflow's runs may use: where they are chosen, any that can be used by name.
    async fn plugins_of(&self, workflow: &Workflow) -> Result<PluginPins, TestingError> {
        let mut plugins = PluginPins::clone(&workflow.plugins);
        if workflow.definition.has_routes() {
            for entry in self.bench.plugins().await.map_err(TestingError::Workflow)? {
                // One that cannot be loaded is nobody's choice.
                if let (false, Ok(pin)) =
                    (plugins.contains_key(&entry.name), self.bench.describe_plugin(&entry).await)
                {
                    plugins.insert(entry.name, pin);
                }
            }
        }
        Ok(plugins)
    }
}

/// The workflow that a test file names, or else the one beside it.
fn workflow_of(path: &Path, named: Option<&str>) -> PathBuf {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    if let Some(named) = named {
        return folder.join(named);
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    folder.join(format!("{}.yaml", name.strip_suffix(TEST_FILE_SUFFIX).unwrap_or(name)))
}

/// Runs one test, and again with crashes where they are asked for.
fn run(
    bench: &Engine,
    workflow: &Workflow,
    test: &TestCase,
    options: &Options,
    progress: &Progress,
) -> Result<TestReport, TestingError> {
    let since = Instant::now();
    let play = Play { bench, workflow, test, seed: options.seed };
    progress(&test.name, 0, 1);
    let played = play.run(None)?;
    let mut report = report(test, &played);
    // What is wrong without a crash is not made clearer by one.
    if options.crash_at_every_event && report.findings.is_empty() {
        let told = |number, of| progress(&test.name, number + 1, of + 1);
        report.crashes = Some(crash_at_every_event(&play, &played, &told)?);
    }
    report.took = since.elapsed();
    Ok(report)
}

fn report(test: &TestCase, played: &Played) -> TestReport {
    let mut findings = check(&test.expect, played);
    for finding in &played.findings {
        if !findings.contains(finding) {
            findings.push(finding.clone());
        }
    }
    findings.sort_by_key(|finding| finding.place.span.start);
    TestReport {
        name: test.name.clone(),
        place: test.place.clone(),
        findings,
        status: played.header.status,
        path: played.way.own().to_vec(),
        events: played.way.events.clone(),
        crashes: None,
        took: std::time::Duration::ZERO,
    }
}
