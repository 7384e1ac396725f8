//! pcapng: packets as a capture on the wire would have shown them.
//!
//! A trace has the bytes that programs sent, and no packets: these are made. TCP connections have the
//! addresses that they had, begin with a handshake when they were made and end when they were closed;
//! a segment is a call that sent, or a part of a long one, at the time when that call returned. What
//! one side has sent counts as acknowledged by the next segment of the other. Datagrams are datagrams.
//! Pipes, FIFOs and unix sockets are connections of their own kind between addresses of 127.128.0.0/9
//! that stand for processes (127.128.0.7 is process 7), which a name resolution block names; each kind
//! of channel is an interface. Comments tell the processes and the event.
//!
//! It is written while the trace is being read. Only what is known out of order is held, within bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use etherparse::{PacketBuilder, TcpOptionElement};
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::name_resolution::{Ipv4Record, NameResolutionBlock, Record};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::blocks::unknown::UnknownBlock;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::{DataLink, Endianness, PcapError};
use reenact_causal::{
    Address, Bytes, Channel, Connection, ConnectionId, Fact, Lane, Moment, Peer, Side, Story,
};
use reenact_trace::Reader;
use reenact_wire::Detail;
use rustc_hash::FxHashMap;

use super::clock::WallClock;
use super::output::Output;
use super::ExportError;
use crate::commands::show::line::{event_name, What};
use crate::commands::show::words::{main_of, plain as name};
use crate::commands::show::Decoding;

/// Bytes of a segment: with its headers it fits into an IP packet.
const SEGMENT_MAX: usize = 65_000;
/// Bytes of a datagram, by the length field of UDP over IPv4.
const DATAGRAM_MAX: usize = 65_507;
/// What a segment may have in front of its bytes.
const HEADERS_MAX: usize = 128;
/// Receivers never hold senders up here: the largest window there is (RFC 7323).
const WINDOW: u16 = u16::MAX;
const WINDOW_SCALE: u8 = 14;
const TTL: u8 = 64;
/// The first of the ports that are given to what has none. None of them has a protocol by itself.
const PORTS_FROM: u16 = 49_152;
/// The block with secrets, and the kind of them (draft-ietf-opsawg-pcapng, section 4.7).
const DECRYPTION_SECRETS: u32 = 10;
const TLS_KEY_LOG: u32 = 0x544c_534b;
/// Protocols that are named for Wireshark, which may not know them by their ports.
const HINTS_MAX: usize = 32;

pub fn export(
    decoding: &Decoding,
    reader: &mut Reader,
    out: &mut Output,
) -> Result<Vec<String>, ExportError> {
    let clock = WallClock::of(reader)?;
    let mut capture = Capture::begin(reader, clock, out)?;
    let mut narrator = decoding.narrator(Detail::Summaries)?;
    if let Some(path) = &decoding.tls_keys {
        let log = std::fs::read(path).map_err(|source| ExportError::Output {
            path: path.clone(),
            source,
        })?;
        capture.keys(&log)?;
    }
    let mut story = Story::new(reader);
    let mut lines = Vec::new();
    while let Some(moment) = story.next(reader)? {
        capture.take(&story, &moment)?;
        narrator.take(&story, &moment, &mut lines);
        for line in lines.drain(..) {
            if let What::Message {
                connection,
                protocol,
                ..
            } = line.what
            {
                capture.hint(connection, protocol);
            }
        }
    }
    capture.finish()?;
    Ok(capture.hints.into_iter().collect())
}

/// Says how to read the capture, where its ports alone do not tell.
pub fn teach(path: &Path, hints: &[String]) {
    if hints.is_empty() || path == Path::new("-") {
        return;
    }
    let options: Vec<String> = hints.iter().map(|hint| format!("-d {hint}")).collect();
    let (path, options) = (path.display(), options.join(" "));
    eprintln!("replay: now try: wireshark {options} {path}");
}

