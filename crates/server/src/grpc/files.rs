//! The service of the file index: calls become the requests that REST takes, and its answers messages. Rules and refusals are the same.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rpc::v1;
use rpc::v1::file_index_service_server::FileIndexService;
use rpc::v1::offer_file_request::To;
use tonic::{Extensions, Request, Response, Status, async_trait};

use super::call::Call;
use super::queues::page;
use super::status::{flawed, forbidden, logged_out, of_problem};
use super::value::signed;
use crate::flaw::Flaw;
use crate::http::files::forms::{KindWord, OrderWord, SortWord};
use crate::http::files::links::{LinkOut, LinkWish, create_as, delete_as, list_as};
use crate::http::files::peers::{self, Announcement, PeerOut};
use crate::http::files::publish::{AudienceForm, Changes, EntryForm, publish_as};
use crate::http::files::reports::report_as;
use crate::http::files::search::{FileOut, SearchParams, search_as, show_as};
use crate::http::files::tickets::{OfferForm, OfferToForm, TicketWish, fetch_as, offer_as};
use crate::http::{Outsider, Sharer, Web};

/// The service.
pub(super) struct FileIndex(pub(super) Web);

/// The answer of a method.
type Answer<T> = Result<Response<T>, Status>;

impl FileIndex {
    fn enter(&self, extensions: &Extensions) -> Result<Sharer, Status> {
        let call = Call::of(&self.0, extensions)?;
        Sharer::of(&self.0, call.caller).map_err(|outsider| match outsider {
            Outsider::Key => forbidden(
                "the key of a queue is no account: log in with one to share and fetch files",
            ),
            Outsider::Gone => logged_out(),
        })
    }
}

#[async_trait]
impl FileIndexService for FileIndex {
    async fn announce_peer(
        &self,
        request: Request<v1::AnnouncePeerRequest>,
    ) -> Answer<v1::AnnouncePeerResponse> {
        let sharer = self.enter(request.extensions())?;
        let request = request.into_inner();
        let port = request.port.map(u16::try_from).transpose();
        let wish = Announcement {
            name: request.name,
            addresses: request.addresses,
            port: port.map_err(|_| flawed(Flaw::new("port", "port is from 1 to 65535")))?,
            key: request.key,
            relay: request.relay,
            sealed: request.sealed,
            takes: request.takes,
        };
        let announced = peers::announce_as(&self.0, &sharer, request.peer, wish).await;
        let (announced, created) = announced.map_err(|problem| of_problem(&problem))?;
        let keys = announced.ticket_keys.into_iter();
        Ok(Response::new(v1::AnnouncePeerResponse {
            created,
            heartbeat_s: announced.heartbeat_s,
            silence_s: announced.silence_s,
            revision: announced.revision,
            addresses: announced.addresses,
            relay: announced.relay,
            ticket_keys: keys
                .map(|key| v1::TicketKey {
                    id: key.id,
                    key: key.key,
                })
                .collect(),
        }))
    }

    async fn heartbeat_peer(
        &self,
        request: Request<v1::HeartbeatPeerRequest>,
    ) -> Answer<v1::HeartbeatPeerResponse> {
        let sharer = self.enter(request.extensions())?;
        let heard = peers::hear_as(&self.0, &sharer, request.into_inner().peer).await;
        let heard = heard.map_err(|problem| of_problem(&problem))?;
        Ok(Response::new(v1::HeartbeatPeerResponse {
            revision: heard.revision,
            offers: heard.offers,
        }))
    }

    async fn publish_files(
        &self,
        request: Request<v1::PublishFilesRequest>,
    ) -> Answer<v1::PublishFilesResponse> {
        let sharer = self.enter(request.extensions())?;
        let request = request.into_inner();
        let changes = Changes {
            from: request.from,
            to: request.to,
            put: request
                .put
                .into_iter()
                .map(entry)
                .collect::<Result<_, _>>()?,
            remove: request.remove,
        };
        let published = publish_as(&self.0, &sharer, request.peer, changes).await;
        let published = published.map_err(|problem| of_problem(&problem))?;
        Ok(Response::new(v1::PublishFilesResponse {
            revision: published.revision,
            ignored: published.ignored,
        }))
    }

    async fn log_out_peer(
        &self,
        request: Request<v1::LogOutPeerRequest>,
    ) -> Answer<v1::LogOutPeerResponse> {
        let sharer = self.enter(request.extensions())?;
        let request = request.into_inner();
        let gone = peers::log_out_as(&self.0, &sharer, request.peer, request.forget).await;
        gone.map_err(|problem| of_problem(&problem))?;
        Ok(Response::new(v1::LogOutPeerResponse {}))
    }

    async fn report_peer(
        &self,
        request: Request<v1::ReportPeerRequest>,
    ) -> Answer<v1::ReportPeerResponse> {
        let sharer = self.enter(request.extensions())?;
        let request = request.into_inner();
        let reported = report_as(&self.0, &sharer, &request.peer, &request.root).await;
        reported.map_err(|problem| of_problem(&problem))?;
        Ok(Response::new(v1::ReportPeerResponse {}))
    }

