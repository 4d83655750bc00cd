//! Git's smart protocol (version 0), from `gitprotocol-pack(5)`, without any input or output of its own.
//!
//! Version 0 is the one that every server speaks. Only what a fetch needs is here: the advertisement, one request that
//! says at once what is wanted and what is there, and the answer with its shallow boundaries and pack.

use git2::Oid;

use super::select::{Advert, Head};

/// Longest packet, length included.
const LONGEST: usize = 65_520;

/// Cuts a stream into packets.
#[derive(Default)]
pub(super) struct Packets {
    buffer: Vec<u8>,
    /// Where the unread part of the buffer begins.
    at: usize,
}

/// One packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    /// End of a section.
    Flush,
    /// Content.
    Line(Vec<u8>),
}

/// What is not the protocol.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct WireError(pub(super) String);

fn wrong<T>(message: &str) -> Result<T, WireError> {
    Err(WireError(message.to_owned()))
}

impl Packets {
    /// Adds received bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next packet; nothing until more bytes are fed.
    pub(super) fn next(&mut self) -> Result<Option<Packet>, WireError> {
        let unread = self.buffer.get(self.at..).unwrap_or_default();
        let Some(length) = unread.get(..4) else { return Ok(None) };
        let Some(length) = std::str::from_utf8(length)
            .ok()
            .filter(|digits| digits.bytes().all(|c| c.is_ascii_hexdigit()))
            .and_then(|digits| usize::from_str_radix(digits, 16).ok())
        else {
            return wrong("a packet has no length");
        };
        match length {
            0 => {
                self.at += 4;
                Ok(Some(Packet::Flush))
            }
            5..=LONGEST => {
                let Some(content) = unread.get(4..length) else { return Ok(None) };
                let content = content.to_vec();
                self.at += length;
                Ok(Some(Packet::Line(content)))
            }
            _ => wrong("a packet has an impossible length"),
        }
    }

    /// Whether no byte is left over.
    pub(super) fn is_empty(&self) -> bool {
        self.at == self.buffer.len()
    }
}

/// Writes one packet.
fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(format!("{:04x}{text}\n", text.len() + 5).as_bytes());
}

/// Reads the answer to `info/refs`.
#[derive(Default)]
pub(super) struct AdvertReader {
    packets: Packets,
    advert: Advert,
    capabilities: Vec<String>,
    shallow: Vec<Oid>,
    greeted: bool,
    first_seen: bool,
    done: bool,
}

/// What a server tells before it is asked for anything.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) advert: Advert,
    pub(super) capabilities: Vec<String>,
    /// Commits whose parents the server itself lacks.
    pub(super) shallow: Vec<Oid>,
}

impl AdvertReader {
    /// Takes received bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.packets.feed(bytes);
        while let Some(packet) = self.packets.next()? {
            match packet {
                _ if self.done => return wrong("something follows the advertisement"),
                Packet::Line(content) if !self.greeted && content.starts_with(b"# service=git-upload-pack") => {}
                Packet::Flush if !self.greeted => self.greeted = true,
                Packet::Flush => self.done = true,
                Packet::Line(content) => {
                    self.greeted = true;
                    self.reference(&content)?;
                }
            }
        }
        Ok(())
    }

    fn reference(&mut self, content: &[u8]) -> Result<(), WireError> {
        let content = content.strip_suffix(b"\n").unwrap_or(content);
        if let Some(text) = content.strip_prefix(b"ERR ") {
            return Err(WireError(format!("the server says: {}", printable(text))));
        }
        let (content, capabilities) = match content.iter().position(|byte| *byte == 0) {
            Some(end) if !self.first_seen => (&content[..end], &content[end + 1..]),
            _ => (content, &b""[..]),
        };
        self.first_seen = true;
        for capability in String::from_utf8_lossy(capabilities).split_whitespace() {
            if let Some(target) = capability.strip_prefix("symref=HEAD:") {
                self.advert.default = Some(target.to_owned());
            }
            self.capabilities.push(capability.to_owned());
        }
        if let Some(id) = content.strip_prefix(b"shallow ") {
            self.shallow.push(oid(id)?);
            return Ok(());
        }
        let Some((id, name)) = content.split_at_checked(40) else { return wrong("a reference is cut off") };
        let id = oid(id)?;
        // Names that are no text cannot be asked for, so nothing is lost by leaving them out. What ends in `^{}` is
        // what an annotated tag points at, or the placeholder of an empty repository.
        if let Some(name) = std::str::from_utf8(name).ok().and_then(|name| name.strip_prefix(' '))
            && !name.ends_with("^{}")
            && (name == "HEAD" || git2::Reference::is_valid_name(name))
        {
            self.advert.heads.push(Head { name: name.to_owned(), id });
        }
        Ok(())
    }

    /// The whole greeting, when all of it was read.
    pub(super) fn finish(self) -> Result<Greeting, WireError> {
        if !self.done || !self.packets.is_empty() {
            return wrong("the advertisement is cut off");
        }
        Ok(Greeting { advert: self.advert, capabilities: self.capabilities, shallow: self.shallow })
    }
}

