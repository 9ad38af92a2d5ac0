use super::*;

#[test]
fn only_code_that_nobody_writes_is_let_go() {
    let code = "55d0c0de0000-55d0c0df0000 r-xp 00623000 fe:00 5589230    /usr/bin/chaski";
    assert_eq!(code_range(code), Some((0x55d0_c0de_0000, 0x55d0_c0df_0000)));
    for rights in ["r--p", "rw-p", "rwxp", "r-xs", "---p"] {
        assert_eq!(code_range(&code.replace("r-xp", rights)), None, "{rights}");
    }
    assert_eq!(code_range(""), None);
    assert_eq!(code_range("55d0c0de0000 r-xp"), None);
}

#[test]
fn freed_memory_goes_back_to_the_system() {
    let kept = vec![1_u8; 64 << 20];
    let held = resident_kib();
    drop(kept);
    release();
    let left = resident_kib();
    assert!(
        left + (48 << 10) < held,
        "{held} KiB before, {left} KiB after"
    );
}

/// Anonymous memory of this process.
fn resident_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").expect("the system tells");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .expect("it counts memory");
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("it is a number")
}