    async fn list_peers(
        &self,
        request: Request<v1::ListPeersRequest>,
    ) -> Answer<v1::ListPeersResponse> {
        let sharer = self.enter(request.extensions())?;
        let request = request.into_inner();
        let page = page(request.page_size, request.page_token)?;
        let listed = peers::list_as(&self.0, &sharer, page, request.all).await;
        let (page, views) = listed.map_err(|problem| of_problem(&problem))?;
        let (views, next) = page.split(views, |view| view.peer.draft.id.clone());
        let peers = views.into_iter().map(|view| peer(PeerOut::of(view)));
        Ok(Response::new(v1::ListPeersResponse {
            peers: peers.collect(),
            next_page_token: next.unwrap_or_default(),
        }))
    }

    async fn search_files(
        &self,
        request: Request<v1::SearchFilesRequest>,
    ) -> Answer<v1::SearchFilesResponse> {
        let sharer = self.enter(request.extensions())?;
        let params = search_of(request.into_inner())?;
        let found = search_as(&self.0, &sharer, &params).await;
        let found = found.map_err(|problem| of_problem(&problem))?;
        Ok(Response::new(v1::SearchFilesResponse {
            files: found.files.into_iter().map(file).collect(),
            next_page_token: found.next.unwrap_or_default(),
        }))
    }

    async fn get_file(&self, request: Request<v1::GetFileRequest>) -> Answer<v1::GetFileResponse> {
        let sharer = self.enter(request.extensions())?;
        let found = show_as(&self.0, &sharer, &request.into_inner().root).await;
        let found = found.map_err(|problem| of_problem(&problem))?;
        Ok(Response::new(v1::GetFileResponse {
            file: Some(file(found)),
        }))
    }

    async fn get_tickets(
        &self,
        request: Request<v1::GetTicketsRequest>,
    ) -> Answer<v1::GetTicketsResponse> {
        let sharer = self.enter(request.extensions())?;
        let request = request.into_inner();
        let wish = TicketWish {
            link: request.link,
            size: request.size,
        };
        let tickets = fetch_as(&self.0, &sharer, &request.root, &wish).await;
        let tickets = tickets.map_err(|problem| of_problem(&problem))?;
        let sources = tickets.sources.into_iter().map(|source| {
            let have = source.have.map(|have| URL_SAFE_NO_PAD.decode(have));
            v1::FilePartner {
                peer: source.peer,
                login: source.account,
                name: source.name,
                addresses: source.addresses,
                key: source.key,
                relay: source.relay,
                sealed: source.sealed,
                have: have.and_then(Result::ok),
                ticket: source.ticket,
                expires_at_ms: signed(source.expires_ms),
            }
        });
        Ok(Response::new(v1::GetTicketsResponse {
            root: tickets.root,
            size: tickets.size,
            sizes: tickets.sizes,
            name: tickets.name,
            kind: kind(tickets.kind).into(),
            sources: sources.collect(),
        }))
    }

    async fn offer_file(
        &self,
        request: Request<v1::OfferFileRequest>,
    ) -> Answer<v1::OfferFileResponse> {
        let sharer = self.enter(request.extensions())?;
        let request = request.into_inner();
        let offer = OfferForm {
            _kind: kind_of(request.kind)?,
            from: request.from,
            root: request.root,
            name: request.name,
            size: request.size,
            except: request.except,
            to: request.to.map(|to| match to {
                To::Peer(peer) => OfferToForm {
                    peer: Some(peer),
                    ..OfferToForm::default()
                },
                To::Login(login) => OfferToForm {
                    account: Some(login),
                    ..OfferToForm::default()
                },
                To::Room(room) => OfferToForm {
                    room: Some(room),
                    ..OfferToForm::default()
                },
            }),
        };
        let offered = offer_as(&self.0, &sharer, offer).await;
        let offered = offered.map_err(|problem| of_problem(&problem))?;
        let receivers = offered
            .receivers
            .into_iter()
            .map(|receiver| v1::FilePartner {
                peer: receiver.peer,
                login: receiver.account,
                name: receiver.name,
                addresses: receiver.addresses,
                key: receiver.key,
                relay: receiver.relay,
                sealed: receiver.sealed,
                have: None,
                ticket: receiver.ticket,
                expires_at_ms: signed(receiver.expires_ms),
            });
        Ok(Response::new(v1::OfferFileResponse {
            receivers: receivers.collect(),
        }))
    }

    async fn create_link(
        &self,
        request: Request<v1::CreateLinkRequest>,
    ) -> Answer<v1::CreateLinkResponse> {
        let sharer = self.enter(request.extensions())?;
        let request = request.into_inner();
        let wish = LinkWish {
            root: request.root,
            expires_ms: request.expires_at_ms.map(moment),
        };
        let made = create_as(&self.0, &sharer, &wish).await;
        let made = made.map_err(|problem| of_problem(&problem))?;
        Ok(Response::new(v1::CreateLinkResponse {
            link: Some(link(made)),
        }))
    }

