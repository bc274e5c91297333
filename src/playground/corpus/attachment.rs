//! What is attached to mail.

use jiff::ToSpan;
use jiff::tz::TimeZone;

use super::letter::Letter;
use super::mime::Part;
use super::random::Random;

pub(super) fn pdf(random: &mut Random) -> Part {
    let size = 200 + random.below(6000);
    let octets = [b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n".as_slice(), &random.octets(size), b"\n%%EOF\n"].concat();
    let name = format!("invoice-{}.pdf", 1000 + random.below(9000));
    Part::base64(
        &format!("application/pdf; name=\"{name}\""),
        &format!("attachment; filename=\"{name}\""),
        &octets,
    )
}

pub(super) fn png(random: &mut Random) -> Part {
    let start = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\x02\0\0\0";
    let size = 100 + random.below(2000);
    let octets = [start.as_slice(), &random.octets(size), b"\0\0\0\0IEND\xaeB`\x82"].concat();
    // RFC 2231: the name is not ASCII.
    let disposition = "attachment; filename*=UTF-8''Grundri%C3%9F.png";
    Part::base64("image/png", disposition, &octets)
}

pub(super) fn csv(random: &mut Random) -> Part {
    let mut table = String::from("article;quantity;price\r\n");
    for line in 0..5 + random.below(20) {
        let row =
            format!("A-{:04};{};{}.{:02}\r\n", line, random.below(50), random.below(900), random.below(100));
        table.push_str(&row);
    }
    let disposition = "Content-Disposition: attachment; filename=stock.csv";
    Part::new(&["Content-Type: text/csv; charset=us-ascii; name=stock.csv", disposition], table.into_bytes())
}

/// The letter itself, as somebody else forwarded it.
pub(super) fn forwarded(letter: &Letter) -> Part {
    let original = Letter {
        subject: String::from("Delivery note 77"),
        message_id: letter.message_id.replace('<', "<orig."),
        references: Vec::new(),
        ..letter.clone()
    };
    let inner = original.write(&Part::quoted_printable("plain", "utf-8", original.text().as_bytes()));
    Part::new(&["Content-Type: message/rfc822", "Content-Disposition: inline"], inner)
}

/// An iTIP request, RFC 5546, two days after the letter.
pub(super) fn invitation(letter: &Letter) -> Part {
    let start = letter.sent.to_zoned(TimeZone::UTC).saturating_add(48.hours());
    let end = start.saturating_add(1.hour());
    let stamp = |at: &jiff::Zoned| at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let attendees =
        letter.to.iter().map(|person| format!("ATTENDEE;RSVP=TRUE:mailto:{}\r\n", person.address));
    let calendar = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//playground//EN\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n\
         UID:{}\r\nDTSTAMP:{}\r\nDTSTART:{}\r\nDTEND:{}\r\nORGANIZER:mailto:{}\r\n{}SUMMARY:Review\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n",
        letter.message_id.trim_matches(['<', '>']),
        stamp(&letter.sent.to_zoned(TimeZone::UTC)),
        stamp(&start),
        stamp(&end),
        letter.from.address,
        attendees.collect::<String>(),
    );
    Part::quoted_printable("calendar", "utf-8; method=REQUEST", calendar.as_bytes())
}

/// A small, well-formed TNEF stream ([MS-OXTNEF] 2.1.1): signature, key, version, code page, subject.
pub(super) fn winmail_dat() -> Part {
    let mut stream = 0x223e_9f78_u32.to_le_bytes().to_vec();
    stream.extend_from_slice(&[1, 0]);
    for (attribute, value) in [
        (0x0008_9006_u32, b"\0\0\x01\0".as_slice()),
        (0x0006_9007, b"\xe4\x04\0\0\0\0\0\0"),
        (0x0001_8004, b"Delivery note\0"),
    ] {
        let length = u32::try_from(value.len()).unwrap_or(0);
        let checksum = value.iter().fold(0_u16, |sum, octet| sum.wrapping_add(u16::from(*octet)));
        stream.push(1);
        stream.extend_from_slice(&attribute.to_le_bytes());
        stream.extend_from_slice(&length.to_le_bytes());
        stream.extend_from_slice(value);
        stream.extend_from_slice(&checksum.to_le_bytes());
    }
    Part::base64("application/ms-tnef; name=winmail.dat", "attachment; filename=winmail.dat", &stream)
}