fn oid(digits: &[u8]) -> Result<Oid, WireError> {
    let text = std::str::from_utf8(digits).ok().filter(|text| text.len() == 40);
    text.and_then(|text| Oid::from_str(text).ok()).ok_or_else(|| WireError("an object id is malformed".to_owned()))
}

/// Text from the other side, as far as it may be shown.
pub(super) fn printable(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    text
}

/// What is wanted and what is there.
pub(super) struct Request<'a> {
    pub(super) capabilities: &'a [String],
    pub(super) wants: &'a [Oid],
    pub(super) haves: &'a [Oid],
    /// Commits that are there without their parents.
    pub(super) shallow: &'a [Oid],
    /// How many commits of history; all when nothing is said.
    pub(super) depth: Option<u32>,
    /// Blobs above this size are not needed.
    pub(super) largest_blob: Option<u64>,
}

impl Request<'_> {
    /// Whether the server can do something.
    fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|other| other == capability)
    }

    /// Whether the history can be cut at a depth.
    pub(super) fn deepens(&self) -> bool {
        self.depth.is_some() && self.can("shallow")
    }

    /// Whether large blobs will be left out.
    pub(super) fn filters(&self) -> bool {
        self.largest_blob.is_some() && self.can("filter")
    }

    /// The request's bytes. `thin-pack` is never asked for, so that the pack stands alone.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut used: Vec<&str> = ["multi_ack_detailed", "side-band-64k", "ofs-delta", "no-progress"]
            .into_iter()
            .filter(|capability| self.can(capability))
            .collect();
        if self.filters() {
            used.push("filter");
        }
        if self.deepens() {
            used.push("shallow");
        }
        let used = used.join(" ");
        let mut out = Vec::new();
        for (n, want) in self.wants.iter().enumerate() {
            let capabilities = if n == 0 { format!(" {used}") } else { String::new() };
            line(&mut out, &format!("want {want}{capabilities}"));
        }
        for commit in self.shallow {
            line(&mut out, &format!("shallow {commit}"));
        }
        if let Some(depth) = self.depth.filter(|_| self.deepens()) {
            line(&mut out, &format!("deepen {depth}"));
        }
        if let Some(bytes) = self.largest_blob.filter(|_| self.filters()) {
            line(&mut out, &format!("filter blob:limit={bytes}"));
        }
        out.extend_from_slice(b"0000");
        for have in self.haves {
            line(&mut out, &format!("have {have}"));
        }
        line(&mut out, "done");
        out
    }
}

/// Reads the answer to a request.
pub(super) struct AnswerReader {
    packets: Packets,
    stage: Stage,
    side_band: bool,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Boundaries,
    Acknowledgements,
    Pack,
    Done,
}

/// What an answer consists of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// This commit comes without its parents.
    Shallow(Oid),
    /// This commit's parents come after all.
    Unshallow(Oid),
    /// A piece of the pack.
    Pack(Vec<u8>),
}

impl AnswerReader {
    /// A reader for the answer to `request`.
    pub(super) fn new(request: &Request<'_>) -> AnswerReader {
        let stage = if request.deepens() { Stage::Boundaries } else { Stage::Acknowledgements };
        AnswerReader { packets: Packets::default(), stage, side_band: request.can("side-band-64k") }
    }

    /// Takes received bytes and gives what they contain.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<Part>, WireError> {
        let mut parts = Vec::new();
        if self.stage == Stage::Pack && !self.side_band {
            parts.push(Part::Pack(bytes.to_vec()));
            return Ok(parts);
        }
        self.packets.feed(bytes);
        while let Some(packet) = self.packets.next()? {
            match (&self.stage, packet) {
                (Stage::Boundaries, Packet::Flush) => self.stage = Stage::Acknowledgements,
                (Stage::Boundaries | Stage::Acknowledgements, Packet::Line(content)) => {
                    self.early(&content, &mut parts)?
                }
                (Stage::Pack, Packet::Line(content)) => banded(&content, &mut parts)?,
                (Stage::Pack, Packet::Flush) => self.stage = Stage::Done,
                (Stage::Acknowledgements, Packet::Flush) => {}
                (Stage::Done, _) => return wrong("something follows the pack"),
            }
            if self.stage == Stage::Pack && !self.side_band {
                let rest = self.packets.buffer.split_off(self.packets.at);
                parts.push(Part::Pack(rest));
                break;
            }
        }
        Ok(parts)
    }

    fn early(&mut self, content: &[u8], parts: &mut Vec<Part>) -> Result<(), WireError> {
        let text = content.strip_suffix(b"\n").unwrap_or(content);
        if let Some(message) = text.strip_prefix(b"ERR ") {
            return Err(WireError(format!("the server says: {}", printable(message))));
        }
        if self.stage == Stage::Boundaries {
            if let Some(id) = text.strip_prefix(b"shallow ") {
                parts.push(Part::Shallow(oid(id)?));
            } else if let Some(id) = text.strip_prefix(b"unshallow ") {
                parts.push(Part::Unshallow(oid(id)?));
            } else {
                return wrong("the answer begins with something unknown");
            }
            return Ok(());
        }
        // The last acknowledgement has no word behind its id; those before it say `common` or `ready`.
        if text == b"NAK" || (text.starts_with(b"ACK ") && text.len() == 44) {
            if !self.side_band {
                self.stage = Stage::Pack;
            }
            return Ok(());
        }
        if text.starts_with(b"ACK ") {
            return Ok(());
        }
        if self.side_band {
            self.stage = Stage::Pack;
            return banded(content, parts);
        }
        wrong("the answer has something unknown before the pack")
    }

    /// Whether the answer was read to its end.
    pub(super) fn is_done(&self) -> bool {
        self.stage == Stage::Done || (self.stage == Stage::Pack && !self.side_band)
    }
}

