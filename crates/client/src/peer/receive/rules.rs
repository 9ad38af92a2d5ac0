//! Whose offers are taken.

/// What becomes of the offers of those who are no contacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accept {
    /// Somebody is asked.
    #[default]
    Ask,
    /// They are refused.
    Contacts,
    /// They are taken.
    Everyone,
    /// They are refused, and those of contacts and of this account, too.
    Nobody,
}

/// The rules of whoever runs a peer.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Whose offers are taken.
    pub accept: Accept,
    /// Accounts whose offers are taken without a question.
    pub contacts: Vec<String>,
    /// Bytes that may lie in the folder; `None` for as many as the disk has room for.
    pub quota: Option<u64>,
    /// Bytes of the largest offer that is taken.
    pub largest: Option<u64>,
}

/// What becomes of an offer, as far as it depends on who makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Take,
    Ask,
    /// Why it is refused, for the one who offers.
    Refuse(&'static str),
}

impl Rules {
    /// Judges an offer of an account; `own` is that of this peer, if it is known.
    pub(super) fn judge(&self, account: &str, own: Option<&str>) -> Verdict {
        // As the server compares logins.
        let is_named = |login: &str| login.eq_ignore_ascii_case(account);
        let is_known = own.is_some_and(is_named) || self.contacts.iter().any(|it| is_named(it));
        match self.accept {
            Accept::Nobody => Verdict::Refuse("this peer takes no files at the moment"),
            Accept::Everyone => Verdict::Take,
            Accept::Ask | Accept::Contacts if is_known => Verdict::Take,
            Accept::Ask => Verdict::Ask,
            Accept::Contacts => Verdict::Refuse("this peer takes files of its contacts alone"),
        }
    }
}
