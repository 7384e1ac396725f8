//! What a message says, as indented lines for people: bounded, and on each line only what is safe to
//! show.

use reenact_wire::{escape, Node};

/// Bytes of one message's lines, and levels and characters of a line.
const PAYLOAD_MAX: usize = 4096;
const DEPTH_MAX: usize = 24;
const LINE_MAX: usize = 400;
/// Lines of a text within a message.
const TEXT_LINES_MAX: usize = 60;

/// The lines of a tree: `name: value`, deeper ones indented by two spaces.
pub fn of_node(node: &Node) -> String {
    let mut lines = Lines::default();
    match node {
        Node::Map(fields) => lines.fields(fields, 0),
        Node::List(items) => lines.items(items, 0),
        Node::Null => {}
        Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) => lines.value("", node, 0),
        Node::Text(_) | Node::Bytes(_) => lines.value("", node, 0),
        Node::Elided(_) | Node::Redacted => lines.value("", node, 0),
    }
    lines.text
}

/// The lines of a text that stands for itself.
pub fn of_text(text: &str) -> String {
    let mut lines = Lines::default();
    lines.block(text, 0);
    lines.text
}

#[derive(Default)]
struct Lines {
    text: String,
    full: bool,
}

impl Lines {
    fn line(&mut self, depth: usize, text: &str) {
        if self.full {
            return;
        }
        if self.text.len() + text.len() > PAYLOAD_MAX {
            self.full = true;
            self.text.push_str("…\n");
            return;
        }
        self.text.extend(std::iter::repeat_n(' ', depth * 2));
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn fields(&mut self, fields: &[(reenact_wire::Name, Node)], depth: usize) {
        for (name, value) in fields {
            if self.full {
                return;
            }
            let name = shortened(name);
            self.value(&format!("{name}: "), value, depth);
        }
    }

    fn items(&mut self, items: &[Node], depth: usize) {
        for item in items {
            if self.full {
                return;
            }
            self.value("- ", item, depth);
        }
    }

    /// A value behind its name, or below it if it takes several lines.
    fn value(&mut self, name: &str, node: &Node, depth: usize) {
        let deeper = depth + usize::from(!name.is_empty());
        match node {
            Node::Map(fields) if !fields.is_empty() && depth < DEPTH_MAX => {
                self.line(depth, name.trim_end());
                self.fields(fields, deeper);
            }
            Node::List(items) if !items.is_empty() && depth < DEPTH_MAX => {
                self.line(depth, name.trim_end());
                self.items(items, deeper);
            }
            Node::Text(text) if text.trim_end_matches('\n').contains('\n') => {
                self.line(depth, name.trim_end());
                self.block(text, deeper);
            }
            Node::Text(text) => self.line(depth, &format!("{name}\"{}\"", shortened(text))),
            Node::Null | Node::Bool(_) | Node::Int(_) | Node::UInt(_) | Node::Float(_) => {
                self.line(depth, &format!("{name}{node}"));
            }
            Node::Map(_) | Node::List(_) | Node::Bytes(_) | Node::Elided(_) | Node::Redacted => {
                self.line(depth, &format!("{name}{node}"));
            }
        }
    }

    fn block(&mut self, text: &str, depth: usize) {
        let mut lines = text.trim_end_matches('\n').split('\n');
        for line in lines.by_ref().take(TEXT_LINES_MAX) {
            self.line(depth, &shortened(line.trim_end_matches('\r')));
        }
        let left = lines.count();
        if left > 0 {
            self.line(depth, &format!("… {left} lines more"));
        }
    }
}

fn shortened(text: &str) -> String {
    let seen: String = text.chars().take(LINE_MAX).collect();
    let more = if seen.len() < text.len() { "…" } else { "" };
    format!("{}{more}", escape(seen.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_read_as_indented_lines() {
        let node = Node::from_json(br#"{"a":1,"b":{"c":["x",null]},"d":"one\ntwo","e":[]}"#);
        let told = of_node(&node.expect("JSON"));
        assert_eq!(
            told,
            "a: 1\nb:\n  c:\n    - \"x\"\n    - null\nd:\n  one\n  two\ne: []\n"
        );
    }

    #[test]
    fn whatever_is_sent_is_bounded_and_has_no_control_characters() {
        let long = format!("[{}\"\\u0001\"]", "\"\\u001b[2J\",".repeat(5000));
        let told = of_node(&Node::from_json(long.as_bytes()).expect("JSON"));
        assert!(told.len() <= PAYLOAD_MAX + 8, "{}", told.len());
        assert!(told.contains("\\u{1b}[2J") && told.ends_with("…\n"));
        assert!(told.chars().all(|c| c == '\n' || !c.is_control()));
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert!(of_node(&Node::from_json(deep.as_bytes()).expect("JSON")).len() <= PAYLOAD_MAX);
        assert!(of_text(&"x\u{2028}\n".repeat(1000)).contains("\\u{2028}\n"));
    }
}
