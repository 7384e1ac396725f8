//! What only the leader does: it gathers commands for a moment, has them written by a majority, and carries them out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tonic::transport::Channel;
use tonic::Status;

use crate::node::Replica;
use crate::proto::replication_client::ReplicationClient;
use crate::proto::{Command, Commands};

/// A command, and when it came.
type Queued = (Command, Instant);

pub struct Leader {
    replica: Arc<Replica>,
    queue: UnboundedSender<Queued>,
}

impl Leader {
    /// `gather`: how long commands are gathered, so that one write to disk serves several.
    pub fn start(replica: Arc<Replica>, followers: Vec<Channel>, gather: Duration) -> Leader {
        let (queue, queued) = mpsc::unbounded_channel();
        tokio::spawn(lead(replica.clone(), queued, followers, gather));
        Leader { replica, queue }
    }

    pub fn propose(&self, command: Command) -> Result<(), Status> {
        let came = Instant::now();
        self.replica.announce(&command, came);
        let sent = self.queue.send((command, came));
        sent.map_err(|_| Status::unavailable("the journal cannot be written"))
    }
}

async fn lead(
    replica: Arc<Replica>,
    mut queued: UnboundedReceiver<Queued>,
    followers: Vec<Channel>,
    gather: Duration,
) {
    let (on_disk, mut acknowledged) = mpsc::unbounded_channel();
    let followers: Vec<UnboundedSender<Commands>> = followers
        .into_iter()
        .map(|channel| {
            let (next, batches) = mpsc::unbounded_channel();
            tokio::spawn(feed(channel, batches, on_disk.clone()));
            next
        })
        .collect();
    while let Some(first) = queued.recv().await {
        tokio::time::sleep(gather).await;
        let mut batch = vec![first];
        while let Ok(next) = queued.try_recv() {
            batch.push(next);
        }
        let commands: Vec<Command> = batch.iter().map(|(command, _)| command.clone()).collect();
        let done = replica.done();
        for follower in &followers {
            let batch = Commands {
                first: done,
                commands: commands.clone(),
            };
            // A follower that is gone does not come back; the other one makes the majority.
            let _ = follower.send(batch);
        }
        if let Err(error) = replica.write(&commands) {
            eprintln!("lock-node: journal: {error}");
            return;
        }
        // This node and one more are two of three.
        let all = done + commands.len() as u64;
        while acknowledged.recv().await.is_some_and(|next| next < all) {}
        for (command, came) in batch {
            replica.carry_out(command, came);
        }
    }
}

/// Gives one follower its commands, in order, and tells how far it is.
async fn feed(
    channel: Channel,
    mut batches: UnboundedReceiver<Commands>,
    on_disk: UnboundedSender<u64>,
) {
    let mut follower = ReplicationClient::new(channel);
    while let Some(commands) = batches.recv().await {
        match follower.append(commands).await {
            Ok(appended) => drop(on_disk.send(appended.into_inner().next)),
            Err(status) => {
                eprintln!("lock-node: a follower is lost: {status}");
                return;
            }
        }
    }
}
