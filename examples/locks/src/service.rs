//! What comes over gRPC.

use tonic::{Request, Response, Status};

use crate::node::Node;
use crate::proto::command::What;
use crate::proto::locks_server::Locks;
use crate::proto::replication_server::Replication;
use crate::proto::{
    Acquire, AcquireRequest, Appended, Command, Commands, Grant, Proposed, Release, ReleaseRequest,
    Released, Renew, RenewRequest, Renewal,
};
use crate::table::Answer;

/// A lease may be as long as that, in milliseconds.
const TTL_MAX_MS: u32 = 60_000;

#[tonic::async_trait]
impl Locks for Node {
    async fn acquire(&self, request: Request<AcquireRequest>) -> Result<Response<Grant>, Status> {
        let AcquireRequest {
            lock,
            holder,
            ttl_ms,
        } = request.into_inner();
        let ttl_ms = lease(ttl_ms)?;
        let what = What::Acquire(Acquire { ttl_ms });
        match self.ask(command(lock, holder, what)).await? {
            Answer::Grant(grant) => Ok(Response::new(grant)),
            other => Err(amiss(other)),
        }
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<Renewal>, Status> {
        let RenewRequest {
            lock,
            holder,
            ttl_ms,
        } = request.into_inner();
        let ttl_ms = lease(ttl_ms)?;
        let what = What::Renew(Renew { ttl_ms });
        match self.ask(command(lock, holder, what)).await? {
            Answer::Renewal(renewal) => Ok(Response::new(renewal)),
            other => Err(amiss(other)),
        }
    }

    async fn release(
        &self,
        request: Request<ReleaseRequest>,
    ) -> Result<Response<Released>, Status> {
        let ReleaseRequest { lock, holder } = request.into_inner();
        let what = What::Release(Release {});
        match self.ask(command(lock, holder, what)).await? {
            Answer::Released(released) => Ok(Response::new(released)),
            other => Err(amiss(other)),
        }
    }
}

#[tonic::async_trait]
impl Replication for Node {
    async fn propose(&self, request: Request<Command>) -> Result<Response<Proposed>, Status> {
        Node::propose(self, request.into_inner())?;
        Ok(Response::new(Proposed {}))
    }

    async fn append(&self, request: Request<Commands>) -> Result<Response<Appended>, Status> {
        let next = Node::append(self, request.into_inner())?;
        Ok(Response::new(Appended { next }))
    }
}

fn command(lock: String, holder: String, what: What) -> Command {
    Command {
        lock,
        holder,
        what: Some(what),
        ..Command::default()
    }
}

fn lease(ttl_ms: u32) -> Result<u32, Status> {
    match ttl_ms {
        1..=TTL_MAX_MS => Ok(ttl_ms),
        _ => Err(Status::invalid_argument("a lease is 1 ms to 60 s")),
    }
}

fn amiss(answer: Answer) -> Status {
    Status::internal(format!("this was not asked: {answer:?}"))
}
