//! Topic patterns as a tree of words, walked as a set of states.

use std::collections::BTreeMap;

use super::{Destination, remove_one};

const ROOT: u32 = 0;

/// The patterns of one topic exchange.
///
/// # Shape
/// A tree over words in an arena. Runs of `*` and `#` are brought into one order (`*` first, one `#`), which means the same, so that
/// `#.#.#` costs no more than `#`. A key is matched by walking all states at once: each node is visited at most once per word, so a
/// key of n words costs at most n times the nodes reached, whatever the patterns.
#[derive(Debug)]
pub(crate) struct TopicTree {
    nodes: Vec<Node>,
    free: Vec<u32>,
}

#[derive(Debug, Default)]
struct Node {
    words: BTreeMap<Box<str>, u32>,
    star: Option<u32>,
    hash: Option<u32>,
    /// Reached by `#`: stays alive over any word.
    is_hash: bool,
    destinations: Vec<Destination>,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.words.is_empty()
            && self.star.is_none()
            && self.hash.is_none()
            && self.destinations.is_empty()
    }
}

impl Default for TopicTree {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            free: Vec::new(),
        }
    }
}

impl TopicTree {
    pub(crate) fn add(&mut self, pattern: &str, destination: Destination) {
        let mut at = ROOT;
        for word in normalise(pattern) {
            at = match self.child(at, word) {
                Some(next) => next,
                None => self.insert(at, word),
            };
        }
        if let Some(node) = self.nodes.get_mut(at as usize) {
            node.destinations.push(destination);
        }
    }

    pub(crate) fn remove(&mut self, pattern: &str, destination: &Destination) {
        let mut path = vec![(ROOT, "")];
        for word in normalise(pattern) {
            let Some(next) = path.last().and_then(|&(at, _)| self.child(at, word)) else {
                return;
            };
            path.push((next, word));
        }
        if let Some(node) = path
            .last()
            .and_then(|&(at, _)| self.nodes.get_mut(at as usize))
        {
            remove_one(&mut node.destinations, destination);
        }
        while let Some((at, word)) = path.pop() {
            let Some(&(parent, _)) = path.last() else {
                return;
            };
            if !self.nodes.get(at as usize).is_some_and(Node::is_empty) {
                return;
            }
            if let Some(node) = self.nodes.get_mut(parent as usize) {
                match word {
                    "*" => node.star = None,
                    "#" => node.hash = None,
                    _ => drop(node.words.remove(word)),
                }
            }
            self.free.push(at);
        }
    }

    pub(crate) fn route<'a>(&'a self, key: &str, found: &mut dyn FnMut(&'a Destination)) {
        for state in self.walk(key, |_| ()) {
            self.nodes
                .get(state as usize)
                .into_iter()
                .flat_map(|node| &node.destinations)
                .for_each(&mut *found);
        }
    }

    /// Finds the nodes whose patterns match; `step` is told of each node that is looked at.
    #[inline]
    fn walk(&self, key: &str, mut step: impl FnMut(u32)) -> Vec<u32> {
        let mut states = Vec::with_capacity(8);
        self.enter(ROOT, &mut states);
        let mut next = Vec::with_capacity(8);
        // The empty key has no words; `a.` has two, the second of them empty.
        for word in key.split('.').filter(|_| !key.is_empty()) {
            next.clear();
            for &state in &states {
                step(state);
                let Some(node) = self.nodes.get(state as usize) else {
                    continue;
                };
                if node.is_hash {
                    self.enter(state, &mut next);
                }
                if let Some(&child) = node.words.get(word) {
                    self.enter(child, &mut next);
                }
                if let Some(child) = node.star {
                    self.enter(child, &mut next);
                }
            }
            // Two paths may lead to one node only through `#`; sorting keeps each state once.
            next.sort_unstable();
            next.dedup();
            std::mem::swap(&mut states, &mut next);
            if states.is_empty() {
                break;
            }
        }
        states
    }

    /// Adds a state and the `#` below it, which may stand for no word at all.
    fn enter(&self, state: u32, states: &mut Vec<u32>) {
        states.push(state);
        if let Some(hash) = self.nodes.get(state as usize).and_then(|node| node.hash) {
            states.push(hash);
            // After normalisation no `#` follows a `#`, so there is nothing further down to enter.
        }
    }

    fn child(&self, at: u32, word: &str) -> Option<u32> {
        let node = self.nodes.get(at as usize)?;
        match word {
            "*" => node.star,
            "#" => node.hash,
            _ => node.words.get(word).copied(),
        }
    }

    fn insert(&mut self, at: u32, word: &str) -> u32 {
        let fresh = Node {
            is_hash: word == "#",
            ..Node::default()
        };
        let index = match self.free.pop() {
            Some(index) => {
                if let Some(slot) = self.nodes.get_mut(index as usize) {
                    *slot = fresh;
                }
                index
            }
            None => {
                self.nodes.push(fresh);
                u32::try_from(self.nodes.len() - 1).expect("bindings are bounded far below 2^32")
            }
        };
        if let Some(node) = self.nodes.get_mut(at as usize) {
            match word {
                "*" => node.star = Some(index),
                "#" => node.hash = Some(index),
                _ => drop(node.words.insert(word.into(), index)),
            }
        }
        index
    }
}

/// Splits a pattern into words, each run of wildcards as its `*` and then at most one `#`.
fn normalise(pattern: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut pending_hash = false;
    for word in pattern.split('.').filter(|_| !pattern.is_empty()) {
        match word {
            "#" => pending_hash = true,
            "*" => words.push("*"),
            _ => {
                if std::mem::take(&mut pending_hash) {
                    words.push("#");
                }
                words.push(word);
            }
        }
    }
    if pending_hash {
        words.push("#");
    }
    words
}

#[cfg(test)]
mod tests;
