//! As much of telnet as a chat needs (RFC 854, 857): its commands are taken out of the lines, and every option is refused but that the
//! server says it would echo, so that a password is not shown.

/// Begins a command; no byte of UTF-8.
pub const IAC: u8 = 255;
/// The server echoes from here on, that is: the client shows nothing of what is typed.
pub const ECHO_OFF: [u8; 3] = [IAC, WILL, ECHO];
/// The client shows again what is typed.
pub const ECHO_ON: [u8; 3] = [IAC, WONT, ECHO];

const ECHO: u8 = 1;
const SUBNEGOTIATION_END: u8 = 240;
const SUBNEGOTIATION: u8 = 250;
const WILL: u8 = 251;
const WONT: u8 = 252;
const DO: u8 = 253;
const DONT: u8 = 254;

/// Refuses what the client wants or offers; `None` if there is nothing to say.
#[must_use]
pub const fn refusal(verb: u8, option: u8) -> Option<[u8; 3]> {
    match (verb, option) {
        // It agrees to what the server has offered, and to nothing else: whoever asks by themselves has no use for it.
        (DO, ECHO) => None,
        (DO, option) => Some([IAC, WONT, option]),
        (WILL, option) => Some([IAC, DONT, option]),
        _ => None,
    }
}

/// Where a command is, which may be split over any number of reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Telnet {
    /// Outside of one.
    #[default]
    Outside,
    /// Behind IAC.
    Command,
    /// Behind IAC and one of WILL, WONT, DO and DONT.
    Option(u8),
    /// In a subnegotiation, until IAC SE.
    Subnegotiation,
    /// Behind an IAC in it.
    SubnegotiationCommand,
}

/// What a byte of a command was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// More of the command, or its end.
    Swallowed,
    /// The end of a negotiation.
    Negotiated(u8, u8),
    /// The byte 255 itself.
    Literal,
}

impl Telnet {
    /// Takes a byte of a command.
    pub(super) const fn step(&mut self, byte: u8) -> Step {
        let (next, step) = match (*self, byte) {
            (Self::Outside, _) => (Self::Command, Step::Swallowed),
            (Self::Command, IAC) => (Self::Outside, Step::Literal),
            (Self::Command, SUBNEGOTIATION) => (Self::Subnegotiation, Step::Swallowed),
            (Self::Command, WILL..=DONT) => (Self::Option(byte), Step::Swallowed),
            (Self::Command, _) => (Self::Outside, Step::Swallowed),
            (Self::Option(verb), option) => (Self::Outside, Step::Negotiated(verb, option)),
            (Self::Subnegotiation, IAC) => (Self::SubnegotiationCommand, Step::Swallowed),
            (Self::Subnegotiation, _) => (Self::Subnegotiation, Step::Swallowed),
            (Self::SubnegotiationCommand, SUBNEGOTIATION_END) => (Self::Outside, Step::Swallowed),
            (Self::SubnegotiationCommand, _) => (Self::Subnegotiation, Step::Swallowed),
        };
        *self = next;
        step
    }
}
