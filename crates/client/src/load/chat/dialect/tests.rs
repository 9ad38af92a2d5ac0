#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::options::ChatOptions;
use super::*;

/// A member of a room, of which all talk, and what it hears and says.
struct Played {
    script: Rc<Script>,
    dialect: Box<dyn Dialect>,
    room: Room,
    books: Books,
    out: Vec<u8>,
}

impl Played {
    /// The second member of the first of two rooms.
    fn new(protocol: ChatProtocol, tokens: &[&str]) -> Self {
        let options = ChatOptions {
            members: 6,
            rooms: 2,
            senders: 3,
            accounts: 6,
            ..ChatOptions::new(protocol, "127.0.0.1:1".to_owned())
        };
        let tokens = tokens.iter().map(|&token| token.to_owned()).collect();
        let script = Rc::new(Script::new(&options, tokens));
        let mut dialect = of(&script, 1);
        let mut out = Vec::new();
        dialect.begin(&mut out);
        Self {
            script,
            dialect,
            room: Room::new(0, 3, 3, echoes(protocol)),
            books: Books {
                until: u64::MAX,
                ..Books::default()
            },
            out,
        }
    }

    /// What was said since this was last asked.
    fn said(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.out)).unwrap()
    }

    /// Lets it hear bytes, cut at every place; gives what is left over, or what was wrong.
    fn hear(&mut self, bytes: &[u8]) -> Result<usize, String> {
        let mut held = Vec::new();
        for &byte in bytes {
            held.push(byte);
            let mut ears = Ears {
                speech: &self.script.speech,
                room: &mut self.room,
                books: &mut self.books,
                member: 1,
                now: 1_000,
            };
            let taken = self.dialect.receive(&held, &mut self.out, &mut ears);
            held.drain(..taken.map_err(|error| error.to_string())?);
        }
        Ok(held.len())
    }

    /// The member's room.
    fn room(&self) -> String {
        self.script.room_name(1).unwrap()
    }

    /// A message of the first sender.
    fn text(&self, number: u32) -> String {
        let mut text = Vec::new();
        self.script.speech.write(&mut text, 0, number, 5);
        String::from_utf8(text).unwrap()
    }
}

#[test]
fn irc_registers_joins_and_hears() {
    let mut played = Played::new(ChatProtocol::Irc, &[]);
    assert_eq!(
        played.said(),
        "NICK bench-1\r\nUSER bench-1 0 * :bench-1\r\n"
    );
    played.hear(b":s 433 * bench-1 :taken\r\n").unwrap();
    assert_eq!(played.said(), "NICK bench-1\r\n");
    played
        .hear(b":s 001 bench-1 :hi\r\nPING :x\r\n:s 422 bench-1 :none\r\n")
        .unwrap();
    let room = played.room();
    assert_eq!(played.said(), format!("PONG :x\r\nJOIN #{room}\r\n"));
    assert!(!played.dialect.is_ready());
    played.hear(b":s 366 bench-1 #bench0 :end\r\n").unwrap();
    assert!(played.dialect.is_ready());
    let text = played.text(0);
    let line = format!(":bench-0!~a@h PRIVMSG #bench0 :{text}\r\n:bench-2!~a@h JOIN :#bench0\r\n");
    assert_eq!(played.hear(line.as_bytes()), Ok(0));
    assert_eq!(played.books.delivered, 1);
    played.dialect.say(b"text", &mut played.out);
    assert_eq!(played.said(), format!("PRIVMSG #{room} :text\r\n"));
    let refused = played.hear(b":s 404 bench-1 #bench0 :no\r\n");
    assert!(refused.unwrap_err().contains("404"));
}

#[test]
fn xmpp_proves_binds_enters_and_hears() {
    let mut played = Played::new(ChatProtocol::Xmpp, &[]);
    assert!(played.said().contains("<stream:stream to='localhost'"));
    let features = b"<stream:stream><stream:features><bind/></stream:features>";
    played.hear(features).unwrap();
    let proof = STANDARD_PROOF;
    assert!(played.said().contains(&format!("'PLAIN'>{proof}</auth>")));
    played.hear(b"<success/>").unwrap();
    assert!(played.said().starts_with("<?xml"));
    played.hear(features).unwrap();
    let (said, room) = (played.said(), played.room());
    assert!(
        said.contains(&format!(
            "<presence to='{room}@conference.localhost/bench-1'>"
        )),
        "{said}"
    );
    played
        .hear(b"<iq id='bind'/><presence><status code='110'/></presence>")
        .unwrap();
    assert!(played.dialect.is_ready());
    let text = played.text(0);
    let stanza = format!("<message><body>{text}</body></message><presence><x/></presence><mess");
    assert_eq!(played.hear(stanza.as_bytes()), Ok(5));
    assert_eq!(played.books.delivered, 1);
}

/// `\0bench-1\0bench-password` in Base64.
const STANDARD_PROOF: &str = "AGJlbmNoLTEAYmVuY2gtcGFzc3dvcmQ=";

#[test]
fn xmpp_is_refused_in_the_servers_words() {
    let mut played = Played::new(ChatProtocol::Xmpp, &[]);
    let refused = played.hear(b"<stream:stream><stream:error><not-authorized/>");
    assert!(refused.unwrap_err().contains("stream:error"));
}

