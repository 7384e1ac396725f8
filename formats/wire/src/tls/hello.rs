//! Handshakes that are sent in the clear.

use super::keys::Random;
use crate::escape::Summary;
use crate::node::Node;
use tls_parser::{
    parse_tls_client_hello_extensions, parse_tls_handshake_client_hello,
    parse_tls_handshake_server_hello, parse_tls_server_hello_extensions, TlsCipherSuite,
    TlsExtension, TlsVersion,
};

pub enum Handshake {
    ClientHello {
        random: Option<Random>,
        server: Option<Vec<u8>>,
        protocols: Vec<Vec<u8>>,
    },
    ServerHello {
        random: Option<Random>,
        version: &'static str,
        number: u16,
        cipher: String,
        protocol: Option<Vec<u8>>,
    },
    EncryptedExtensions {
        protocol: Option<Vec<u8>>,
    },
    Finished,
    KeyUpdate,
    Other(&'static str),
}

/// What stands for random bytes in a ServerHello that asks for another ClientHello (RFC 8446, section
/// 4.1.3): the SHA-256 of "HelloRetryRequest".
const RETRY: Random = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// The first handshake message, and its length; none if it is not complete.
pub fn next(bytes: &[u8]) -> Option<(Handshake, usize)> {
    let [kind, a, b, c] = *bytes.first_chunk::<4>()?;
    let len = 4 + (usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c));
    let payload = bytes.get(4..len)?;
    let handshake = match kind {
        1 => client_hello(payload).unwrap_or(Handshake::Other("a broken ClientHello")),
        2 => server_hello(payload).unwrap_or(Handshake::Other("a broken ServerHello")),
        8 => Handshake::EncryptedExtensions {
            protocol: encrypted_extensions(payload),
        },
        20 => Handshake::Finished,
        24 => Handshake::KeyUpdate,
        _ => Handshake::Other(name(kind)),
    };
    Some((handshake, len))
}

fn client_hello(payload: &[u8]) -> Option<Handshake> {
    let (_, hello) = parse_tls_handshake_client_hello(payload).ok()?;
    let (mut server, mut protocols) = (None, Vec::new());
    let (_, extensions) = parse_tls_client_hello_extensions(hello.ext.unwrap_or(b"")).ok()?;
    for extension in extensions {
        match extension {
            TlsExtension::SNI(names) => server = names.first().map(|name| name.1.to_vec()),
            TlsExtension::ALPN(names) => {
                protocols = names.into_iter().map(<[u8]>::to_vec).collect()
            }
            _ => {}
        }
    }
    Some(Handshake::ClientHello {
        random: hello.random.try_into().ok(),
        server,
        protocols,
    })
}

/// The protocol that was agreed upon.
fn encrypted_extensions(payload: &[u8]) -> Option<Vec<u8>> {
    let (_, extensions) = parse_tls_server_hello_extensions(payload.get(2..)?).ok()?;
    let mut protocols = extensions
        .into_iter()
        .filter_map(|extension| match extension {
            TlsExtension::ALPN(names) => names.first().map(|name| name.to_vec()),
            _ => None,
        });
    protocols.next()
}

fn server_hello(payload: &[u8]) -> Option<Handshake> {
    let (_, hello) = parse_tls_handshake_server_hello(payload).ok()?;
    let (mut version, mut protocol) = (hello.version, None);
    let (_, extensions) = parse_tls_server_hello_extensions(hello.ext.unwrap_or(b"")).ok()?;
    for extension in extensions {
        match extension {
            // Since 1.3, the version stands here.
            TlsExtension::SupportedVersions(versions) => version = *versions.first()?,
            TlsExtension::ALPN(names) => protocol = names.first().map(|name| name.to_vec()),
            _ => {}
        }
    }
    let version = match version {
        TlsVersion::Tls10 => "1.0",
        TlsVersion::Tls11 => "1.1",
        TlsVersion::Tls12 => "1.2",
        TlsVersion::Tls13 => "1.3",
        _ => "of an unknown version",
    };
    let number = hello.cipher.0;
    let cipher = TlsCipherSuite::from_id(number);
    let cipher = cipher.map_or_else(
        || format!("cipher {number:#06x}"),
        |cipher| cipher.name.into(),
    );
    let random: Option<Random> = hello.random.try_into().ok();
    Some(Handshake::ServerHello {
        random: random.filter(|random| *random != RETRY),
        version,
        number,
        cipher,
        protocol,
    })
}

fn name(kind: u8) -> &'static str {
    match kind {
        0 => "HelloRequest",
        4 => "NewSessionTicket",
        5 => "EndOfEarlyData",
        11 => "Certificate",
        12 => "ServerKeyExchange",
        13 => "CertificateRequest",
        14 => "ServerHelloDone",
        15 => "CertificateVerify",
        16 => "ClientKeyExchange",
        22 => "CertificateStatus",
        _ => "a handshake message",
    }
}

impl Handshake {
    pub fn name(&self) -> &'static str {
        match self {
            Handshake::ClientHello { .. } => "ClientHello",
            Handshake::ServerHello { .. } => "ServerHello",
            Handshake::EncryptedExtensions { .. } => "EncryptedExtensions",
            Handshake::Finished => "Finished",
            Handshake::KeyUpdate => "KeyUpdate",
            Handshake::Other(name) => name,
        }
    }

    pub fn summarise(&self, line: &mut Summary) {
        line.text(self.name());
        match self {
            Handshake::ClientHello {
                server, protocols, ..
            } => {
                if let Some(server) = server {
                    line.text(" ").raw(server);
                }
                for protocol in protocols {
                    line.text(" ").raw(protocol);
                }
            }
            Handshake::ServerHello {
                version,
                cipher,
                protocol,
                ..
            } => {
                line.text(" ").text(version).text(" ").text(cipher);
                if let Some(protocol) = protocol {
                    line.text(" ").raw(protocol);
                }
            }
            Handshake::EncryptedExtensions { protocol } => {
                if let Some(protocol) = protocol {
                    line.text(" ").raw(protocol);
                }
            }
            Handshake::Finished | Handshake::KeyUpdate | Handshake::Other(_) => {}
        }
    }

    pub fn node(&self) -> Node {
        let text = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(Node::Null, |b| Node::slice(b));
        match self {
            Handshake::ClientHello {
                server, protocols, ..
            } => Node::map([
                ("server", text(server)),
                (
                    "protocols",
                    Node::List(protocols.iter().map(|name| Node::slice(name)).collect()),
                ),
            ]),
            Handshake::ServerHello {
                version,
                cipher,
                protocol,
                ..
            } => Node::map([
                ("version", Node::text(*version)),
                ("cipher", Node::text(cipher.as_str())),
                ("protocol", text(protocol)),
            ]),
            Handshake::EncryptedExtensions { protocol } => {
                Node::map([("protocol", text(protocol))])
            }
            Handshake::Finished | Handshake::KeyUpdate | Handshake::Other(_) => Node::Null,
        }
    }
}

/// RFC 8446, section 6.
pub fn alert_name(code: u8) -> &'static str {
    match code {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        22 => "record_overflow",
        40 => "handshake_failure",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        109 => "missing_extension",
        112 => "unrecognized_name",
        116 => "certificate_required",
        120 => "no_application_protocol",
        _ => "of an unknown kind",
    }
}
