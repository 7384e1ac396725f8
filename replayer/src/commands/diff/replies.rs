//! What replies say, as far as their protocols tell.

use reenact_wire::Node;

use super::run::{Item, Talk};

/// The number that a reply has as its status.
fn status(reply: &Item) -> Option<i128> {
    match reply.body.get("status") {
        Some(Node::UInt(status)) => Some(i128::from(*status)),
        Some(Node::Int(status)) => Some(i128::from(*status)),
        Some(_) | None => None,
    }
}

/// Whether an answer says that there is nothing.
pub fn says_nothing(answer: &Item) -> bool {
    match &answer.body {
        Node::Null => true,
        Node::List(all) => all.is_empty(),
        _ => status(answer) == Some(204),
    }
}

/// Whether a reply says that something went wrong.
pub fn is_error(reply: &Item) -> bool {
    let text = &reply.text;
    if let Some(status) = status(reply) {
        return status >= 400;
    }
    let words = ["ERR", "FATAL", "PANIC", "-"];
    let http = text.starts_with(['4', '5']) && reply.protocol.starts_with("http");
    let grpc = text.starts_with("gRPC ") && !text.starts_with("gRPC OK");
    http || grpc || words.iter().any(|word| text.starts_with(word))
}

/// Whether each question of a connection has one answer: then it is known which, whatever the clock says of when the
/// calls ended.
pub fn has_each_answer(talk: &Talk) -> bool {
    let [asked, told] = &talk.lanes;
    asked.len() == told.len()
        && asked
            .iter()
            .all(|question| question.protocol.starts_with("http"))
}
