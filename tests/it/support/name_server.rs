//! A name server on loopback that knows a few SRV records (RFC 2782), and nothing else.

use std::net::{SocketAddr, UdpSocket};

use super::scratch;

pub struct NameServer {
    pub at: SocketAddr,
}

const SRV: u16 = 33;

impl NameServer {
    /// `records`: name, priority, port and target. It ends with the process.
    pub fn start(records: &[(&str, u16, u16, &str)]) -> Self {
        let socket = UdpSocket::bind((scratch::address(), 0)).unwrap();
        let at = socket.local_addr().unwrap();
        let own = |(name, priority, port, target): &(&str, u16, u16, &str)| {
            ((*name).to_owned(), *priority, *port, (*target).to_owned())
        };
        let records: Vec<_> = records.iter().map(own).collect();
        std::thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut octets) {
                if let Some(answer) = answer(&octets[..length], &records) {
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Self { at }
    }
}

fn answer(question: &[u8], records: &[(String, u16, u16, String)]) -> Option<Vec<u8>> {
    let mut at = 12;
    let mut labels = Vec::new();
    while *question.get(at)? > 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(question.get(at + 1..=at + length)?).to_lowercase());
        at += length + 1;
    }
    let asked = question.get(12..at + 5)?;
    let kind = u16::from_be_bytes([question[at + 1], question[at + 2]]);
    let name = labels.join(".");
    let found: Vec<_> = records.iter().filter(|record| record.0 == name && kind == SRV).collect();
    // A response, recursion available; without a record: no such name.
    let flags = if found.is_empty() { [0x81, 0x83] } else { [0x81, 0x80] };
    let count = u16::try_from(found.len()).unwrap().to_be_bytes();
    let mut answer = [&question[..2], &flags, &[0, 1], &count, &[0, 0, 0, 0], asked].concat();
    for (_, priority, port, target) in found {
        let mut data: Vec<u8> = [*priority, 0, *port].into_iter().flat_map(u16::to_be_bytes).collect();
        for label in target.split('.') {
            data.push(u8::try_from(label.len()).unwrap());
            data.extend_from_slice(label.as_bytes());
        }
        data.push(0);
        // A pointer to the name in the question; class IN; a minute.
        answer.extend_from_slice(&[0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60]);
        answer.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
        answer.extend_from_slice(&data);
    }
    Some(answer)
}
