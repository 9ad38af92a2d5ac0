#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;

#[test]
fn a_process_name_may_look_like_fields() {
    let stat = "42 (a) b (c) 1 2) S 7 42 42 0 -1 0 1 2 3 4 250 150 8 9 20 0 1 0 99 1000 25 0";
    let usage = parse_stat(stat, 4_096).unwrap();
    assert!((usage.cpu_s - 4.0).abs() < 1e-9, "{}", usage.cpu_s);
    assert_eq!(usage.rss, 25 * 4_096);
}

#[test]
fn a_tree_holds_the_children() {
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .spawn()
        .unwrap();
    let mut tree = Tree::of(std::process::id());
    let with_child = tree.processes.contains(&child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    tree.look();
    assert!(with_child);
    assert!(!tree.processes.contains(&child.id()));
    assert!(tree.usage().rss > 0);
}
