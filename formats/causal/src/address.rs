//! Socket addresses as the kernel writes them, x86-64 (ip(7), ipv6(7), unix(7)).

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Where an end of a connection is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// An IPv4 address that was written as an IPv6 one is the IPv4 one.
    Inet(SocketAddr),
    /// A path, or an abstract name, which starts with a zero byte. Never empty.
    Unix(Vec<u8>),
    /// A unix socket without a name.
    Unnamed,
    /// Of another family, whose number this is, as it stood in memory.
    Other(u16, Vec<u8>),
}

impl Address {
    /// Reads a `sockaddr` of any family; `None` if it is too short to be one.
    pub fn decode(bytes: &[u8]) -> Option<Address> {
        let family = u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?]);
        let port = || Some(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
        match family {
            AF_INET => {
                let ip: [u8; 4] = bytes.get(4..8)?.try_into().ok()?;
                Some(Address::Inet((Ipv4Addr::from(ip), port()?).into()))
            }
            AF_INET6 => {
                let ip: [u8; 16] = bytes.get(8..24)?.try_into().ok()?;
                let ip = IpAddr::V6(Ipv6Addr::from(ip)).to_canonical();
                Some(Address::Inet((ip, port()?).into()))
            }
            AF_UNIX => {
                let path = &bytes[2..];
                if path.is_empty() {
                    return Some(Address::Unnamed);
                }
                if path[0] == 0 {
                    return Some(Address::Unix(path.to_vec()));
                }
                let end = path.iter().position(|byte| *byte == 0);
                Some(Address::Unix(path[..end.unwrap_or(path.len())].to_vec()))
            }
            family => Some(Address::Other(family, bytes[2..].to_vec())),
        }
    }

    /// A socket that is bound here receives from all addresses of the machine.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Address::Inet(address) if address.ip().is_unspecified())
    }

    /// A port that is still to be chosen, or no name: nobody can be reached there.
    pub fn is_reachable(&self) -> bool {
        match self {
            Address::Inet(address) => address.port() != 0,
            Address::Unix(_) | Address::Other(..) => true,
            Address::Unnamed => false,
        }
    }

    pub fn port(&self) -> Option<u16> {
        match self {
            Address::Inet(address) => Some(address.port()),
            Address::Unix(_) | Address::Unnamed | Address::Other(..) => None,
        }
    }
}

/// As people write it; bytes of a path that are not printable are escaped.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(address) => address.fmt(f),
            Address::Unix(name) => {
                let (sign, name) = match name.split_first() {
                    Some((0, name)) => ("@", name),
                    _ => ("", &name[..]),
                };
                write!(f, "unix:{sign}{}", name.escape_ascii())
            }
            Address::Unnamed => f.write_str("unix"),
            Address::Other(family, bytes) => {
                write!(f, "family {family}:{}", bytes.escape_ascii())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_people_write_them() {
        let text = |bytes: &[u8]| Address::decode(bytes).map(|address| address.to_string());
        let v4 = b"\x02\x00\x46\x47\x7f\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00";
        assert_eq!(text(v4).unwrap(), "127.0.0.1:17991");
        let mut v6 = vec![10, 0, 0, 80, 0, 0, 0, 0];
        v6.extend([0; 10]);
        v6.extend([0xff, 0xff, 10, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(text(&v6).unwrap(), "10.0.0.1:80");
        assert_eq!(text(b"\x01\0/tmp/\x1b[s\0\0").unwrap(), "unix:/tmp/\\x1b[s");
        assert_eq!(text(b"\x01\0\0name").unwrap(), "unix:@name");
        assert_eq!(text(b"\x01\0").unwrap(), "unix");
        assert_eq!(text(b"\x02\0\0"), None);
        assert_eq!(text(b""), None);
        assert_eq!(text(b"\x10\0\x07").unwrap(), "family 16:\\x07");
    }
}
