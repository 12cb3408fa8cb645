//! Problems as text for people, with the lines they are about.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostics, Severity};

impl Diagnostics {
    /// Every problem with its code, place, line of source and what to do.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        let parts: Vec<String> = self.list.iter().map(|d| self.render_one(&renderer, d)).collect();
        parts.join("\n\n")
    }

    fn render_one(&self, renderer: &Renderer, diagnostic: &super::Diagnostic) -> String {
        let level = match diagnostic.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut annotation = AnnotationKind::Primary.span(self.shown(&diagnostic.span));
        if !diagnostic.label.is_empty() {
            annotation = annotation.label(diagnostic.label.as_str());
        }
        let snippet = Snippet::source(self.text.as_str()).path(self.file.as_str()).annotation(annotation);
        let mut group: Group<'_> =
            level.primary_title(diagnostic.message.as_str()).id(diagnostic.code.id()).element(snippet);
        if let Some(help) = &diagnostic.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    /// The place without what lies beyond its first line: a whole block of source explains less.
    fn shown(&self, span: &std::ops::Range<usize>) -> std::ops::Range<usize> {
        let place = &self.text[span.clone()];
        let first = place.split(['\n', '\r']).next().unwrap_or_default().trim_end();
        span.start..span.start + first.len()
    }
}
