//! The protocols that are known, in the order in which they are asked.

use crate::connection::{Connection, Hint};
use crate::protocol::{Confidence, Opening, Protocol};
use crate::settings::Settings;
use std::sync::Arc;

/// Makes a [`Connection`] for each recorded one.
#[derive(Clone)]
pub struct Registry {
    protocols: Arc<[Box<dyn Protocol>]>,
    settings: Arc<Settings>,
}

impl Registry {
    /// All protocols of this crate.
    pub fn standard(settings: Settings) -> Self {
        Self::new(
            settings,
            vec![
                Box::new(crate::http1::Http1),
                Box::new(crate::http2::Http2),
                Box::new(crate::postgres::Postgres),
                Box::new(crate::resp::Resp),
                Box::new(crate::tls::Tls),
            ],
        )
    }

    /// Chosen protocols. Of equally likely ones the first is taken.
    pub fn new(settings: Settings, protocols: Vec<Box<dyn Protocol>>) -> Self {
        Self {
            protocols: protocols.into(),
            settings: Arc::new(settings),
        }
    }

    /// Names of all protocols, to choose one by.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.protocols.iter().map(|protocol| protocol.name())
    }

    pub fn connection(&self, hint: Hint) -> Connection {
        Connection::new(self.clone(), hint)
    }

    pub(crate) fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    pub(crate) fn get(&self, name: &str) -> Option<&dyn Protocol> {
        let found = self
            .protocols
            .iter()
            .find(|protocol| protocol.name() == name);
        found.map(|protocol| &**protocol)
    }

    /// The protocol that is surest of the bytes.
    pub(crate) fn surest(&self, opening: &Opening<'_>) -> (Confidence, Option<&dyn Protocol>) {
        let mut best = (Confidence::No, None);
        for protocol in self.protocols.iter() {
            let confidence = protocol.sniff(opening);
            if confidence > best.0 {
                best = (confidence, Some(&**protocol));
            }
        }
        best
    }
}