/// Bytes of a lane, with who moved them.
#[derive(Clone)]
struct Note {
    time_ns: u64,
    comment: String,
}

struct Flow {
    ends: [SocketAddr; 2],
    interface: u32,
    datagrams: bool,
    lanes: [Lane<Note>; 2],
    /// The sequence number of each side's first byte, less one.
    first: [u32; 2],
    ended: [bool; 2],
    hinted: bool,
}

struct Capture<'a> {
    writer: PcapNgWriter<&'a mut Output>,
    clock: WallClock,
    flows: FxHashMap<ConnectionId, Flow>,
    interfaces: BTreeMap<(Channel, u64), u32>,
    named: BTreeSet<Ipv4Addr>,
    hints: BTreeSet<String>,
    /// The latest time so far: a packet never stands before one that it follows from.
    now_ns: u64,
    packet: Vec<u8>,
}

impl<'a> Capture<'a> {
    fn begin(
        reader: &Reader,
        clock: WallClock,
        out: &'a mut Output,
    ) -> Result<Capture<'a>, ExportError> {
        let meta = reader.meta();
        let words = meta.argv.iter().map(|word| String::from_utf8_lossy(word));
        let command = words.collect::<Vec<_>>().join(" ");
        let text = |text: String| {
            text.replace('\0', " ")
                .chars()
                .take(1000)
                .collect::<String>()
        };
        let comment = format!("Made from a recording of `{command}` on {}", meta.host);
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![
                SectionHeaderOption::Comment(text(comment).into()),
                SectionHeaderOption::OS(text(meta.kernel.clone()).into()),
                SectionHeaderOption::UserApplication(
                    concat!("Reenact ", env!("CARGO_PKG_VERSION")).into(),
                ),
            ],
            ..SectionHeaderBlock::default()
        };
        let writer = PcapNgWriter::with_section_header(out, section).map_err(failed)?;
        Ok(Capture {
            writer,
            clock,
            flows: FxHashMap::default(),
            interfaces: BTreeMap::new(),
            named: BTreeSet::new(),
            hints: BTreeSet::new(),
            now_ns: 0,
            packet: Vec::new(),
        })
    }

    fn take(&mut self, story: &Story, moment: &Moment) -> Result<(), ExportError> {
        self.now_ns = self.now_ns.max(moment.time_ns);
        match &moment.fact {
            Fact::Open { connection, .. } => {
                let known = story.connections().get(*connection);
                if known.channel == Channel::Tcp && real_ends(known).is_some() {
                    self.flow(story, *connection)?;
                }
            }
            Fact::Send {
                connection,
                from,
                offset,
                bytes,
            } => {
                self.bytes(story, moment, *connection, *from, *offset, bytes)?;
            }
            Fact::Receive {
                connection,
                from,
                offset,
                bytes,
                ..
            } => {
                let known = story.connections().get(*connection);
                let sent = known.ends[from.index()].process.is_some() && *offset != u64::MAX;
                // What was seen being sent is in the capture.
                if !(known.channel.keeps_messages() && sent) {
                    self.bytes(story, moment, *connection, *from, *offset, bytes)?;
                }
            }
            Fact::Close { connection, side } => {
                if self.flows.contains_key(connection) {
                    self.end(*connection, *side)?;
                }
            }
            Fact::Spawn { .. } | Fact::Start { .. } | Fact::Exec { .. } | Fact::End { .. } => {}
            Fact::Wait { .. } | Fact::Kill { .. } | Fact::Signal { .. } | Fact::Fault { .. } => {}
            Fact::Listen { .. } | Fact::Refused { .. } | Fact::EndOfStream { .. } => {}
            Fact::Standard { .. } | Fact::Unrecorded { .. } | Fact::Gap { .. } => {}
            Fact::Mark { .. } | Fact::Chain { .. } => {}
            Fact::KeyLog { lines } => self.keys(lines)?,
        }
        Ok(())
    }

    /// Keys go into the capture, so that Wireshark decrypts what follows.
    fn keys(&mut self, lines: &[u8]) -> Result<(), ExportError> {
        // A Decryption Secrets Block, of which the library knows nothing: type, length and lines.
        let mut value = Vec::with_capacity(lines.len() + 8);
        value.extend(TLS_KEY_LOG.to_le_bytes());
        value.extend((lines.len() as u32).to_le_bytes());
        value.extend_from_slice(lines);
        let len = value.len() as u32;
        value.resize(value.len().next_multiple_of(4), 0);
        let block = UnknownBlock::new(DECRYPTION_SECRETS, len, &value);
        self.writer.write_pcapng_block(block).map_err(failed)?;
        Ok(())
    }

    /// What waits for bytes that nobody knows.
    fn finish(&mut self) -> Result<(), ExportError> {
        let mut left: Vec<ConnectionId> = self.flows.keys().copied().collect();
        left.sort_unstable();
        for connection in left {
            for side in [Side::Zero, Side::One] {
                self.drain(connection, side, true)?;
            }
        }
        Ok(())
    }

    /// The flow of a connection, with its handshake if it is new.
    fn flow(&mut self, story: &Story, connection: ConnectionId) -> Result<(), ExportError> {
        if self.flows.contains_key(&connection) {
            return Ok(());
        }
        let known = story.connections().get(connection);
        let ends = match real_ends(known) {
            Some(ends) => ends,
            None => self.made_up_ends(story, connection)?,
        };
        // Connections that use a port again begin elsewhere.
        let first = connection.0.wrapping_add(1).wrapping_mul(0x9e37_79b1);
        let flow = Flow {
            ends,
            interface: self.interface(known.channel, known.net)?,
            datagrams: known.channel.keeps_messages(),
            lanes: Default::default(),
            first: [first, first.wrapping_add(1 << 31)],
            ended: [false; 2],
            hinted: false,
        };
        if !flow.datagrams {
            let names = [Side::Zero, Side::One].map(|side| at_side(story, connection, side));
            let comment = format!("connection {}: {} → {}", connection.0, names[0], names[1]);
            let (now_ns, [client, server]) = (self.now_ns, flow.first);
            let syn = |builder: Segment| builder.syn();
            self.segment(&flow, Side::Zero, client, None, now_ns, &comment, &syn)?;
            self.segment(
                &flow,
                Side::One,
                server,
                Some(client.wrapping_add(1)),
                now_ns,
                "",
                &syn,
            )?;
            let next = client.wrapping_add(1);
            let plain = |builder: Segment| builder;
            self.segment(
                &flow,
                Side::Zero,
                next,
                Some(server.wrapping_add(1)),
                now_ns,
                "",
                &plain,
            )?;
        }
        self.flows.insert(connection, flow);
        Ok(())
    }

    /// Addresses for what has none: the processes at both ends, and ports by the connection's number.
    fn made_up_ends(
        &mut self,
        story: &Story,
        connection: ConnectionId,
    ) -> Result<[SocketAddr; 2], ExportError> {
        // Two ports each: both ends may be one process.
        let pair = connection.0 % u32::from((u16::MAX - PORTS_FROM) / 2);
        let port = PORTS_FROM + 2 * pair as u16;
        let mut ends = [port + 1, port].map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        for (side, end) in [Side::Zero, Side::One].into_iter().zip(&mut ends) {
            let process = match story.connections().peer(connection, side) {
                Peer::Process(process) => process,
                Peer::Outside(_) => 0,
            };
            let [_, b, c, d] = process.to_be_bytes();
            let ip = Ipv4Addr::new(127, 128 | b, c, d);
            let text = match process {
                0 => "outside".to_owned(),
                process => name(story, process),
            };
            self.name(ip, &text)?;
            end.set_ip(ip.into());
        }
        Ok(ends)
    }

    /// Says once what an address stands for.
    fn name(&mut self, ip: Ipv4Addr, text: &str) -> Result<(), ExportError> {
        if !self.named.insert(ip) {
            return Ok(());
        }
        let record = Record::Ipv4(Ipv4Record {
            ip_addr: ip.octets().to_vec().into(),
            names: vec![text.to_owned().into()],
        });
        let block = NameResolutionBlock {
            records: vec![record],
            options: Vec::new(),
        };
        self.writer.write_pcapng_block(block).map_err(failed)?;
        Ok(())
    }

    /// The interface of a kind of channel in a network namespace.
    fn interface(&mut self, channel: Channel, net: u64) -> Result<u32, ExportError> {
        if let Some(known) = self.interfaces.get(&(channel, net)) {
            return Ok(*known);
        }
        let nets = self.interfaces.keys().filter(|known| known.0 == channel);
        let text = match nets.count() {
            0 => channel.name().to_owned(),
            more => format!("{}-{}", channel.name(), more + 1),
        };
        let what = match net {
            0 => format!("what went over channels of the kind {}", channel.name()),
            net => format!("{} in the network namespace {net}", channel.name()),
        };
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::RAW,
            snaplen: 0,
            options: vec![
                InterfaceDescriptionOption::IfName(text.into()),
                InterfaceDescriptionOption::IfDescription(what.into()),
                // Nanoseconds.
                InterfaceDescriptionOption::IfTsResol(9),
            ],
        };
        self.writer.write_pcapng_block(block).map_err(failed)?;
        let number = self.interfaces.len() as u32;
        self.interfaces.insert((channel, net), number);
        Ok(number)
    }

    fn bytes(
        &mut self,
        story: &Story,
        moment: &Moment,
        connection: ConnectionId,
        from: Side,
        offset: u64,
        bytes: &Bytes,
    ) -> Result<(), ExportError> {
        self.flow(story, connection)?;
        let process = moment.event.stream.process;
        let event = event_name(moment.event, main_of(story, process));
        let [sender, receiver] = [from, from.other()].map(|side| at_side(story, connection, side));
        let comment = format!("{event} {sender} → {receiver}");
        let Some(flow) = self.flows.get_mut(&connection) else {
            return Ok(());
        };
        if flow.datagrams {
            return self.datagram(connection, from, bytes, &comment);
        }
        let note = Note {
            time_ns: self.now_ns,
            comment,
        };
        flow.lanes[from.index()].add(offset, &bytes.known, note);
        self.drain(connection, from, false)
    }

    /// Segments of what is known in order; of all that is known, in the end.
    fn drain(
        &mut self,
        connection: ConnectionId,
        from: Side,
        all: bool,
    ) -> Result<(), ExportError> {
        let Some(mut flow) = self.flows.remove(&connection) else {
            return Ok(());
        };
        let next = |lane: &mut Lane<Note>| match all {
            true => lane.next_left(),
            false => lane.next_piece(),
        };
        while let Some((offset, bytes, note)) = next(&mut flow.lanes[from.index()]) {
            let mut seq = sequence(&flow, from, offset);
            let ack = acknowledged(&flow, from);
            let time_ns = note.time_ns.max(self.now_ns);
            for chunk in bytes.chunks(SEGMENT_MAX) {
                let push = |builder: Segment| builder.psh();
                self.payload(&flow, from, seq, ack, time_ns, &note.comment, chunk, &push)?;
                seq = seq.wrapping_add(chunk.len() as u32);
            }
        }
        self.flows.insert(connection, flow);
        Ok(())
    }

    /// A side has closed: nothing more comes from there.
    fn end(&mut self, connection: ConnectionId, side: Side) -> Result<(), ExportError> {
        self.drain(connection, side, true)?;
        let Some(mut flow) = self.flows.remove(&connection) else {
            return Ok(());
        };
        if !flow.datagrams && !flow.ended[side.index()] {
            let seq = sequence(&flow, side, flow.lanes[side.index()].told());
            let ack = acknowledged(&flow, side);
            let now_ns = self.now_ns;
            let fin = |builder: Segment| builder.fin();
            self.segment(&flow, side, seq, Some(ack), now_ns, "", &fin)?;
            flow.ended[side.index()] = true;
        }
        if flow.ended != [true; 2] {
            self.flows.insert(connection, flow);
            return Ok(());
        }
        // The last acknowledgement ends it.
        let other = side.other();
        let seq = sequence(&flow, other, flow.lanes[other.index()].told()).wrapping_add(1);
        let ack = acknowledged(&flow, other);
        let (now_ns, plain) = (self.now_ns, |builder: Segment| builder);
        self.segment(&flow, other, seq, Some(ack), now_ns, "", &plain)
    }

    #[allow(clippy::too_many_arguments)]
    fn segment(
        &mut self,
        flow: &Flow,
        from: Side,
        seq: u32,
        ack: Option<u32>,
        time_ns: u64,
        comment: &str,
        flags: &dyn Fn(Segment) -> Segment,
    ) -> Result<(), ExportError> {
        let opens = seq == flow.first[from.index()];
        let options = [
            TcpOptionElement::MaximumSegmentSize(SEGMENT_MAX as u16),
            TcpOptionElement::WindowScale(WINDOW_SCALE),
        ];
        let options = if opens { &options[..] } else { &[] };
        let make = |mut builder: Segment| {
            if let Some(ack) = ack {
                builder = builder.ack(ack);
            }
            let builder = flags(builder);
            builder
                .options(options)
                .expect("two short options fit into a header")
        };
        self.tcp(flow, from, seq, time_ns, comment, &[], &make)
    }

    #[allow(clippy::too_many_arguments)]
    fn payload(
        &mut self,
        flow: &Flow,
        from: Side,
        seq: u32,
        ack: u32,
        time_ns: u64,
        comment: &str,
        bytes: &[u8],
        flags: &dyn Fn(Segment) -> Segment,
    ) -> Result<(), ExportError> {
        let make = |builder: Segment| flags(builder.ack(ack));
        self.tcp(flow, from, seq, time_ns, comment, bytes, &make)
    }

    #[allow(clippy::too_many_arguments)]
    fn tcp(
        &mut self,
        flow: &Flow,
        from: Side,
        seq: u32,
        time_ns: u64,
        comment: &str,
        bytes: &[u8],
        make: &dyn Fn(Segment) -> Segment,
    ) -> Result<(), ExportError> {
        let [source, target] = [from, from.other()].map(|side| flow.ends[side.index()]);
        let builder = ip(source.ip(), target.ip()).tcp(source.port(), target.port(), seq, WINDOW);
        let mut packet = std::mem::take(&mut self.packet);
        packet.clear();
        packet.reserve(bytes.len() + HEADERS_MAX);
        let built = make(builder).write(&mut packet, bytes);
        built.map_err(|error| failed(PcapError::IoError(io::Error::other(error))))?;
        self.emit(flow.interface, time_ns, &packet, packet.len(), comment)?;
        self.packet = packet;
        Ok(())
    }

    fn datagram(
        &mut self,
        connection: ConnectionId,
        from: Side,
        bytes: &Bytes,
        comment: &str,
    ) -> Result<(), ExportError> {
        let Some(flow) = self.flows.get(&connection) else {
            return Ok(());
        };
        let [source, target] = [from, from.other()].map(|side| flow.ends[side.index()]);
        let kept = &bytes.known[..bytes.known.len().min(DATAGRAM_MAX)];
        let mut packet = Vec::with_capacity(kept.len() + HEADERS_MAX);
        let builder = ip(source.ip(), target.ip()).udp(source.port(), target.port());
        let built = builder.write(&mut packet, kept);
        built.map_err(|error| failed(PcapError::IoError(io::Error::other(error))))?;
        let interface = flow.interface;
        if kept.len() as u64 == bytes.len {
            return self.emit(interface, self.now_ns, &packet, packet.len(), comment);
        }
        // No packet can be that long, or the trace does not have it all.
        let comment = format!("{comment} ({} of {} bytes)", kept.len(), bytes.len);
        self.emit(interface, self.now_ns, &packet, packet.len(), &comment)
    }

    fn emit(
        &mut self,
        interface_id: u32,
        time_ns: u64,
        packet: &[u8],
        original: usize,
        comment: &str,
    ) -> Result<(), ExportError> {
        let comment = (!comment.is_empty()).then(|| EnhancedPacketOption::Comment(comment.into()));
        let block = EnhancedPacketBlock {
            interface_id,
            timestamp: self.clock.since_epoch(time_ns),
            original_len: original as u32,
            data: packet.into(),
            options: comment.into_iter().collect(),
        };
        self.writer.write_pcapng_block(block).map_err(failed)?;
        Ok(())
    }

    /// Notes which protocol is spoken on the port of a connection.
    fn hint(&mut self, connection: ConnectionId, protocol: &str) {
        let Some(dissector) = dissector(protocol) else {
            return;
        };
        let Some(flow) = self.flows.get_mut(&connection).filter(|flow| !flow.hinted) else {
            return;
        };
        flow.hinted = true;
        if self.hints.len() < HINTS_MAX {
            let port = flow.ends[Side::One.index()].port();
            self.hints.insert(format!("tcp.port=={port},{dissector}"));
        }
    }
}

