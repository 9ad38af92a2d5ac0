//! Who somebody is who proves nothing: accounts without a password that were made here.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use directory::{Account, Change, CommitError, Refused, Role};
use engine::Handle;
use engine::accounts::Login;
use engine::audit::Author;
use engine::sessions::Origin;
use tokio::sync::Mutex;

use super::names;

/// The tag of accounts that were made here without a password. Others cannot be used here, with a password or without one.
const TAG: &str = "classroom";
/// The tag of accounts that were made here with a password: they are counted with those, and nobody is let in by it.
const PEER_TAG: &str = "classroom-peer";
/// The account that owns the queues of worker services, and the tag by which it is known.
pub(super) const SERVICES: &str = "classroom";
const SERVICES_TAG: &str = "classroom-services";

/// The users; cheap to clone.
#[derive(Clone)]
pub(super) struct Users {
    engine: Handle,
    accounts_max: u32,
    /// Held while an account is made: whether its name is free, and whether there may be one more, is asked before.
    making: Arc<Mutex<()>>,
}

/// An account to act for.
#[derive(Clone)]
pub(super) struct User {
    pub(super) login: Login,
    pub(super) created_ms: u64,
}

/// Why somebody cannot be who they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoUser {
    /// There is no such account.
    Unknown,
    /// It is somebody else's, who proves it elsewhere.
    Taken,
    /// Nobody can be called that.
    Name(String),
    /// There are as many accounts of this kind as there may be.
    Full,
    /// It could not be stored.
    Unavailable,
}

impl Users {
    pub(super) fn new(engine: Handle, accounts_max: u32) -> Self {
        Self {
            engine,
            accounts_max,
            making: Arc::default(),
        }
    }

    /// Finds an account that may be used here.
    ///
    /// # Errors
    /// There is none, or it is another's.
    pub(super) fn find(&self, typed: &str) -> Result<User, NoUser> {
        let name = names::parse(typed).map_err(NoUser::Name)?;
        let account = self.engine.accounts().account(&name);
        let account = account.ok_or(NoUser::Unknown)?;
        if !is_open(&account) {
            return Err(NoUser::Taken);
        }
        self.act_as(&name)
    }

    /// Makes an account; says whether it is new, as one that was made here before is as good.
    ///
    /// *Durability*: it is on disk on return.
    ///
    /// # Errors
    /// The name cannot be had.
    pub(super) async fn make(&self, typed: &str, origin: &Origin) -> Result<(User, bool), NoUser> {
        let name = names::parse(typed).map_err(NoUser::Name)?;
        let _making = self.making.lock().await;
        match self.find(&name) {
            Err(NoUser::Unknown) => {}
            found => return found.map(|user| (user, false)),
        }
        self.check_free(&name)?;
        self.add(&name, "", TAG, &Author::new(&name, origin))
            .await?;
        self.find(&name).map(|user| (user, true))
    }

    /// Makes an account with a password, by a name that [`names::parse`] gave. Nothing is made when there is one: its password tells
    /// whose it is.
    ///
    /// *Durability*: it is on disk on return.
    ///
    /// # Errors
    /// The name cannot be had.
    pub(super) async fn register(
        &self,
        name: &str,
        password_hash: &str,
        origin: &Origin,
    ) -> Result<(), NoUser> {
        let _making = self.making.lock().await;
        if self.engine.account(name).is_some() {
            return Ok(());
        }
        self.check_free(name)?;
        self.add(name, password_hash, PEER_TAG, &Author::new(name, origin))
            .await
    }

    /// Checks that nobody has a name that looks like this one, and that there may be one account more.
    ///
    /// # Errors
    /// [`NoUser::Taken`] and [`NoUser::Full`].
    pub(super) fn check_free(&self, name: &str) -> Result<(), NoUser> {
        let look = names::look(name);
        // It is nobody's, also while there is no such account.
        if look == names::look(SERVICES) {
            return Err(NoUser::Taken);
        }
        let mut count = 0;
        for account in self.engine.account_list() {
            if account.login != name && names::look(&account.login) == look {
                return Err(NoUser::Taken);
            }
            let was_made_here = |tag: &String| tag == TAG || tag == PEER_TAG;
            count += u32::from(account.tags.iter().any(was_made_here));
        }
        if count >= self.accounts_max {
            return Err(NoUser::Full);
        }
        Ok(())
    }

    /// The account that owns the queues of worker services; makes it if there is none. Nobody can call here in its name.
    ///
    /// # Errors
    /// [`NoUser::Taken`]: it is somebody else's. Or it could not be stored.
    pub(super) async fn services(&self) -> Result<User, NoUser> {
        let _making = self.making.lock().await;
        match self.engine.accounts().account(SERVICES) {
            None => {
                self.add(SERVICES, "", SERVICES_TAG, &Author::server())
                    .await?;
            }
            Some(account) if account.tags.iter().any(|tag| tag == SERVICES_TAG) => {}
            Some(_) => return Err(NoUser::Taken),
        }
        self.act_as(SERVICES)
    }

    fn act_as(&self, login: &str) -> Result<User, NoUser> {
        let acting = self.engine.act_as(login).ok_or(NoUser::Unknown)?;
        Ok(User {
            login: acting.login,
            created_ms: acting.since_ms,
        })
    }

    /// Adds a member; without a hash it has no password.
    async fn add(
        &self,
        name: &str,
        password_hash: &str,
        tag: &str,
        by: &Author,
    ) -> Result<(), NoUser> {
        let (tags, hash) = (vec![tag.to_owned()], password_hash.to_owned());
        let now_ms = self.engine.now_ms();
        let mut account = Account::with_tags(name.to_owned(), hash, tags, now_ms);
        account.set_role(Role::Member);
        let added = vec![Change::AccountAdded(account)];
        match self.engine.commit_as(by, added).await {
            Ok(()) => Ok(()),
            Err(CommitError::Refused(Refused::Invalid { reason, .. })) => Err(NoUser::Name(reason)),
            Err(CommitError::Refused(_)) => Err(NoUser::Taken),
            Err(CommitError::Failure(failure)) => {
                tracing::error!(
                    error = &failure as &dyn std::error::Error,
                    "an account could not be stored"
                );
                Err(NoUser::Unavailable)
            }
        }
    }
}

/// Says whether an account may be used by whoever names it.
fn is_open(account: &Account) -> bool {
    let is_ours = account.tags.iter().any(|tag| tag == TAG);
    is_ours && account.password_hash.is_empty() && account.role == Role::Member
}

/// Where a request came from.
pub(super) fn origin(door: &'static str, peer: Option<crate::http::PeerAddress>) -> Origin {
    // The accept loop leaves none out; an unknown address is nobody's own machine.
    let address = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.address.ip());
    Origin {
        door,
        address,
        client: None,
    }
}
