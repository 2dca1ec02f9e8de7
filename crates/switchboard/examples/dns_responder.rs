//! A small DNS server: it knows the names that it is told, and nobody else's.
//! `dns_responder [--driver auto|readiness|io_uring] [--listen ADDR] NAME=IP..` (default
//! `localhost:5353`), so for example
//!
//! ```sh
//! cargo run --example dns_responder -- www.example.test=192.0.2.1 www.example.test=2001:db8::1
//! dig -p 5353 @127.0.0.1 www.example.test AAAA
//! ```
//!
//! It must never answer an answer, or two servers could keep each other busy for ever.

use std::collections::BTreeMap;
use std::net::IpAddr;

use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, OPCODE, Packet, PacketFlag, QTYPE, RCODE, ResourceRecord, TYPE};
use switchboard::{Address, Context, Error, Handler, Reactor, Result};

/// What an answer may be long for somebody who does not say otherwise (RFC 1035, section 4.2.1).
const PLAIN: usize = 512;

/// What we take and send at most: such datagrams pass everywhere in one piece (DNS flag day 2020).
const EXTENDED: usize = 1232;

/// How long an answer may be kept, in seconds.
const TTL: u32 = 60;

#[derive(Default)]
struct Zone {
    /// By name, in small letters: names that differ in that alone are the same.
    hosts: BTreeMap<String, Vec<IpAddr>>,
}

struct Responder;

impl Handler<Zone> for Responder {
    fn handle_datagram(
        &mut self,
        zone: &mut Zone,
        cx: &mut Context<'_, Zone>,
        bytes: &[u8],
        from: &Address,
    ) -> Result {
        let answer = match Packet::parse(bytes) {
            Ok(query) if query.has_flags(PacketFlag::RESPONSE) => return Ok(()),
            Ok(query) if !cx.is_truncated() => zone.answer(&query)?,
            _ => match bytes {
                [high, low, flags, ..] if flags & 0x80 == 0 && bytes.len() >= 12 => {
                    let id = u16::from_be_bytes([*high, *low]);
                    failure(id, RCODE::FormatError).map_err(Error::other)?
                }
                _ => return Err("a datagram that is no query".into()),
            },
        };
        cx.send_datagram(answer, from)
    }

    fn handle_error(&mut self, _: &mut Zone, _: &mut Context<'_, Zone>, error: &Error) {
        eprintln!("{error}");
    }
}

fn failure(id: u16, code: RCODE) -> simple_dns::Result<Vec<u8>> {
    let mut reply = Packet::new_reply(id);
    *reply.rcode_mut() = code;
    reply.build_bytes_vec()
}

impl Zone {
    fn answer(&self, query: &Packet<'_>) -> Result<Vec<u8>> {
        let mut reply = Packet::new_reply(query.id());
        *reply.opcode_mut() = query.opcode();
        if query.has_flags(PacketFlag::RECURSION_DESIRED) {
            reply.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        let mut room = PLAIN;
        if let Some(opt) = query.opt() {
            room = usize::from(opt.udp_packet_size).clamp(PLAIN, EXTENDED);
            *reply.opt_mut() = Some(OPT {
                opt_codes: Vec::new(),
                udp_packet_size: EXTENDED as u16,
                version: 0,
            });
        }
        reply.questions.clone_from(&query.questions);
        *reply.rcode_mut() = match &query.questions[..] {
            _ if query.opcode() != OPCODE::StandardQuery => RCODE::NotImplemented,
            [question] => {
                let name = question.qname.to_string().to_ascii_lowercase();
                match self.hosts.get(&name) {
                    None => RCODE::NameError,
                    Some(addresses) => {
                        reply.set_flags(PacketFlag::AUTHORITATIVE_ANSWER);
                        let fitting = addresses.iter().filter(|ip| is_asked(question.qtype, ip));
                        reply.answers.extend(fitting.map(|ip| {
                            let name = question.qname.clone();
                            ResourceRecord::new(name, CLASS::IN, TTL, record(*ip))
                        }));
                        RCODE::NoError
                    }
                }
            }
            _ => RCODE::FormatError,
        };
        let bytes = reply.build_bytes_vec_compressed().map_err(Error::other)?;
        if bytes.len() <= room {
            return Ok(bytes);
        }
        // Whoever wants all of it asks again, over TCP.
        reply.answers.clear();
        reply.set_flags(PacketFlag::TRUNCATION);
        reply.build_bytes_vec_compressed().map_err(Error::other)
    }
}

fn is_asked(asked: QTYPE, ip: &IpAddr) -> bool {
    let kind = if ip.is_ipv4() { TYPE::A } else { TYPE::AAAA };
    asked == QTYPE::ANY || asked == QTYPE::TYPE(kind)
}

fn record(ip: IpAddr) -> RData<'static> {
    match ip {
        IpAddr::V4(ip) => RData::A(ip.into()),
        IpAddr::V6(ip) => RData::AAAA(ip.into()),
    }
}

fn main() -> Result {
    let mut address = "localhost:5353".to_owned();
    let mut builder = Reactor::builder();
    let mut zone = Zone::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--driver" => builder = builder.driver(arguments.next().unwrap_or_default().parse()?),
            "--listen" => address = arguments.next().ok_or("--listen needs an address")?,
            host => {
                let expected = "expected NAME=IP, such as www.example.test=192.0.2.1";
                let (name, ip) = host.split_once('=').ok_or(expected)?;
                let ip = ip.parse().map_err(|_| expected)?;
                let name = name.trim_end_matches('.').to_ascii_lowercase();
                zone.hosts.entry(name).or_default().push(ip);
            }
        }
    }
    let mut reactor = builder.build(zone)?;
    let mut socket = reactor.bind_udp(&address)?;
    socket.set_longest(EXTENDED);
    println!("listening on {}", socket.local()?);
    reactor.register_udp(socket, Responder)?;
    reactor.run()
}
