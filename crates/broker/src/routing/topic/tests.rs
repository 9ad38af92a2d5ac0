use super::TopicTree;
use crate::routing::Destination;

/// The longest key there is, of as many words as it can have.
fn longest_key(words: &[&str]) -> String {
    let mut key = words
        .iter()
        .cycle()
        .take(128)
        .copied()
        .collect::<Vec<_>>()
        .join(".");
    key.truncate(255);
    key
}

/// A thousand bindings of each shape, told apart by one word in front of, inside or behind the wildcards.
fn tree_of(patterns: &[&str]) -> TopicTree {
    let mut tree = TopicTree::default();
    for (index, pattern) in (0..1_000).zip(patterns.iter().cycle()) {
        let pattern = pattern.replace('N', &format!("w{index}"));
        tree.add(
            &pattern,
            Destination::Exchange(format!("to {index}").as_str().into()),
        );
    }
    tree
}

fn steps(tree: &TopicTree, key: &str) -> usize {
    let mut count = 0;
    let _ = tree.walk(key, |_| count += 1);
    count
}

#[test]
fn runs_of_wildcards_cost_no_more_per_word_than_the_patterns_have_parts() {
    let key = longest_key(&["a"]);
    assert_eq!((key.len(), key.split('.').count()), (255, 128));
    // What may stand at one time: the root, and of each shape the nodes behind its wildcards, however many bindings share them.
    for (patterns, alive_max) in [
        (&["#.#.#.#.#.#.#.#.#.a"][..], 3),
        (&["#.#.#.#.#.#.#.#.#.a.N"], 3),
        (&["#.#.#.#.#.#.#.#.#.N"], 2),
        (&["*.#.*.#"], 4),
        (&["*.#.*.#.N"], 4),
        (&["*.#.*.#.N", "#.#.#.#.#.#.#.#.#.a.N"], 6),
        (&["#.*.#.*.#.*.#.N"], 5),
        (&["#.N.#.#.a.*.#"], 2),
    ] {
        let tree = tree_of(patterns);
        let taken = steps(&tree, &key);
        assert!(
            taken <= 128 * alive_max,
            "{patterns:?}: {taken} steps for 128 words, more than {alive_max} a word"
        );
    }
}

#[test]
fn a_word_never_costs_more_than_one_look_at_each_node() {
    // Every pattern stays alive from its first word on, so that all of them are looked at for every word: the most there can be.
    let words = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut tree = TopicTree::default();
    for first in words {
        for second in words {
            for third in words {
                let pattern = format!("#.{first}.#.{second}.#.{third}.#");
                tree.add(&pattern, Destination::Exchange(pattern.as_str().into()));
            }
        }
    }
    let key = longest_key(&words);
    let taken = steps(&tree, &key);
    assert!(
        taken <= 128 * tree.nodes.len(),
        "{taken} steps over {} nodes",
        tree.nodes.len()
    );
    let mut found = 0;
    tree.route(&key, &mut |_| found += 1);
    assert_eq!(found, 512);
}
