use std::collections::BTreeMap;
use std::path::Path;

use super::piece::{Area, Part};
use super::*;
use crate::source::load;
use crate::view::Status;

/// A file with tests of a workflow is none itself.
fn is_workflow(path: &Path) -> bool {
    let has = |path: &Path, ending| path.extension().is_some_and(|found| found == ending);
    has(path, "yaml") && !path.file_stem().is_some_and(|stem| has(stem.as_ref(), "test"))
}

#[expect(clippy::disallowed_methods, reason = "tests read the workflows of the repository")]
fn definitions() -> Vec<Definition> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let paths = paths.filter(|path| is_workflow(path));
    let mut texts: Vec<_> = paths.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    texts.push(include_str!("every_shape.yaml").to_owned());
    texts.iter().map(|text| load("w.yaml", text).unwrap().definition).collect()
}

fn areas(parts: &[Part]) -> Vec<Area> {
    let nodes = parts.iter().filter_map(|part| match part {
        Part::Node { area, .. } => Some(*area),
        Part::Frame { .. } | Part::Way { .. } | Part::Label { .. } => None,
    });
    nodes.collect()
}

fn apart(a: Area, b: Area) -> bool {
    a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y
}

fn marks(definition: &Definition) -> Marks {
    let all = [Status::Completed, Status::Failed, Status::Waiting, Status::Running, Status::Skipped];
    let steps = definition.steps.iter().zip(all.into_iter().cycle()).skip(1);
    let steps = steps.map(|(step, status)| (step.id.clone(), Mark { status, visits: 2 })).collect();
    Marks { status: Status::Waiting, steps }
}

#[test]
fn nothing_lies_on_anything_else_or_outside() {
    for definition in definitions() {
        let name = &definition.name;
        for marks in [None, Some(marks(&definition))] {
            let drawing = layout::workflow(&definition, marks.as_ref());
            let nodes = areas(&drawing.parts);
            assert_eq!(
                nodes.len(),
                definition.steps.len() + 2,
                "{name}: each step once, the start and the end"
            );
            for (number, node) in nodes.iter().enumerate() {
                assert!(nodes[..number].iter().all(|other| apart(*node, *other)), "{name}: {node:?}");
                let inside = node.x >= 0 && node.y >= 0;
                assert!(
                    inside && node.x + node.w <= drawing.w && node.y + node.h <= drawing.h,
                    "{name}: {node:?}"
                );
            }
            for part in &drawing.parts {
                let Part::Way { points, .. } = part else { continue };
                assert!(
                    points.iter().all(|(x, y)| (0..=drawing.w).contains(x) && (0..=drawing.h).contains(y))
                );
                for pair in points.windows(2) {
                    let (from, to) = (pair[0], pair[1]);
                    assert!(from.0 == to.0 || from.1 == to.1, "{name}: ways run straight: {points:?}");
                    let line = Area {
                        x: from.0.min(to.0),
                        y: from.1.min(to.1),
                        w: (from.0 - to.0).abs(),
                        h: (from.1 - to.1).abs(),
                    };
                    let free = nodes.iter().all(|node| {
                        // A way may touch a node, but not go through it.
                        let inner = Area { x: node.x + 1, y: node.y + 1, w: node.w - 2, h: node.h - 2 };
                        apart(line, inner)
                    });
                    assert!(free, "{name}: a way goes through a step: {points:?}");
                }
            }
        }
    }
}

#[test]
fn the_state_of_a_run_is_told_in_words_too() {
    let all = definitions();
    let definition = all.iter().find(|definition| definition.name == "every-shape").unwrap();
    let plain = to_svg(definition, None);
    assert!(!plain.contains("not reached") && !plain.contains("✓"), "{plain}");
    let run = to_svg(definition, Some(&marks(definition)));
    for words in ["· not reached", "✗ failed, 2 visits", "… waiting", "▶ running", "↷ skipped"] {
        assert!(run.contains(words), "{words}: {run}");
    }
    insta::assert_snapshot!("svg", run);
}

#[test]
fn what_authors_wrote_stays_text() {
    let text = "pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps:\n  - { id: a, if: '\"<b>&\" == \"\"', set: 1, then: end }";
    let definition = load("w.yaml", text).unwrap().definition;
    let svg = to_svg(&definition, Some(&Marks { status: Status::Running, steps: BTreeMap::new() }));
    assert!(svg.contains("&quot;&lt;b&gt;&amp;&quot;") && !svg.contains("<b>"), "{svg}");
}
