//! The types of problems: what each means, and what to do about it.

/// One type of problem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// What its address ends with.
    pub(super) name: &'static str,
    pub(super) status: u16,
    pub(super) title: &'static str,
    pub(super) meaning: &'static str,
    pub(super) remedy: &'static str,
}

/// Every type that an answer can name, by status.
pub(super) const KINDS: [Kind; 16] = [
    Kind {
        name: "bad-request",
        status: 400,
        title: "The request cannot be understood",
        meaning: "The body is no JSON, a parameter has no value that can be read, or the credentials are not written as they should be. Nothing was done.",
        remedy: "Read `detail`: it says which part. Compare the request with the operation in the reference. Sending the same again gives the same answer.",
    },
    Kind {
        name: "unauthorized",
        status: 401,
        title: "A login is needed",
        meaning: "The request has no credentials, or they are wrong, have expired or were revoked. `guest` may log in from the server's own machine only.",
        remedy: "Send `Authorization: Basic` with an account's login and password, or `Authorization: Bearer` with a token. Check both for typing errors; ask an administrator for an account.",
    },
    Kind {
        name: "forbidden",
        status: 403,
        title: "Not allowed",
        meaning: "The login is right, but this account has no right to do that, in this virtual host or on this queue or topic.",
        remedy: "Use an account that has the right, or ask the owner or an administrator for it. Trying again does not help.",
    },
    Kind {
        name: "not-found",
        status: 404,
        title: "Not found",
        meaning: "There is no such path, queue, topic or message, or none that this account may see. A lease that is not found was settled before, or has ended and its message is delivered again.",
        remedy: "Check the name and its escaping in the address (`/` is written `%2F`). Make the queue first with `PUT /v1/queues/{queue}`.",
    },
    Kind {
        name: "method-not-allowed",
        status: 405,
        title: "Method not allowed",
        meaning: "Something is at this address, but it does not take this method.",
        remedy: "Use one of the methods that the `Allow` header of the answer names.",
    },
    Kind {
        name: "conflict",
        status: 409,
        title: "Conflict",
        meaning: "The thing is in a state that does not allow it: it exists with other settings, is used by somebody else alone, or is not empty.",
        remedy: "Look at what is there and decide: use it as it is, delete it, or choose another name.",
    },
    Kind {
        name: "wrong-revision",
        status: 409,
        title: "Another revision is there",
        meaning: "A peer published differences on top of a revision of its files that the server does not have. Nothing was done.",
        remedy: "Send what has changed since the `revision` that the answer names, or everything from revision 0.",
    },
    Kind {
        name: "precondition-failed",
        status: 412,
        title: "Changed meanwhile",
        meaning: "The request carried `If-Match` with the version that its sender saw, and somebody has changed the thing since. Nothing was done.",
        remedy: "Get the thing again, apply the change to what there is now, and send it with the new `ETag`.",
    },
    Kind {
        name: "too-large",
        status: 413,
        title: "Too large",
        meaning: "The body has more bytes than the server takes, or a batch more entries. Nothing was done.",
        remedy: "Send several smaller requests. An administrator can raise `limits.max_message_bytes`.",
    },
    Kind {
        name: "unsupported-media-type",
        status: 415,
        title: "Wrong content type",
        meaning: "The body is of a kind that is not taken here.",
        remedy: "Send JSON with `Content-Type: application/json`.",
    },
    Kind {
        name: "invalid",
        status: 422,
        title: "The request asks for what cannot be",
        meaning: "The request is well formed, but a value is out of its range, a field has no meaning, or two of them exclude each other. Nothing was done.",
        remedy: "Read `detail`: it names the value and what would be right.",
    },
    Kind {
        name: "too-many",
        status: 429,
        title: "Too many requests",
        meaning: "A limit is reached: of logins at once, or of what an account may have or do.",
        remedy: "Wait as many seconds as the `Retry-After` header says, then try again, each time waiting longer. Delete what is not needed any more.",
    },
    Kind {
        name: "internal",
        status: 500,
        title: "The server made a mistake",
        meaning: "This should not happen. Whether the request was carried out is not known.",
        remedy: "Look for the `request_id` of the answer in the server's log, and report it with what is written there.",
    },
    Kind {
        name: "unavailable",
        status: 503,
        title: "Not at the moment",
        meaning: "The server is stopping, or publishers have to wait because it is low on memory or disk, or the connection to the broker was closed. A message that was on its way may still be stored.",
        remedy: "Try again after the seconds of the `Retry-After` header. Consuming and acknowledging go on while publishers wait.",
    },
    Kind {
        name: "timeout",
        status: 504,
        title: "Nobody answered in time",
        meaning: "No worker answered the request within the time that its sender would wait. It may still be worked on.",
        remedy: "Wait longer with `wait_ms`, or send the request with `async=true` and fetch the reply later. `fail_without_worker=true` tells at once that nobody works on the queue.",
    },
    Kind {
        name: "no-room",
        status: 507,
        title: "No room",
        meaning: "The queue is full and refuses new messages.",
        remedy: "Take messages out, raise the queue's limits, or let it drop its oldest messages (`overflow: drop-head`).",
    },
];
