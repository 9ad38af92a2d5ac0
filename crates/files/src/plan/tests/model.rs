//! Downloads from random sources on a clock of their own: some slow, some lost, some silent, some lying, some with a part.

use proptest::prelude::*;

use super::*;

/// How a source behaves.
#[derive(Debug, Clone)]
struct Peer {
    holds: Option<Vec<bool>>,
    bytes_per_ms: u64,
    latency_ms: u64,
    lies: bool,
    /// It goes without a word at this time.
    gone_ms: Option<u64>,
    /// It stops answering at this time.
    silent_ms: Option<u64>,
    /// It says that it is busy once.
    busy: bool,
    queue: VecDeque<(u64, u32)>,
    free_ms: u64,
}

fn peer(groups: u32) -> impl Strategy<Value = Peer> {
    let holds = proptest::option::of(proptest::collection::vec(any::<bool>(), groups as usize));
    let gone = proptest::option::weighted(0.3, 0..5_000_u64);
    let silent = proptest::option::weighted(0.2, 0..5_000_u64);
    let faults = (proptest::bool::weighted(0.2), gone, silent, any::<bool>());
    (holds, 20..200_000_u64, 0..500_u64, faults).prop_map(
        |(holds, bytes_per_ms, latency_ms, (lies, gone_ms, silent_ms, busy))| Peer {
            holds,
            bytes_per_ms,
            latency_ms,
            lies,
            gone_ms,
            silent_ms,
            busy,
            queue: VecDeque::new(),
            free_ms: 0,
        },
    )
}

fn case() -> impl Strategy<Value = (u32, u64, u64, Vec<Peer>)> {
    (1..250_u32).prop_flat_map(|groups| {
        let peers = proptest::collection::vec(peer(groups), 1..6);
        (Just(groups), 1..=GROUP_BYTES, any::<u64>(), peers)
    })
}

impl Peer {
    fn has(&self, group: u32) -> bool {
        self.holds
            .as_ref()
            .is_none_or(|holds| holds[group as usize])
    }

    fn is_good(&self) -> bool {
        !self.lies && self.gone_ms.is_none() && self.silent_ms.is_none()
    }

    fn holds(&self, groups: u32) -> Holds {
        let mut have = Have::none(groups);
        for group in (0..groups).filter(|&group| self.has(group)) {
            have.insert(group);
        }
        if self.holds.is_some() {
            Holds::Part(have)
        } else {
            Holds::All
        }
    }

    fn take(&mut self, group: u32, bytes: u64, now_ms: u64) {
        self.free_ms = self.free_ms.max(now_ms) + bytes / self.bytes_per_ms;
        self.queue
            .push_back((self.free_ms + self.latency_ms, group));
    }

    /// When something comes from it.
    fn next_ms(&self) -> Option<u64> {
        let arrival = self.queue.front().map(|&(at, _)| at);
        let arrival = arrival.filter(|&at| self.silent_ms.is_none_or(|silent| at < silent));
        arrival.into_iter().chain(self.gone_ms).min()
    }
}

struct World {
    plan: Plan,
    shape: Shape,
    peers: BTreeMap<SourceId, Peer>,
    copies: BTreeMap<u32, BTreeSet<SourceId>>,
    now_ms: u64,
}

impl World {
    fn ask(&mut self) {
        let ids: Vec<_> = self.peers.keys().copied().collect();
        for id in ids {
            while let Next::Ask(run) = self.plan.next(id, self.now_ms) {
                self.take_cancels();
                let peer = self.peers.get_mut(&id).expect("live");
                if std::mem::take(&mut peer.busy) {
                    self.plan.handle_busy(id, run, 700, self.now_ms);
                    continue;
                }
                assert!(run.len() <= RUN_GROUPS_MAX as usize);
                for group in run {
                    assert!(peer.has(group), "{id:?} does not have {group}");
                    assert!(!self.plan.verified().contains(group), "{group} is here");
                    peer.take(group, self.shape.group_bytes(group), self.now_ms);
                    let copies = self.copies.entry(group).or_default();
                    assert!(copies.insert(id), "{group} is asked of {id:?} already");
                    assert!(copies.len() <= COPIES_MAX as usize);
                }
            }
            self.take_cancels();
        }
    }