    async fn list_links(
        &self,
        request: Request<v1::ListLinksRequest>,
    ) -> Answer<v1::ListLinksResponse> {
        let sharer = self.enter(request.extensions())?;
        let links = list_as(&self.0, &sharer).await;
        let links = links.map_err(|problem| of_problem(&problem))?;
        Ok(Response::new(v1::ListLinksResponse {
            links: links.into_iter().map(link).collect(),
        }))
    }

    async fn delete_link(
        &self,
        request: Request<v1::DeleteLinkRequest>,
    ) -> Answer<v1::DeleteLinkResponse> {
        let sharer = self.enter(request.extensions())?;
        let deleted = delete_as(&self.0, &sharer, request.into_inner().id).await;
        deleted.map_err(|problem| of_problem(&problem))?;
        Ok(Response::new(v1::DeleteLinkResponse {}))
    }
}

/// A time as requests of REST write it; before 1970 nothing was.
fn moment(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

const fn kind(word: KindWord) -> v1::FileKind {
    match word {
        KindWord::File => v1::FileKind::File,
        KindWord::Collection => v1::FileKind::Collection,
    }
}

fn kind_of(kind: i32) -> Result<KindWord, Status> {
    match v1::FileKind::try_from(kind) {
        Ok(v1::FileKind::File) => Ok(KindWord::File),
        Ok(v1::FileKind::Collection) => Ok(KindWord::Collection),
        Ok(v1::FileKind::Unspecified) | Err(_) => Err(flawed(Flaw::new(
            "kind",
            "say whether it is a file or a collection",
        ))),
    }
}

fn entry(entry: v1::FileEntry) -> Result<EntryForm, Status> {
    use v1::file_audience::Who;
    let who = entry.audience.and_then(|audience| audience.who);
    let nobody = AudienceForm::default();
    let audience = match who {
        Some(Who::Everyone(everyone)) => AudienceForm {
            everyone: Some(everyone),
            ..nobody
        },
        Some(Who::Rooms(rooms)) => AudienceForm {
            rooms: Some(rooms.names),
            ..nobody
        },
        Some(Who::Accounts(accounts)) => AudienceForm {
            accounts: Some(accounts.names),
            ..nobody
        },
        Some(Who::Link(link)) => AudienceForm {
            link: Some(link),
            ..nobody
        },
        None => nobody,
    };
    Ok(EntryForm {
        kind: kind_of(entry.kind)?,
        file: entry.file,
        name: entry.name,
        path: entry.path,
        size: entry.size,
        root: entry.root,
        media_type: entry.media_type,
        have: entry.have.map(|have| URL_SAFE_NO_PAD.encode(have)),
        since_ms: moment(entry.since_ms),
        audience,
    })
}

fn search_of(request: v1::SearchFilesRequest) -> Result<SearchParams, Status> {
    let sort = match v1::FileSort::try_from(request.sort) {
        Ok(v1::FileSort::Unspecified | v1::FileSort::Name) => SortWord::Name,
        Ok(v1::FileSort::Size) => SortWord::Size,
        Ok(v1::FileSort::Since) => SortWord::Since,
        Err(_) => return Err(flawed(Flaw::new("sort", "there is no such order"))),
    };
    Ok(SearchParams {
        q: request.words,
        glob: request.glob,
        root: request.root,
        media_type: request.media_type,
        min_bytes: request.bytes_min,
        max_bytes: request.bytes_max,
        owner: request.login,
        newer_than_ms: request.newer_than_ms.map(moment),
        older_than_ms: request.older_than_ms.map(moment),
        room: request.room,
        sort,
        order: if request.descending {
            OrderWord::Desc
        } else {
            OrderWord::Asc
        },
        cursor: Some(request.page_token).filter(|token| !token.is_empty()),
        limit: Some(request.page_size).filter(|size| *size > 0),
    })
}

fn peer(peer: PeerOut) -> v1::Peer {
    v1::Peer {
        id: peer.peer,
        login: peer.account,
        name: peer.name,
        addresses: peer.addresses,
        key: peer.key,
        relay: peer.relay,
        sealed: peer.sealed,
        live: peer.live,
        own: peer.own,
        files: peer.files,
        revision: peer.revision,
        seen_at_ms: signed(peer.seen_ms),
    }
}

fn file(file: FileOut) -> v1::File {
    let holders = file.holders.into_iter().map(|holder| v1::FileHolder {
        peer: holder.peer,
        login: holder.account,
        peer_name: holder.peer_name,
        path: holder.path,
        part: holder.part,
        since_ms: signed(holder.since_ms),
    });
    v1::File {
        root: file.root,
        size: file.size,
        name: file.name,
        names: file.names,
        media_type: file.media_type,
        kind: kind(file.kind).into(),
        since_ms: signed(file.since_ms),
        holders: holders.collect(),
    }
}

fn link(link: LinkOut) -> v1::FileLink {
    v1::FileLink {
        id: link.id,
        link: link.link.unwrap_or_default(),
        root: link.root,
        created_at_ms: signed(link.created_ms),
        expires_at_ms: link.expires_ms.map(signed),
    }
}