type Segment = etherparse::PacketBuilderStep<etherparse::TcpHeader>;

/// How tshark calls a protocol (`tshark -G protocols`).
fn dissector(protocol: &str) -> Option<&'static str> {
    match protocol {
        "http/1" => Some("http"),
        "http/2" | "grpc" => Some("http2"),
        "postgresql" => Some("pgsql"),
        "redis" => Some("resp"),
        "tls" => Some("tls"),
        _ => None,
    }
}

/// The addresses that a connection had, if it had any, in one family.
fn real_ends(known: &Connection) -> Option<[SocketAddr; 2]> {
    let ends = [0, 1].map(|at| match &known.ends[at].address {
        Some(Address::Inet(address)) => Some(*address),
        Some(Address::Unix(_) | Address::Unnamed | Address::Other(..)) | None => None,
    });
    let [Some(mut a), Some(mut b)] = ends else {
        return None;
    };
    if a.is_ipv4() != b.is_ipv4() {
        for end in [&mut a, &mut b] {
            if let IpAddr::V4(ip) = end.ip() {
                end.set_ip(IpAddr::V6(ip.to_ipv6_mapped()));
            }
        }
    }
    Some([a, b])
}

fn ip(source: IpAddr, target: IpAddr) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            PacketBuilder::ipv4(source.octets(), target.octets(), TTL)
        }
        (source, target) => {
            let octets = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
                IpAddr::V6(ip) => ip.octets(),
            };
            PacketBuilder::ipv6(octets(source), octets(target), TTL)
        }
    }
}

/// Who is at a side.
fn at_side(story: &Story, connection: ConnectionId, side: Side) -> String {
    match story.connections().peer(connection, side) {
        Peer::Process(process) => name(story, process),
        Peer::Outside(Some(address)) => format!("outside {address}"),
        Peer::Outside(None) => "outside".to_owned(),
    }
}

/// The sequence number of a byte: the handshake takes the first.
fn sequence(flow: &Flow, side: Side, offset: u64) -> u32 {
    flow.first[side.index()]
        .wrapping_add(1)
        .wrapping_add(offset as u32)
}

/// What a side acknowledges: all that the other has sent.
fn acknowledged(flow: &Flow, side: Side) -> u32 {
    let other = side.other();
    let ended = u32::from(flow.ended[other.index()]);
    sequence(flow, other, flow.lanes[other.index()].told()).wrapping_add(ended)
}

fn failed(error: PcapError) -> ExportError {
    super::output::failed(match error {
        PcapError::IoError(error) => error,
        error => io::Error::other(error),
    })
}
