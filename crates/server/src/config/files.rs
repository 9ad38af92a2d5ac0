//! What the operator says of the file index.

/// The index of the files that peers share.
#[derive(Clone, Debug, confique::Config)]
pub struct Files {
    /// Whether there is one.
    #[config(default = true, env = "CHASKI_FILES")]
    pub enabled: bool,

    /// How often peers should say that they are there, in seconds.
    #[config(default = 10, env = "CHASKI_FILES_HEARTBEAT_S")]
    pub heartbeat_s: u32,

    /// After how long a silence a peer is not there any more, in seconds. Longer than heartbeat_s.
    #[config(default = 15, env = "CHASKI_FILES_SILENCE_S")]
    pub silence_s: u32,

    /// Peers of one account.
    #[config(default = 32, env = "CHASKI_FILES_MAX_PEERS_PER_ACCOUNT")]
    pub max_peers_per_account: u32,

    /// Files that one peer may announce.
    #[config(default = 1_000_000, env = "CHASKI_FILES_MAX_FILES_PER_PEER")]
    pub max_files_per_peer: u64,

    /// How long a ticket to fetch or send a file is good, in seconds.
    #[config(default = 300, env = "CHASKI_FILES_TICKET_S")]
    pub ticket_s: u32,

    /// Whether peers that cannot reach each other directly may speak through this server.
    #[config(default = true, env = "CHASKI_FILES_RELAY_ENABLED")]
    pub relay_enabled: bool,

    /// Calls between peers through this server at the same time. Each takes two of max_connections.
    #[config(default = 256, env = "CHASKI_FILES_RELAY_MAX_CALLS")]
    pub relay_max_calls: u32,

    /// Those of them that one account begins.
    #[config(default = 16, env = "CHASKI_FILES_RELAY_MAX_CALLS_PER_ACCOUNT")]
    pub relay_max_calls_per_account: u32,

    /// Bytes that pass in a second, all calls together; accounts that call get equal shares. 0 is no bound.
    #[config(default = 67_108_864, env = "CHASKI_FILES_RELAY_BYTES_PER_S")]
    pub relay_bytes_per_s: u64,
}
