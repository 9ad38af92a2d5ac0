#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use codec::amqp::field::Value;

use super::super::{Owners, QueueDeclaration, Routes};
use super::{Rig, VHOST, access, binding, exchange, queue, table};
use crate::access::{Access, Grants, Pattern, Resource, Rights};
use crate::message::tests::message;
use crate::shard::DeadLetter;
use crate::{ApplyTo, ExchangeKind, Policy, Reason};

/// Mallory with her rights of now; she and ana are members, others are services.
#[derive(Debug)]
struct Known(Access);

impl Owners for Known {
    fn is_member(&self, login: &str) -> bool {
        ["mallory", "ana"].contains(&login)
    }

    fn access(&self, login: &str, _: &str) -> Option<Arc<Access>> {
        (*self.0.login == *login).then(|| Arc::new(self.0.clone()))
    }
}

fn member(login: &str, write: &str) -> Access {
    Access {
        login: login.into(),
        write: Pattern::compile(write).unwrap(),
        is_member: true,
        ..access("", "", "")
    }
}

/// A way from what is one's own to something else.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outlet {
    DeadLettersToExchange,
    DeadLettersToQueue,
    Alternate,
}

impl Outlet {
    const ALL: [Self; 3] = [
        Self::DeadLettersToExchange,
        Self::DeadLettersToQueue,
        Self::Alternate,
    ];

    fn exchange(self) -> &'static str {
        match self {
            Self::DeadLettersToExchange | Self::Alternate => "target",
            Self::DeadLettersToQueue => "",
        }
    }

    /// The name that others may take later.
    fn target(self) -> Resource {
        match self {
            Self::DeadLettersToExchange | Self::Alternate => Resource::Exchange,
            Self::DeadLettersToQueue => Resource::Queue,
        }
    }

    fn declare(self, rig: &mut Rig) {
        match self {
            Self::DeadLettersToExchange | Self::DeadLettersToQueue => {
                let arguments = table(&[
                    ("x-dead-letter-exchange", Value::from(self.exchange())),
                    ("x-dead-letter-routing-key", "target".into()),
                ]);
                let outlet = QueueDeclaration {
                    arguments,
                    ..queue("outlet")
                };
                rig.queue(outlet).map(drop).unwrap();
            }
            Self::Alternate => {
                let mut outlet = exchange("outlet", ExchangeKind::Direct);
                outlet.arguments = table(&[("alternate-exchange", self.exchange().into())]);
                rig.exchange(outlet).unwrap();
            }
        }
    }

    /// Says whether something comes out.
    fn leads(self, rig: &Rig) -> bool {
        let host = rig.topology.vhost(VHOST).unwrap();
        let mut routes = Routes::new();
        match self {
            Self::DeadLettersToExchange | Self::DeadLettersToQueue => {
                let dead =
                    message("target", "").readdressed(self.exchange().into(), "target", &[0, 0]);
                let letter = DeadLetter {
                    vhost: VHOST.into(),
                    queue: "outlet".into(),
                    place: host.queue("outlet").unwrap().place,
                    sequence: None,
                    reason: Reason::Rejected,
                    message: Arc::new(message("k", "")),
                    exchange: self.exchange().into(),
                    routing_key: Some("target".into()),
                };
                host.route_dead_letter(&letter, &dead, &mut routes).unwrap();
            }
            Self::Alternate => {
                let lost = message("k", "").readdressed("outlet".into(), "k", &[0, 0]);
                host.route_message(&lost, &mut routes).unwrap();
            }
        }
        !routes.is_empty()
    }
}

/// A rig in which `who` declared what an outlet leads to.
fn with_target(who: Access) -> Rig {
    let mut rig = Rig::new();
    put_target(&mut rig, who);
    rig
}

fn put_target(rig: &mut Rig, who: Access) {
    rig.access = who;
    rig.queue(queue("target")).unwrap();
    rig.exchange(exchange("target", ExchangeKind::Fanout))
        .unwrap();
    rig.bind(binding("target", "target", false, "")).unwrap();
}

