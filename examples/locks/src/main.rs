//! One of three nodes of a lock service. Clients ask any node; the leader, node 1, puts their commands in one order,
//! and each node carries them out in that order.
//!
//! To stay small, it leaves out what a service for production has: an election when the leader is gone, and the
//! reading of the journal after a crash. It has a real bug, and README.md says where; try to find it first.

mod journal;
mod leader;
mod node;
mod service;
mod table;

mod proto {
    tonic::include_proto!("locks.v1");
}

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{signal, SignalKind};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};

use crate::journal::Journal;
use crate::node::{Node, LEADER};
use crate::proto::locks_server::LocksServer;
use crate::proto::replication_server::ReplicationServer;

const NODES: u32 = 3;

#[derive(Parser)]
struct Args {
    /// The number of this node; node 1 leads.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(NODES)))]
    node: u32,
    /// A folder that all nodes share: where each says its address, and keeps its journal.
    #[arg(long)]
    folder: PathBuf,
    /// How long the leader gathers commands before it writes them, in milliseconds.
    #[arg(long, default_value_t = 5)]
    gather_ms: u64,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let name = |node: u32, what: &str| args.folder.join(format!("node-{node}.{what}"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    say_address(&name(args.node, "address"), &listener)?;
    let journal = Journal::create(&name(args.node, "journal"))?;

    let mut others = Vec::new();
    for other in (1..=NODES).filter(|other| *other != args.node) {
        others.push((other, reach(&name(other, "address")).await?));
    }
    let node = if args.node == LEADER {
        let followers = others.into_iter().map(|(_, channel)| channel).collect();
        Node::leader(journal, followers, Duration::from_millis(args.gather_ms))
    } else {
        let leader = others.into_iter().find(|(other, _)| *other == LEADER);
        Node::follower(args.node, journal, leader.expect("node 1 is another").1)
    };
    let node = Arc::new(node);
    tokio::spawn(node::let_leases_lapse(node.clone()));

    let mut end = signal(SignalKind::terminate())?;
    Server::builder()
        .add_service(LocksServer::from_arc(node.clone()))
        .add_service(ReplicationServer::from_arc(node))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            async move {
                end.recv().await;
            },
        )
        .await?;
    Ok(())
}

/// The port is the kernel's choice; the file appears whole, by rename.
fn say_address(path: &Path, listener: &TcpListener) -> io::Result<()> {
    let partial = path.with_extension("partial");
    fs::write(&partial, format!("{}\n", listener.local_addr()?))?;
    fs::rename(partial, path)
}

/// A channel to a node, as soon as that has said where it is.
async fn reach(path: &Path) -> Result<Channel, Box<dyn Error>> {
    for _ in 0..500 {
        if let Ok(address) = fs::read_to_string(path) {
            return Ok(Endpoint::try_from(format!("http://{}", address.trim()))?.connect_lazy());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err(format!("{} did not appear within 10 s", path.display()).into())
}