    fn take_cancels(&mut self) {
        while let Some(Cancel { source, group }) = self.plan.poll_cancel() {
            self.drop_copy(source, group);
            if let Some(peer) = self.peers.get_mut(&source) {
                peer.queue.retain(|&(_, queued)| queued != group);
            }
        }
    }

    fn drop_copy(&mut self, id: SourceId, group: u32) {
        if let Some(copies) = self.copies.get_mut(&group) {
            copies.remove(&id);
        }
    }

    fn lose(&mut self, id: SourceId) {
        self.peers.remove(&id);
        for copies in self.copies.values_mut() {
            copies.remove(&id);
        }
    }

    /// Goes on to the next event, and tells whether there was one.
    fn step(&mut self) -> bool {
        let next = self
            .peers
            .iter()
            .filter_map(|(&id, peer)| Some((peer.next_ms()?, id)));
        let next = next.min();
        let timeout = self.plan.next_timeout(self.now_ms);
        if let Some(at) = timeout.filter(|&at| next.is_none_or(|(event, _)| at < event)) {
            assert!(at > self.now_ms, "a timeout is due for ever");
            self.now_ms = at;
            self.plan.handle_timeout(at);
            return true;
        }
        let Some((at, id)) = next else {
            return false;
        };
        self.now_ms = self.now_ms.max(at);
        let peer = self.peers.get_mut(&id).expect("live");
        if peer.gone_ms.is_some_and(|gone| gone <= self.now_ms) {
            self.plan.handle_gone(id, self.now_ms);
            self.lose(id);
            return true;
        }
        let (_, group) = peer.queue.pop_front().expect("it was next");
        if peer.lies {
            self.plan.handle_lie(id, self.now_ms);
            self.lose(id);
        } else {
            self.plan.handle_arrived(id, group, self.now_ms);
            self.drop_copy(id, group);
        }
        true
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_download_ends_that_can((groups, last, seed, peers) in case()) {
        let size = u64::from(groups - 1) * GROUP_BYTES + last;
        let shape = Shape::new(size).expect("small");
        let can_end = (0..groups).all(|group| peers.iter().any(|peer| peer.is_good() && peer.has(group)));
        let mut plan = Plan::new(shape, Have::none(groups), seed);
        let peers: BTreeMap<_, _> = (0..).map(SourceId).zip(peers).collect();
        for (&id, peer) in &peers {
            plan.handle_source(id, peer.holds(groups)).expect("few");
        }
        let mut world = World { plan, shape, peers, copies: BTreeMap::new(), now_ms: 0 };
        let mut steps = 0;
        while !world.plan.is_done() {
            world.ask();
            let is_bounded = steps < 20_000;
            if !world.step() || !is_bounded {
                prop_assert!(!can_end, "stopped after {} steps: {:?}", steps, world.plan.progress(world.now_ms));
                break;
            }
            world.take_cancels();
            steps += 1;
        }
        let progress = world.plan.progress(world.now_ms);
        prop_assert!(progress.duplicate_bytes <= DUPLICATE_BYTES_MAX);
        prop_assert!(progress.asked_bytes <= size + progress.duplicate_bytes + progress.requeued_bytes);
        prop_assert_eq!(progress.verified_bytes == size, world.plan.is_done());
    }

    #[test]
    fn rarity_counts(sets in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 130), 0..20)) {
        let haves: Vec<Have> = sets.iter().map(|set| {
            let mut have = Have::none(130);
            for (group, _) in (0..).zip(set).filter(|(_, is_in)| **is_in) {
                have.insert(group);
            }
            have
        }).collect();
        let mut rarity = Rarity::new(130);
        haves.iter().for_each(|have| rarity.add(have));
        let (gone, left) = haves.split_at(haves.len() / 2);
        gone.iter().for_each(|have| rarity.subtract(have));
        for group in 0..130 {
            let count = left.iter().filter(|have| have.contains(group)).count();
            prop_assert_eq!(rarity.of(group), count);
            prop_assert_eq!(rarity.with(count, group / 64) >> (group % 64) & 1, 1);
        }
    }
}
