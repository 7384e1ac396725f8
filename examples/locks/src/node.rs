//! What a node knows and does, whether it leads or follows.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, Notify};
use tonic::transport::Channel;
use tonic::Status;

use crate::journal::Journal;
use crate::leader::Leader;
use crate::proto::replication_client::ReplicationClient;
use crate::proto::{Command, Commands};
use crate::table::{Answer, Answers, Table};

/// The node that puts commands in order.
pub const LEADER: u32 = 1;
/// How long a node sleeps that has no lease to watch.
const IDLE: Duration = Duration::from_secs(3600);

pub struct Node {
    number: u32,
    replica: Arc<Replica>,
    role: Role,
}

enum Role {
    Leader(Leader),
    Follower(ReplicationClient<Channel>),
}

/// The table, and who asked this node what.
pub struct Replica {
    node: u32,
    state: Mutex<State>,
    /// A lease may end earlier than was known.
    changed: Notify,
}

struct State {
    journal: Journal,
    table: Table,
    /// Commands that are carried out.
    done: u64,
    asked: u64,
    asking: HashMap<u64, oneshot::Sender<Answer>>,
}

impl Node {
    pub fn leader(journal: Journal, followers: Vec<Channel>, gather: Duration) -> Node {
        let replica = Arc::new(Replica::new(LEADER, journal));
        Node {
            number: LEADER,
            role: Role::Leader(Leader::start(replica.clone(), followers, gather)),
            replica,
        }
    }

    pub fn follower(number: u32, journal: Journal, leader: Channel) -> Node {
        Node {
            number,
            replica: Arc::new(Replica::new(number, journal)),
            role: Role::Follower(ReplicationClient::new(leader)),
        }
    }

    /// Has a client's command put in order, and returns what this node's table says once it is carried out here.
    pub async fn ask(&self, mut command: Command) -> Result<Answer, Status> {
        let (answer, answered) = oneshot::channel();
        {
            let mut state = self.replica.lock();
            state.asked += 1;
            command.node = self.number;
            command.number = state.asked;
            let number = state.asked;
            state.asking.insert(number, answer);
        }
        match &self.role {
            Role::Leader(leader) => leader.propose(command)?,
            Role::Follower(leader) => {
                leader.clone().propose(command).await?;
            }
        }
        answered
            .await
            .map_err(|_| Status::aborted("the node stops"))
    }

    /// Puts a command behind the others.
    pub fn propose(&self, command: Command) -> Result<(), Status> {
        match &self.role {
            Role::Leader(leader) => leader.propose(command),
            Role::Follower(_) => Err(Status::failed_precondition("this node does not lead")),
        }
    }

    /// Takes the next commands from the leader. Returns how many this node has then.
    pub fn append(&self, commands: Commands) -> Result<u64, Status> {
        let came = Instant::now();
        if self.replica.done() != commands.first {
            return Err(Status::out_of_range("these are not the next commands"));
        }
        self.replica
            .write(&commands.commands)
            .map_err(|error| Status::internal(error.to_string()))?;
        for command in commands.commands {
            self.replica.carry_out(command, came);
        }
        Ok(self.replica.done())
    }
}

impl Replica {
    fn new(node: u32, journal: Journal) -> Replica {
        Replica {
            node,
            state: Mutex::new(State {
                journal,
                table: Table::default(),
                done: 0,
                asked: 0,
                asking: HashMap::new(),
            }),
            changed: Notify::new(),
        }
    }

    pub fn done(&self) -> u64 {
        self.lock().done
    }

    pub fn write(&self, commands: &[Command]) -> io::Result<()> {
        self.lock().journal.write(commands)
    }

    pub fn announce(&self, command: &Command, came: Instant) {
        self.lock().table.announce(command, came);
    }

    pub fn carry_out(&self, command: Command, came: Instant) {
        let mut state = self.lock();
        let answers = state.table.carry_out(command, came, Instant::now());
        state.done += 1;
        self.answer(&mut state, answers);
        let name = format!("table after command {}", state.done);
        reenact_marks::checksum(&name, state.table.state().as_bytes());
        drop(state);
        self.changed.notify_one();
    }

    fn answer(&self, state: &mut State, answers: Answers) {
        // Whoever was asked answers, and whoever does not wait any more is not told.
        for (question, answer) in answers {
            let ours = question.node == self.node;
            if let Some(asker) = ours
                .then(|| state.asking.remove(&question.number))
                .flatten()
            {
                let _ = asker.send(answer);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the table")
    }
}

/// Watches the leases of a node's table.
pub async fn let_leases_lapse(node: Arc<Node>) {
    let replica = &node.replica;
    loop {
        let next = {
            let mut state = replica.lock();
            let answers = state.table.lapse(Instant::now());
            replica.answer(&mut state, answers);
            state.table.next_end()
        };
        let until = next.unwrap_or_else(|| Instant::now() + IDLE);
        tokio::select! {
            () = tokio::time::sleep_until(until.into()) => {}
            () = replica.changed.notified() => {}
        }
    }
}
