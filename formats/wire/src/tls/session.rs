//! What the handshakes of a connection agreed on, as far as its keys depend on it.

use super::crypt::{Opener, Suite};
use super::hello::Handshake;
use super::keys::{Label, Random, TlsKeys};
use crate::message::Direction;

/// How the records of a direction are read.
#[derive(Default)]
pub enum Crypt {
    /// Nobody has asked for keys yet.
    #[default]
    Unknown,
    /// There were none when the other side had sent so many bytes.
    Waiting(u64),
    Open(Box<Opener>),
    /// There are none.
    Closed,
}

impl Crypt {
    /// Behind a KeyUpdate.
    pub fn updated(self) -> Crypt {
        match self {
            Crypt::Open(opener) => match opener.next() {
                Some(next) => Crypt::Open(Box::new(next)),
                None => Crypt::Closed,
            },
            Crypt::Unknown | Crypt::Waiting(_) | Crypt::Closed => Crypt::Closed,
        }
    }
}

#[derive(Default)]
pub struct Session {
    client_random: Option<Random>,
    server_random: Option<Random>,
    version: &'static str,
    suite: Option<Suite>,
    /// By ALPN.
    pub protocol: Option<Vec<u8>>,
    /// Which sides have finished their handshakes.
    finished: [bool; 2],
}

impl Session {
    pub fn take(&mut self, handshake: &Handshake) {
        match handshake {
            Handshake::ClientHello { random, .. } => {
                self.client_random = *random;
                self.server_random = None;
                self.finished = [false; 2];
            }
            Handshake::ServerHello {
                random,
                version,
                number,
                protocol,
                ..
            } => {
                self.server_random = *random;
                self.version = version;
                self.suite = Suite::of(*number);
                self.protocol = protocol.clone().or(self.protocol.take());
            }
            Handshake::EncryptedExtensions { protocol } => {
                self.protocol = protocol.clone().or(self.protocol.take());
            }
            Handshake::Finished | Handshake::KeyUpdate | Handshake::Other(_) => {}
        }
    }

    pub fn is_13(&self) -> bool {
        self.version == "1.3"
    }

    pub fn finished(&mut self, direction: Direction) {
        self.finished[direction.index()] = true;
    }

    /// Whether there is a session of a kind that can be decrypted at all.
    pub fn may_have_keys(&self) -> bool {
        let known = self.client_random.is_some() && self.server_random.is_some();
        known && self.suite.is_some()
    }

    /// What decrypts a direction from here on, if its keys are known.
    pub fn opener(&self, keys: &TlsKeys, direction: Direction) -> Option<Box<Opener>> {
        let (client, server) = (self.client_random?, self.server_random?);
        let suite = self.suite?;
        let opener = match self.version {
            "1.3" => {
                let label = match (direction, self.finished[direction.index()]) {
                    (Direction::ToServer, false) => Label::ClientHandshake,
                    (Direction::ToServer, true) => Label::ClientTraffic,
                    (Direction::ToClient, false) => Label::ServerHandshake,
                    (Direction::ToClient, true) => Label::ServerTraffic,
                };
                Opener::tls13(suite, keys.find(&client, label)?)
            }
            "1.2" => {
                let master = keys.find(&client, Label::Master)?;
                let to_server = direction == Direction::ToServer;
                Opener::tls12(suite, &master, &client, &server, to_server)
            }
            _ => None,
        };
        opener.map(Box::new)
    }
}
