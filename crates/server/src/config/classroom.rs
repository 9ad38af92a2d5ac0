//! What the operator says of the interfaces for older clients.

use super::ListenAddress;

/// The interfaces for clients of systems that Chaski takes the place of.
#[derive(Clone, Debug, confique::Config)]
pub struct Classroom {
    /// Whether they are open. Who calls there need not prove who they are.
    #[config(default = false, env = "CHASKI_CLASSROOM")]
    pub enabled: bool,

    /// The chat by plain HTTP: POST /user, POST /, POST /getMsg. On this machine alone unless
    /// another address is given, whatever `listeners.bind` says; the same for the two below.
    #[config(default = "127.0.0.1:1545", env = "CHASKI_CLASSROOM_CHAT")]
    pub chat: ListenAddress,

    /// Users, queues with keys and the list of shared files, by JSON over HTTP.
    #[config(default = "127.0.0.1:4000", env = "CHASKI_CLASSROOM_REST")]
    pub rest: ListenAddress,

    /// The worker services of those queues, by gRPC without encryption.
    #[config(default = "127.0.0.1:50051", env = "CHASKI_CLASSROOM_GRPC")]
    pub grpc: ListenAddress,

    /// The room of the chat in which users of the plain one are. Empty = chat.default_room.
    #[config(default = "", env = "CHASKI_CLASSROOM_ROOM")]
    pub room: String,

    /// After how long a silence a user of the plain chat has left and their name is free, in
    /// seconds. Whoever says something after that is back, if nobody took the name.
    #[config(default = 900, env = "CHASKI_CLASSROOM_SILENCE_S")]
    pub silence_s: u64,

    /// Users of the plain chat at one time, and lists of files that peers give at one time.
    #[config(default = 1_000, env = "CHASKI_CLASSROOM_MAX_USERS")]
    pub max_users: u32,

    /// Accounts that may be made here in all.
    #[config(default = 10_000, env = "CHASKI_CLASSROOM_MAX_ACCOUNTS")]
    pub max_accounts: u32,
}
