//! From text to tree, by serde-saphyr's event parser: places for every node, and a budget for all.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span as Marked, StructureStyle, Tag};

use super::scalar;
use super::tree::{Entry, Kind, Node, Span};
use super::{YAML_MAX_BYTES, YAML_MAX_DEPTH, YAML_MAX_NODES};
use crate::diagnostic::{Code, Diagnostics};

/// The tree, or nothing when the text cannot be read to its end.
pub(super) fn parse(text: &str, problems: &mut Diagnostics) -> Option<Node> {
    let mut builder =
        Builder { text, open: Vec::new(), anchors: HashMap::new(), nodes: 0, bytes: 0, root: None, problems };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, marked) = match event {
            Ok(event) => event,
            Err(error) => {
                let at = error.marker().byte_offset().unwrap_or(text.len());
                let message = format!("this is not YAML: {}", error.info());
                let help = "check the indentation, quotes and brackets at this place and above it".to_owned();
                builder.problems.push(Code::Syntax, at..at + 1, message, "", Some(help));
                return None;
            }
        };
        if matches!(event, Event::DocumentStart(..)) {
            documents += 1;
            if documents > 1 {
                let span = builder.span(&marked);
                let message = "the file has more than one YAML document";
                let help = "one file, one workflow: move what follows to a file of its own".to_owned();
                builder.problems.push(Code::YamlUnsupported, span, message, "", Some(help));
                break;
            }
        }
        builder.take(event, &marked)?;
    }
    builder.root
}

struct Builder<'t, 'p> {
    text: &'t str,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    bytes: usize,
    root: Option<Node>,
    problems: &'p mut Diagnostics,
}

/// A list or map whose end has not come yet.
struct Open {
    start: Span,
    flow: bool,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Span)> },
}

impl Builder<'_, '_> {
    fn span(&self, marked: &Marked) -> Span {
        let start = marked.start.byte_offset().unwrap_or_default().min(self.text.len());
        let end = marked.end.byte_offset().unwrap_or_default().clamp(start, self.text.len());
        start..end
    }

    /// Nothing when the tree must not grow any further.
    fn take(&mut self, event: Event<'_>, marked: &Marked) -> Option<()> {
        let span = self.span(marked);
        match event {
            Event::Scalar(value, style, anchor, tag) => {
                let kind = self.scalar(&value, style, tag.as_deref(), &span);
                self.place(Node { span, kind }, anchor)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &span);
                self.open(span, style, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(style, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), &span);
                self.open(span, style, anchor, Content::Map { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(&span),
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor) else {
                    let message = "an alias cannot stand within what it names";
                    self.problems.push(Code::YamlBudget, span, message, "", None);
                    return None;
                };
                let (nodes, bytes, depth) = (target.count(), target.bytes(), target.depth());
                self.budget(nodes, bytes, depth, &span)?;
                let kind = self.anchors.get(&anchor).map(|node| node.kind.clone())?;
                self.place(Node { span, kind }, 0)
            }
            // Marks of streams and documents, and what only tools ask for.
            Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd | _ => {
                Some(())
            }
        }
    }

    fn scalar(&mut self, value: &str, style: ScalarStyle, tag: Option<&Tag>, span: &Span) -> Kind {
        let text = tag.is_some_and(|tag| tag.to_string().ends_with("str"));
        if !text {
            self.refuse_tag(tag, span);
        }
        if text || style != ScalarStyle::Plain {
            return Kind::Text(value.to_owned());
        }
        scalar::plain(value).unwrap_or_else(|message| {
            self.problems.push(Code::YamlUnsupported, span.clone(), message, "", None);
            Kind::Null
        })
    }

    fn refuse_tag(&mut self, tag: Option<&Tag>, span: &Span) {
        if let Some(tag) = tag {
            let message = format!("workflows use no YAML tags, such as {tag}");
            let help = Some("remove the tag; quotes make a text".to_owned());
            self.problems.push(Code::YamlUnsupported, span.clone(), message, "", help);
        }
    }

    fn budget(&mut self, nodes: usize, bytes: usize, depth: usize, span: &Span) -> Option<()> {
        self.nodes = self.nodes.saturating_add(nodes);
        self.bytes = self.bytes.saturating_add(bytes);
        let (message, help) = if self.nodes > YAML_MAX_NODES {
            (
                "the YAML grows too large",
                format!("yaml_max_nodes is {YAML_MAX_NODES}, and every alias counts as what it names"),
            )
        } else if self.bytes > YAML_MAX_BYTES {
            (
                "the YAML grows too large",
                format!("yaml_max_bytes is {YAML_MAX_BYTES}, and every alias counts as what it names"),
            )
        } else if self.open.len() + depth > YAML_MAX_DEPTH {
            ("the YAML is nested too deeply", format!("yaml_max_depth is {YAML_MAX_DEPTH}"))
        } else {
            return Some(());
        };
        self.problems.push(Code::YamlBudget, span.clone(), message, "", Some(help));
        None
    }

    fn open(&mut self, start: Span, style: StructureStyle, anchor: usize, content: Content) -> Option<()> {
        self.budget(0, 0, 1, &start)?;
        self.open.push(Open { start, flow: style == StructureStyle::Flow, anchor, content });
        Some(())
    }

    fn close(&mut self, end: &Span) -> Option<()> {
        let open = self.open.pop()?;
        let (kind, first) = match open.content {
            Content::List(items) => {
                let first = items.first().map(|item| item.span.clone());
                (Kind::List(items), first)
            }
            Content::Map { entries, .. } => {
                let first = entries.first().map(|entry| entry.key_span.clone());
                (Kind::Map(entries), first)
            }
        };
        // A block has no marks of its own: its first line stands for it.
        let span = match first {
            Some(first) if !open.flow => first,
            _ => open.start.start..end.end.max(open.start.end),
        };
        self.place(Node { span, kind }, open.anchor)
    }

    /// Puts a finished node where it belongs.
    fn place(&mut self, node: Node, anchor: usize) -> Option<()> {
        self.budget(1, 0, 0, &node.span.clone())?;
        if anchor != 0 {
            self.budget(node.count(), node.bytes(), 0, &node.span.clone())?;
            self.anchors.insert(anchor, node.clone());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Map { entries, key }) => match key.take() {
                None => {
                    let span = node.span.clone();
                    let name = key_text(&node);
                    *key = Some((name.clone().unwrap_or_default(), span.clone()));
                    if name.is_none() {
                        let message = format!("a key must be a text, not {}", node.describe());
                        self.problems.push(Code::YamlUnsupported, span, message, "", None);
                    }
                }
                Some((key, key_span)) => {
                    let Some(earlier) = entries.iter().find(|entry| entry.key == key) else {
                        entries.push(Entry { key, key_span, value: node });
                        return Some(());
                    };
                    let line =
                        self.text[..earlier.key_span.start].bytes().filter(|b| *b == b'\n').count() + 1;
                    let message = format!("the key '{key}' stands here for the second time");
                    let help = Some(format!("it stands in line {line} already; remove one"));
                    self.problems.push(Code::DuplicateKey, key_span, message, "again", help);
                }
            },
        }
        Some(())
    }
}

/// A key as text: numbers and words like `true` are what they look like.
fn key_text(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Text(text) => Some(text.clone()),
        Kind::Bool(flag) => Some(flag.to_string()),
        Kind::Number(number) => Some(number.to_string()),
        Kind::Null | Kind::List(_) | Kind::Map(_) => None,
    }
}
