//! The service of accounts.

use directory::{Change, Profile, Role};
use engine::AccountView;
use engine::sessions::{Credentials, Origin};
use rpc::v1;
use rpc::v1::account_service_server::AccountService;
use tonic::{Request, Response, Status, async_trait};

use super::call::Call;
use super::queues::page;
use super::status::{Subject, flawed, forbidden, not_found, not_logged_in, uncommitted};
use super::value::signed;
use crate::flaw::Flaw;
use crate::http::{Caller, NotLoggedIn, Web};
use crate::registration::{self, INVITATION_MISSING, NotRegistered, check_password};

/// The service.
pub(super) struct Accounts(pub(super) Web);

/// The answer of a method.
type Answer<T> = Result<Response<T>, Status>;

#[async_trait]
impl AccountService for Accounts {
    async fn create_account(
        &self,
        request: Request<v1::CreateAccountRequest>,
    ) -> Answer<v1::CreateAccountResponse> {
        let caller = request.extensions().get::<Caller>().cloned();
        let origin = request.extensions().get::<Origin>().cloned();
        let origin = origin.ok_or_else(|| Status::internal("the call has no origin"))?;
        let account = create(&self.0, caller.as_ref(), &origin, request.into_inner()).await?;
        let account = Some(account);
        Ok(Response::new(v1::CreateAccountResponse { account }))
    }

    async fn get_me(&self, request: Request<v1::GetMeRequest>) -> Answer<v1::GetMeResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let account = Some(written(find(&call, &call.caller.login.name)?));
        Ok(Response::new(v1::GetMeResponse { account }))
    }

    async fn update_me(
        &self,
        request: Request<v1::UpdateMeRequest>,
    ) -> Answer<v1::UpdateMeResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let account = Some(update(&call, request.into_inner()).await?);
        Ok(Response::new(v1::UpdateMeResponse { account }))
    }

    async fn change_password(
        &self,
        request: Request<v1::ChangePasswordRequest>,
    ) -> Answer<v1::ChangePasswordResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let sessions_revoked = change_password(&call, request.into_inner()).await?;
        Ok(Response::new(v1::ChangePasswordResponse {
            sessions_revoked,
        }))
    }

    async fn list_accounts(
        &self,
        request: Request<v1::ListAccountsRequest>,
    ) -> Answer<v1::ListAccountsResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        list(&call, request.into_inner()).map(Response::new)
    }

    async fn get_account(
        &self,
        request: Request<v1::GetAccountRequest>,
    ) -> Answer<v1::GetAccountResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let account = Some(written(find(&call, &request.into_inner().login)?));
        Ok(Response::new(v1::GetAccountResponse { account }))
    }

    async fn delete_account(
        &self,
        request: Request<v1::DeleteAccountRequest>,
    ) -> Answer<v1::DeleteAccountResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let login = request.into_inner().login;
        find(&call, &login)?;
        call.commit(Change::AccountDeleted { login }).await?;
        Ok(Response::new(v1::DeleteAccountResponse {}))
    }

    async fn set_role(&self, request: Request<v1::SetRoleRequest>) -> Answer<v1::SetRoleResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        call.check_administrator()?;
        let request = request.into_inner();
        let role = match v1::Role::try_from(request.role) {
            Ok(v1::Role::User) => Role::Member,
            Ok(v1::Role::Administrator) => Role::Administrator,
            Ok(v1::Role::Unspecified) | Err(_) => {
                return Err(flawed(Flaw::new("role", "name a role")));
            }
        };
        let login = request.login.clone();
        call.commit(Change::AccountRole { login, role }).await?;
        let account = Some(written(find(&call, &request.login)?));
        Ok(Response::new(v1::SetRoleResponse { account }))
    }
}

