//! `replay show --connections`: who was connected to whom.

use reenact_causal::{Address, ConnectionId, Peer, Side, Story};
use reenact_trace::Reader;
use serde_json::{json, Value};

use super::output::Output;
use super::words::name;
use super::{Filter, ShowError};

pub fn show(reader: &mut Reader, filter: &Filter, out: &mut Output<'_>) -> Result<(), ShowError> {
    let mut story = Story::new(reader);
    // A pipe is made by a shell and used by others: who used a side says more than who made it.
    let mut users: std::collections::BTreeMap<(ConnectionId, Side), Vec<u32>> = Default::default();
    while let Some(moment) = story.next(reader)? {
        use reenact_causal::Fact;
        let used = match &moment.fact {
            Fact::Send {
                connection, from, ..
            } => (*connection, *from),
            Fact::Receive {
                connection, from, ..
            } => (*connection, from.other()),
            _ => continue,
        };
        let users = users.entry(used).or_default();
        let process = moment.event.stream.process;
        if !users.contains(&process) {
            users.push(process);
        }
    }
    let connections = story.connections();
    for (number, connection) in (0..).zip(connections.all()) {
        let id = ConnectionId(number);
        let ends: Vec<End> = [Side::Zero, Side::One]
            .into_iter()
            .map(|side| End::of(&story, id, side, users.get(&(id, side))))
            .collect();
        let shown = ends.iter().any(|end| {
            let mut of = end.processes.iter();
            of.any(|(number, name)| filter.wants_process(*number, name))
        });
        let [there, back] = &connection.streams;
        let certain = if connection.certain {
            ""
        } else {
            "  (which client is a guess)"
        };
        let unit = if connection.channel.keeps_messages() {
            "messages"
        } else {
            "bytes"
        };
        let counted = [there, back].map(|stream| match stream.sent.max(stream.received) {
            most if stream.sent == stream.received || stream.received == 0 || stream.sent == 0 => {
                most.to_string()
            }
            _ => format!("{} sent, {} received", stream.sent, stream.received),
        });
        let text = format!(
            "c{number:<5} {:<6} {} → {}  {} {unit} there, {} back{certain}",
            connection.channel.name(),
            ends[0].text,
            ends[1].text,
            counted[0],
            counted[1],
        );
        if !shown || !filter.wants_text(&text) {
            continue;
        }
        if filter.looks.json {
            let stream = |stream: &reenact_causal::Stream| json!({ "sent": stream.sent, "received": stream.received });
            let value = json!({
                "kind": "connection", "connection": number, "channel": connection.channel.name(),
                "ends": ends.iter().map(End::json).collect::<Vec<_>>(), "unit": unit,
                "there": stream(there), "back": stream(back), "certain": connection.certain,
            });
            out.line(&value.to_string())?;
        } else {
            out.line(&text)?;
        }
    }
    Ok(())
}

struct End {
    processes: Vec<(u32, String)>,
    address: Option<String>,
    text: String,
}

impl End {
    fn of(story: &Story, id: ConnectionId, side: Side, users: Option<&Vec<u32>>) -> End {
        let connections = story.connections();
        let made = match connections.peer(id, side) {
            Peer::Process(process) => vec![process],
            Peer::Outside(_) => Vec::new(),
        };
        let processes = users.cloned().unwrap_or(made);
        let processes = processes.into_iter();
        let processes: Vec<_> = processes
            .map(|number| (number, name(story, number)))
            .collect();
        let address = connections.get(id).ends[side.index()].address.as_ref();
        let address = address.map(Address::to_string);
        let names: Vec<_> = processes.iter().map(|(_, name)| name.as_str()).collect();
        let who = if names.is_empty() {
            "outside".to_owned()
        } else {
            names.join("+")
        };
        let text = match &address {
            Some(address) => format!("{who} {address}"),
            None => who,
        };
        End {
            processes,
            address,
            text,
        }
    }

    fn json(&self) -> Value {
        let processes = self.processes.iter();
        let processes: Vec<_> = processes
            .map(|(number, name)| json!({ "process": number, "name": name }))
            .collect();
        json!({ "processes": processes, "address": self.address })
    }
}
