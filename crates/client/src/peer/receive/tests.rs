use super::rules::{Accept, Rules, Verdict};

#[test]
fn rules_say_whose_files_are_taken() {
    let judge = |accept, account: &str| {
        let contacts = vec!["Ben".to_owned()];
        let rules = Rules {
            accept,
            contacts,
            ..Rules::default()
        };
        rules.judge(account, Some("anna"))
    };
    let is_refused = |verdict| matches!(verdict, Verdict::Refuse(why) if !why.is_empty());
    for known in ["anna", "ANNA", "ben"] {
        for accept in [Accept::Ask, Accept::Contacts, Accept::Everyone] {
            assert_eq!(judge(accept, known), Verdict::Take, "{accept:?} {known}");
        }
        assert!(is_refused(judge(Accept::Nobody, known)), "{known}");
    }
    assert_eq!(judge(Accept::Ask, "eve"), Verdict::Ask);
    assert_eq!(judge(Accept::Everyone, "eve"), Verdict::Take);
    assert!(is_refused(judge(Accept::Contacts, "eve")));
    assert!(is_refused(judge(Accept::Nobody, "eve")));
    // An account that is not known is nobody's own.
    assert_eq!(Rules::default().judge("anna", None), Verdict::Ask);
}