/// Content that names its band: the pack, progress, or a fatal message.
fn banded(content: &[u8], parts: &mut Vec<Part>) -> Result<(), WireError> {
    match content.split_first() {
        Some((1, pack)) => parts.push(Part::Pack(pack.to_vec())),
        Some((2, _)) => {}
        Some((3, message)) => return Err(WireError(format!("the server says: {}", printable(message)))),
        _ => return wrong("the pack comes on an unknown band"),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "1111111111111111111111111111111111111111";
    const TWO: &str = "2222222222222222222222222222222222222222";

    fn packet(text: &str) -> String {
        format!("{:04x}{text}", text.len() + 4)
    }

    #[test]
    fn an_advertisement_is_read_byte_by_byte() {
        let text = [
            packet("# service=git-upload-pack\n"),
            "0000".to_owned(),
            packet(&format!("{ONE} HEAD\0shallow filter symref=HEAD:refs/heads/main agent=git/2\n")),
            packet(&format!("{ONE} refs/heads/main\n")),
            packet(&format!("{ONE} refs/heads/../../escape\n")),
            packet(&format!("{TWO} refs/tags/v1\n")),
            packet(&format!("{ONE} refs/tags/v1^{{}}\n")),
            packet(&format!("shallow {TWO}\n")),
            "0000".to_owned(),
        ]
        .concat();
        let mut reader = AdvertReader::default();
        for byte in text.as_bytes() {
            reader.feed(&[*byte]).expect("the protocol");
        }
        let greeting = reader.finish().expect("all of it");
        let names: Vec<&str> = greeting.advert.heads.iter().map(|head| head.name.as_str()).collect();
        assert_eq!(names, ["HEAD", "refs/heads/main", "refs/tags/v1"]);
        assert_eq!(greeting.advert.default.as_deref(), Some("refs/heads/main"));
        assert_eq!(greeting.shallow.len(), 1);
        assert!(greeting.capabilities.iter().any(|capability| capability == "filter"));
    }

    #[test]
    fn what_is_not_the_protocol_is_refused() {
        for text in [
            "<html>".to_owned(),
            "0001".to_owned(),
            "0004".to_owned(),
            "fff5".to_owned(),
            packet("short"),
            packet(&format!("{} refs/heads/x\n", "g".repeat(40))),
            packet("ERR no\u{1b}[31m"),
            format!("0000{}00000000", packet(&format!("{ONE} HEAD\n"))),
        ] {
            assert!(AdvertReader::default().feed(text.as_bytes()).is_err(), "{text:?}");
        }
        let mut cut = AdvertReader::default();
        cut.feed(b"00000").expect("a beginning");
        assert!(cut.finish().is_err());
    }

    #[test]
    fn an_answer_gives_boundaries_and_pack() {
        let capabilities = ["shallow", "side-band-64k", "multi_ack_detailed"].map(str::to_owned);
        let id = Oid::from_str(ONE).expect("an id");
        let request = Request {
            capabilities: &capabilities,
            wants: &[id],
            haves: &[],
            shallow: &[],
            depth: Some(1),
            largest_blob: Some(10),
        };
        let sent = String::from_utf8(request.bytes()).expect("text");
        assert!(sent.contains("deepen 1\n") && !sent.contains("filter"), "{sent}");
        let mut reader = AnswerReader::new(&request);
        let text = [
            packet(&format!("shallow {ONE}\n")),
            "0000".to_owned(),
            packet(&format!("ACK {TWO} common\n")),
            packet("NAK\n"),
            packet("\u{2}counting"),
            packet("\u{1}PACK"),
            "0000".to_owned(),
        ]
        .concat();
        assert_eq!(reader.feed(text.as_bytes()).expect("parts"), [Part::Shallow(id), Part::Pack(b"PACK".to_vec())]);
        assert!(reader.is_done());
        let mut reader = AnswerReader::new(&Request { depth: None, ..request });
        assert!(reader.feed(packet("\u{3}access denied").as_bytes()).is_err());
    }
}
