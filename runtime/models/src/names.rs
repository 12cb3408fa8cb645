//! Names of tools as providers take them: theirs have no dots, and end sooner.

use std::collections::BTreeMap;

use pawl_core::chat::ChatRequest;

/// The longest name that all providers take.
const WIRE_MAX_BYTES: usize = 64;

/// The names of the tools of one request, ours and those that cross.
#[derive(Debug, Default)]
pub(crate) struct Names {
    wire: BTreeMap<String, String>,
    own: BTreeMap<String, String>,
}

impl Names {
    pub(crate) fn of(request: &ChatRequest) -> Self {
        let mut names = Self::default();
        for tool in &request.tools {
            let plain = plain(&tool.name);
            let mut wire = plain.clone();
            let mut number = 1;
            while names.own.contains_key(&wire) {
                number += 1;
                let end = format!("_{number}");
                wire = format!("{}{end}", &plain[..plain.len().min(WIRE_MAX_BYTES - end.len())]);
            }
            names.own.insert(wire.clone(), tool.name.clone());
            names.wire.insert(tool.name.clone(), wire);
        }
        names
    }

    /// A tool's name as it crosses; also that of one that is not offered any more.
    pub(crate) fn wire(&self, own: &str) -> String {
        self.wire.get(own).cloned().unwrap_or_else(|| plain(own))
    }

    /// What came over as pawl calls it; a name that nobody offered stays as it is.
    pub(crate) fn own(&self, wire: &str) -> String {
        self.own.get(wire).cloned().unwrap_or_else(|| wire.to_owned())
    }
}

fn plain(name: &str) -> String {
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' });
    plain.take(WIRE_MAX_BYTES).collect()
}

#[cfg(test)]
mod tests {
    use pawl_core::chat::ToolOffer;
    use serde_json::json;

    use super::*;

    #[test]
    fn names_cross_and_come_back() {
        let long = "x".repeat(100);
        let all = ["orders.lookup", "orders_lookup", "orders/lookup", "größe.x", &long, &format!("{long}y")];
        let offer = |name: &&str| ToolOffer {
            name: (*name).to_owned(),
            summary: String::new(),
            input_schema: json!({}),
        };
        let request = ChatRequest { tools: all.iter().map(offer).collect(), ..ChatRequest::default() };
        let names = Names::of(&request);
        assert_eq!(names.wire("orders.lookup"), "orders_lookup");
        assert_eq!(names.wire("orders_lookup"), "orders_lookup_2");
        assert_eq!(names.wire("gone.by"), "gone_by");
        assert_eq!(names.own("nobody"), "nobody");
        for name in all {
            let wire = names.wire(name);
            assert!(wire.len() <= WIRE_MAX_BYTES && wire.is_ascii(), "{wire}");
            assert_eq!(names.own(&wire), name);
        }
    }
}
