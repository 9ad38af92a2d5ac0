//! The calls, as they come: who may make them, how many at once, and how long they may take.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rpc::pserver::p_server_server::PServer;
use rpc::pserver::{File, Response as Answer, UserData, Username};
use tokio::time::timeout;
use tonic::{Request, Response, Status};

use super::code::Code;
use super::door::Pulse;
use super::logins::Entered;
use super::place::{Place, Places};
use super::{Classroom, ClassroomEvent, file_name};
use crate::peer::limits::{PLAIN_CALL_TIMEOUT, PLAIN_TRANSFER_TIMEOUT};

/// What answers on one connection.
pub(super) struct Service {
    pub(super) classroom: Arc<Classroom>,
    pub(super) from: IpAddr,
    pub(super) pulse: Arc<Pulse>,
}

type Answered = Result<Response<Answer>, Status>;

#[tonic::async_trait]
impl PServer for Service {
    async fn login(&self, request: Request<UserData>) -> Answered {
        let UserData { username, password } = request.into_inner();
        let classroom = &self.classroom;
        self.call(|place: Place| async move {
            let entering =
                classroom
                    .logins
                    .enter(&classroom.api, username, password, (self.from, place));
            let Entered { code, left } = entering.await;
            if let Some(reason) = left {
                let reason = reason.to_string();
                classroom.tell(ClassroomEvent::SessionLeft { reason }).await;
            }
            if code == Code::DONE {
                classroom.tell(ClassroomEvent::LoggedIn(self.from)).await;
            }
            code
        })
        .await
    }

    async fn logout(&self, request: Request<Username>) -> Answered {
        let name = request.into_inner().username;
        self.call(|_: Place| async move {
            let code = self
                .classroom
                .logins
                .leave(&name, self.from, Instant::now());
            if code == Code::DONE {
                let event = ClassroomEvent::LoggedOut(self.from);
                self.classroom.tell(event).await;
            }
            code
        })
        .await
    }

    async fn download_file_request(&self, request: Request<File>) -> Answered {
        let name = request.into_inner().file_name;
        let asked = &name;
        self.transfer(asked, |place: Place| async move {
            self.classroom.fetch(asked, &place).await
        })
        .await
    }

    async fn download_file(&self, request: Request<File>) -> Answered {
        let name = request.into_inner().file_name;
        self.call(|place: Place| async move {
            let Some(name) = file_name(&name) else {
                return Code::ABSENT;
            };
            let classroom = Arc::clone(&self.classroom);
            match place.block(move || classroom.gives(&name)).await {
                Ok(true) => Code::DONE,
                Ok(false) | Err(_) => Code::ABSENT,
            }
        })
        .await
    }

    async fn upload_file_request(&self, request: Request<File>) -> Answered {
        let name = request.into_inner().file_name;
        let asked = &name;
        self.transfer(asked, |place: Place| async move {
            self.classroom.send(asked, &place).await
        })
        .await
    }

    async fn upload_file(&self, request: Request<File>) -> Answered {
        let name = request.into_inner().file_name;
        self.call(|place: Place| async move {
            let Some(name) = file_name(&name) else {
                return Code::ABSENT;
            };
            let (classroom, asked) = (Arc::clone(&self.classroom), name.clone());
            // Whoever has not logged in learns no name that is not for everyone.
            let is_inside = classroom.logins.is_inside(self.from, Instant::now());
            let is_known = move || match is_inside {
                true => classroom.has(&asked),
                false => classroom.gives(&asked),
            };
            let is_here = place.block(is_known).await;
            if is_here.unwrap_or(true) || !self.classroom.announce(&name) {
                return Code::PRESENT;
            }
            let from = self.from;
            let event = ClassroomEvent::Announced { name, from };
            self.classroom.tell(event).await;
            Code::DONE
        })
        .await
    }
}

impl Service {
    /// Answers what is done at once.
    pub(super) async fn call(&self, work: impl AsyncFnOnce(Place) -> Code) -> Answered {
        self.within(&self.classroom.calls, PLAIN_CALL_TIMEOUT, work)
            .await
    }

    /// Moves a file for whoever has logged in.
    async fn transfer(&self, name: &str, work: impl AsyncFnOnce(Place) -> Code) -> Answered {
        let logins = &self.classroom.logins;
        if !logins.renew(self.from, Instant::now()) {
            return Ok(Response::new(Code::DENIED.into()));
        }
        if file_name(name).is_none() {
            return Ok(Response::new(Code::ABSENT.into()));
        }
        let answer = self
            .within(&self.classroom.transfers, PLAIN_TRANSFER_TIMEOUT, work)
            .await;
        // Whoever waited for a large file was not idle.
        logins.renew(self.from, Instant::now());
        answer
    }

    async fn within(
        &self,
        places: &Places,
        patience: Duration,
        work: impl AsyncFnOnce(Place) -> Code,
    ) -> Answered {
        let _beat = self.pulse.beat();
        let Some(place) = places.take() else {
            return Ok(Response::new(Code::BUSY.into()));
        };
        let code = timeout(patience, work(place)).await.unwrap_or(Code::LATE);
        Ok(Response::new(code.into()))
    }
}
