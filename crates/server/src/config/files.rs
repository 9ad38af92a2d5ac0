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
}