async fn create(
    web: &Web,
    caller: Option<&Caller>,
    origin: &Origin,
    request: v1::CreateAccountRequest,
) -> Result<v1::Account, Status> {
    let login = request.login.clone();
    let wish = registration::Wish {
        login: request.login,
        password: request.password,
        profile: Profile {
            first_names: request.first_names,
            last_names: request.last_names,
            age: age_of(request.age)?,
            gender: request.gender,
        },
        invitation: Some(request.invitation).filter(|code| !code.is_empty()),
        role: None,
    };
    let registered = registration::register(
        web.gateway().engine(),
        web.settings().registration,
        caller,
        origin,
        wish,
    )
    .await;
    registered.map_err(|reason| match reason {
        NotRegistered::Forbidden(detail) => forbidden(detail),
        NotRegistered::NotInvited => forbidden(INVITATION_MISSING),
        NotRegistered::Flawed(flaw) => flawed(flaw),
        NotRegistered::Denied(denied) => not_logged_in(NotLoggedIn::Denied(denied)),
        NotRegistered::Uncommitted(error) => uncommitted(error),
    })?;
    let made = web.gateway().engine().account(&login);
    // Whoever deleted it meanwhile knows best.
    let missing = || not_found(Subject::Several, "the account was made and deleted");
    made.map(written).ok_or_else(missing)
}

fn age_of(age: Option<u32>) -> Result<Option<u8>, Status> {
    let age = age.map(u8::try_from).transpose();
    age.map_err(|_| flawed(Flaw::new("age", "an age is from 1 to 150 years")))
}

/// Finds an account that the caller may see: its own, or any for an administrator.
fn find(call: &Call, login: &str) -> Result<AccountView, Status> {
    let may_see = *call.caller.login.name == *login || call.caller.login.is_administrator();
    let found = may_see.then(|| call.engine().account(login)).flatten();
    found.ok_or_else(|| {
        let detail = format!("there is no account '{login}'");
        not_found(Subject::Several, detail)
    })
}

fn list(call: &Call, request: v1::ListAccountsRequest) -> Result<v1::ListAccountsResponse, Status> {
    call.check_administrator()?;
    let page = page(request.page_size, request.page_token)?;
    let contains = request.login_contains;
    let wanted = call
        .engine()
        .account_list()
        .into_iter()
        .filter(|view| page.is_behind_cursor(&view.login) && view.login.contains(&contains))
        .take(page.limit() + 1);
    let (views, next) = page.split(wanted.collect(), |view| view.login.clone());
    Ok(v1::ListAccountsResponse {
        accounts: views.into_iter().map(written).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

async fn update(call: &Call, request: v1::UpdateMeRequest) -> Result<v1::Account, Status> {
    let login = call.caller.login.name.to_string();
    let present = find(call, &login)?.profile;
    let age = age_of(request.age)?;
    let profile = Profile {
        first_names: request.first_names.unwrap_or(present.first_names),
        last_names: request.last_names.unwrap_or(present.last_names),
        age: age.or(present.age),
        gender: request.gender.unwrap_or(present.gender),
    };
    let change = Change::AccountProfile {
        login: login.clone(),
        profile,
    };
    call.commit(change).await?;
    find(call, &login).map(written)
}

async fn change_password(call: &Call, request: v1::ChangePasswordRequest) -> Result<u32, Status> {
    let new = request.new_password;
    check_password("new_password", &new).map_err(flawed)?;
    let denied = |denied| not_logged_in(NotLoggedIn::Denied(denied));
    let login = call.caller.login.name.to_string();
    // Whoever found an open terminal is not to lock its owner out.
    let credentials = Credentials::Password {
        login: &login,
        password: &request.current_password,
    };
    let checked = call.engine().log_in(credentials, &call.caller.origin).await;
    checked.map_err(|reason| match reason {
        engine::accounts::Denied::Credentials => forbidden("the current password is another one"),
        engine::accounts::Denied::Secret
        | engine::accounts::Denied::NotLocal
        | engine::accounts::Denied::Busy
        | engine::accounts::Denied::LockedOut { .. }
        | engine::accounts::Denied::Unusable => denied(reason),
    })?;
    let password_hash = call.engine().hash_password(&new).await.map_err(denied)?;
    let before = call.engine().sessions(Some(&login)).len();
    let change = Change::AccountPassword {
        login: login.clone(),
        password_hash,
    };
    call.commit(change).await?;
    let after = call.engine().sessions(Some(&login)).len();
    Ok(u32::try_from(before.saturating_sub(after)).unwrap_or(u32::MAX))
}

fn written(view: AccountView) -> v1::Account {
    let role = match view.role {
        Role::Administrator => v1::Role::Administrator,
        Role::Member | Role::Service => v1::Role::User,
    };
    v1::Account {
        login: view.login,
        first_names: view.profile.first_names,
        last_names: view.profile.last_names,
        age: view.profile.age.map(u32::from),
        gender: view.profile.gender,
        role: role.into(),
        created_at_ms: signed(view.created_ms),
    }
}