/// Mallory gives up what her outlet led to, and another takes the names.
fn change_hands(rig: &mut Rig, to: Access) {
    rig.access = access(".*", ".*", ".*");
    rig.delete_exchange("target", false).unwrap();
    let place = rig.usable("target").unwrap();
    assert!(rig.topology.remove_queue(VHOST, "target", place));
    put_target(rig, to);
}

/// Declares an outlet of mallory's to what is hers.
fn mallorys(outlet: Outlet) -> Rig {
    let mut rig = with_target(member("mallory", ""));
    outlet.declare(&mut rig);
    rig.topology
        .set_owners(Arc::new(Known(member("mallory", ""))));
    rig
}

#[test]
fn a_members_outlet_leads_nowhere_once_another_has_its_target() {
    for outlet in Outlet::ALL {
        let mut rig = mallorys(outlet);
        assert!(outlet.leads(&rig), "{outlet:?}: it is hers");
        change_hands(&mut rig, member("ana", ""));
        assert!(!outlet.leads(&rig), "{outlet:?}: it is ana's");
    }
}

#[test]
fn a_members_outlet_leads_where_it_may_write_now() {
    for outlet in Outlet::ALL {
        let mut rig = mallorys(outlet);
        change_hands(&mut rig, member("ana", ""));
        let write = Rights {
            write: true,
            ..Rights::default()
        };
        let grants: Grants = [(outlet.target(), "target".into(), write)]
            .into_iter()
            .collect();
        let granted = Access {
            grants: Arc::new(grants),
            ..member("mallory", "")
        };
        for allowed in [granted, member("mallory", "^target$")] {
            rig.topology.set_owners(Arc::new(Known(allowed)));
            assert!(outlet.leads(&rig), "{outlet:?}");
        }
        let other = member("mallory", "^other$");
        rig.topology.set_owners(Arc::new(Known(other)));
        assert!(!outlet.leads(&rig), "{outlet:?}");
    }
}

#[test]
fn who_has_no_rights_in_the_virtual_host_any_more_reaches_its_own_and_nothing_else() {
    for outlet in Outlet::ALL {
        let mut rig = mallorys(outlet);
        rig.topology
            .set_owners(Arc::new(Known(member("nobody", ".*"))));
        assert!(outlet.leads(&rig), "{outlet:?}");
        change_hands(&mut rig, member("ana", ""));
        assert!(!outlet.leads(&rig), "{outlet:?}");
    }
}

#[test]
fn what_lost_its_owner_leads_to_no_member() {
    for outlet in Outlet::ALL {
        let mut rig = mallorys(outlet);
        rig.topology.disown("mallory");
        assert!(outlet.leads(&rig), "{outlet:?}: nobody has it");
        change_hands(&mut rig, member("ana", ""));
        assert!(!outlet.leads(&rig), "{outlet:?}: it is ana's");
        change_hands(&mut rig, access(".*", ".*", ".*"));
        rig.topology.disown("ana");
        assert!(outlet.leads(&rig), "{outlet:?}: nobody has it");
        let service = Access {
            login: "service".into(),
            ..access(".*", ".*", ".*")
        };
        change_hands(&mut rig, service);
        assert!(outlet.leads(&rig), "{outlet:?}: it is a service's");
    }
}

#[test]
fn a_services_outlet_and_a_policys_lead_where_they_are_told() {
    for outlet in Outlet::ALL {
        let mut rig = with_target(member("ana", ""));
        rig.access = Access {
            login: "service".into(),
            ..access(".*", ".*", ".*")
        };
        outlet.declare(&mut rig);
        rig.topology
            .set_owners(Arc::new(Known(member("mallory", ""))));
        assert!(outlet.leads(&rig), "{outlet:?}");

        let mut rig = with_target(member("ana", ""));
        rig.access = member("mallory", "");
        rig.queue(queue("outlet")).unwrap();
        rig.exchange(exchange("outlet", ExchangeKind::Direct))
            .unwrap();
        rig.topology
            .set_owners(Arc::new(Known(member("mallory", ""))));
        let definition = table(&[("alternate-exchange", "target".into())]);
        let policy =
            Policy::new("p".into(), "^outlet$", ApplyTo::Exchanges, 0, &definition).unwrap();
        let _ = rig.topology.set_policies(VHOST, vec![policy]);
        assert!(outlet.leads(&rig), "{outlet:?} by policy");
    }
}
