//! Reply codes: how an outcome is told to the peer.

#[cfg(test)]
mod tests;

macro_rules! reply_codes {
    ($($(#[$meta:meta])* $variant:ident = $code:literal $name:literal $scope:ident,)*) => {
        /// Names every reply code of AMQP 0-9-1.
        ///
        /// # Spec
        ///
        /// AMQP 0-9-1, section 1.2 of the reference ("Constants").
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum ReplyCode {
            $($(#[$meta])* $variant = $code,)*
        }

        impl ReplyCode {
            /// Lists all codes in ascending order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the number that goes over the wire.
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// Returns the name RabbitMQ puts at the start of a reply text.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Tells whether the code ends the whole connection rather than one channel.
            pub const fn closes_connection(self) -> bool {
                match self {
                    $(Self::$variant => reply_codes!(@scope $scope),)*
                }
            }

            /// Returns the code of that number, if AMQP defines it.
            pub const fn from_code(code: u16) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
    (@scope connection) => { true };
    (@scope channel) => { false };
}

reply_codes! {
    /// All went well; also the code of an orderly close.
    Success = 200 "REPLY_SUCCESS" channel,
    /// The body is larger than the server accepts.
    ContentTooLarge = 311 "CONTENT_TOO_LARGE" channel,
    /// A mandatory message was routed to no queue.
    NoRoute = 312 "NO_ROUTE" channel,
    /// An immediate message found no consumer.
    NoConsumers = 313 "NO_CONSUMERS" channel,
    /// An operator closed the connection.
    ConnectionForced = 320 "CONNECTION_FORCED" connection,
    /// The virtual host does not exist.
    InvalidPath = 402 "INVALID_PATH" connection,
    /// The user may not do that.
    AccessRefused = 403 "ACCESS_REFUSED" channel,
    /// The named queue, exchange or the like does not exist.
    NotFound = 404 "NOT_FOUND" channel,
    /// Another connection has the queue for itself.
    ResourceLocked = 405 "RESOURCE_LOCKED" channel,
    /// The request contradicts what is already there.
    PreconditionFailed = 406 "PRECONDITION_FAILED" channel,
    /// A frame is not a frame.
    FrameError = 501 "FRAME_ERROR" connection,
    /// A frame holds a field that breaks the grammar.
    SyntaxError = 502 "SYNTAX_ERROR" connection,
    /// A method came where it may not.
    CommandInvalid = 503 "COMMAND_INVALID" connection,
    /// A channel that is not open, or open already, was used.
    ChannelError = 504 "CHANNEL_ERROR" connection,
    /// A frame of another kind was due.
    UnexpectedFrame = 505 "UNEXPECTED_FRAME" connection,
    /// The server ran out of something.
    ResourceError = 506 "RESOURCE_ERROR" connection,
    /// The server's rules forbid it.
    NotAllowed = 530 "NOT_ALLOWED" connection,
    /// The server does not have the method or option.
    NotImplemented = 540 "NOT_IMPLEMENTED" connection,
    /// The server failed.
    InternalError = 541 "INTERNAL_ERROR" connection,
}