#[test]
fn a_websocket_upgrades_joins_and_hears() {
    let mut played = Played::new(ChatProtocol::WebSocket, &["t0", "t1"]);
    let said = played.said();
    assert!(said.starts_with("GET /v1/chat HTTP/1.1\r\n"), "{said}");
    assert!(said.contains("\r\nAuthorization: Bearer t1\r\n"), "{said}");
    played
        .hear(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n")
        .unwrap();
    let out = std::mem::take(&mut played.out);
    let room = played.room();
    let join = format!(r#"{{"type":"join","room":"{room}","only":true}}"#);
    assert_eq!(out[..2], [0x81, 0x80 | u8::try_from(join.len()).unwrap()]);
    assert_eq!(out[6..], *join.as_bytes());
    let joined = |room: &str| served(&format!(r#"{{"type":"joined","room":"{room}"}}"#));
    played.hear(&joined("lobby")).unwrap();
    assert!(!played.dialect.is_ready());
    played.hear(&joined(&room)).unwrap();
    assert!(played.dialect.is_ready());
    let text = played.text(0);
    let message = format!(r#"{{"type":"message","from":"bench-0","text":"{text}","at_ms":1}}"#);
    assert_eq!(played.hear(&served(&message)), Ok(0));
    assert_eq!(played.books.delivered, 1);
    played.hear(&[0x89, 2, b'h', b'i']).unwrap();
    assert_eq!(played.out, [0x8a, 0x82, 0, 0, 0, 0, b'h', b'i']);
    let closed = played.hear(&[0x88, 6, 0x03, 0xf0, b's', b'l', b'o', b'w']);
    assert!(closed.unwrap_err().contains("closed with 1008 slow"));
}

#[test]
fn a_websocket_that_is_refused_says_why() {
    let mut played = Played::new(ChatProtocol::WebSocket, &[]);
    assert!(played.said().contains("\r\nAuthorization: Basic "));
    let refused = played.hear(b"HTTP/1.1 401 Unauthorized\r\n\r\n");
    assert!(refused.unwrap_err().contains("401"));
}

#[test]
fn long_frames_are_read_whole() {
    let mut played = Played::new(ChatProtocol::WebSocket, &[]);
    played.hear(b"HTTP/1.1 101 x\r\n\r\n").unwrap();
    let joined = format!(r#"{{"type":"joined","room":"{}"}}"#, played.room());
    for pad in [126, 70_000] {
        let object = format!("{joined}{}", " ".repeat(pad));
        assert_eq!(played.hear(&served(&object)), Ok(0));
    }
    assert!(played.dialect.is_ready());
}

/// A frame as a server sends it.
fn served(object: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match object.len() {
        size @ 0..126 => bytes.push(u8::try_from(size).unwrap()),
        size @ 126..65_536 => {
            bytes.push(126);
            bytes.extend_from_slice(&u16::try_from(size).unwrap().to_be_bytes());
        }
        size => {
            bytes.push(127);
            bytes.extend_from_slice(&(size as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(object.as_bytes());
    bytes
}

#[test]
fn a_line_logs_in_joins_and_hears() {
    let mut played = Played::new(ChatProtocol::Line, &[]);
    let join = format!(
        r#"{{"type":"join","only":true,"room":"{}"}}"#,
        played.room()
    );
    let enter = format!("#mode json\n{join}\n#mode text\n");
    assert_eq!(played.said(), format!("bench-1\nbench-password\n{enter}"));
    played
        .hear(b"-- Welcome\n-- Login:\n-- You are in lobby\n{\"type\":\"hello\"}\n")
        .unwrap();
    played
        .hear(b"{\"type\":\"joined\",\"room\":\"bench0\"}\n")
        .unwrap();
    assert!(!played.dialect.is_ready());
    played.hear(b"-- As text\n").unwrap();
    assert!(played.dialect.is_ready());
    let line = format!("bench-0: {}\nbench-2: hola\n", played.text(0));
    assert_eq!(played.hear(line.as_bytes()), Ok(0));
    assert_eq!(played.books.delivered, 1);
    played.dialect.say(b"text", &mut played.out);
    assert_eq!(played.said(), "text\n");
}

#[test]
fn a_line_comes_back_by_its_token_and_hears_why_not() {
    let mut played = Played::new(ChatProtocol::Line, &["t0", "t1"]);
    assert!(played.said().starts_with("token t1\n#mode json\n"));
    let refused = played.hear(b"{\"type\":\"error\",\"text\":\"full\"}\n");
    assert!(refused.unwrap_err().contains("full"));
}

#[test]
fn what_xmpp_refuses_is_not_heard() {
    let mut played = Played::new(ChatProtocol::Xmpp, &[]);
    let features = "<stream:features></stream:features>";
    let entered = format!("{features}<success/>{features}<presence code='110'/>");
    played.hear(entered.as_bytes()).unwrap();
    let text = played.text(0);
    let refused = format!("<message type='error'><body>{text}</body></message>");
    played.hear(refused.as_bytes()).unwrap();
    assert_eq!((played.books.delivered, played.books.refused), (0, 1));
}
