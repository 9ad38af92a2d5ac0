use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn of(total: u32, groups: &BTreeSet<u32>) -> Have {
    let mut have = Have::none(total);
    for &group in groups {
        have.insert(group);
    }
    have
}

/// Sets of single groups and of runs, around the borders of words.
fn set() -> impl Strategy<Value = (u32, BTreeSet<u32>)> {
    let runs = proptest::collection::vec((0..300_u32, 1..90_u32), 0..6);
    (1..300_u32, runs).prop_map(|(total, runs)| {
        let groups = runs
            .iter()
            .flat_map(|&(start, length)| start..start + length);
        (total, groups.filter(|&group| group < total).collect())
    })
}

proptest! {
    #[test]
    fn it_is_a_set((total, groups) in set(), other in 0..300_u32) {
        let mut have = of(total, &groups);
        prop_assert_eq!(have.count() as usize, groups.len());
        for group in 0..total + 70 {
            prop_assert_eq!(have.contains(group), groups.contains(&group));
        }
        let listed: BTreeSet<u32> = have.runs().flatten().collect();
        prop_assert_eq!(&listed, &groups);
        let missing: BTreeSet<u32> = have.missing().flatten().collect();
        prop_assert_eq!(missing, (0..total).filter(|group| !groups.contains(group)).collect());

        prop_assert_eq!(have.remove(other), groups.contains(&other));
        let mut rest = groups.clone();
        rest.remove(&other);
        prop_assert_eq!(&have, &of(total, &rest));
    }

    #[test]
    fn a_run_is_its_groups((total, groups) in set(), start in 0..300_u32, length in 0..300_u32) {
        let run = start.min(total)..start.saturating_add(length).min(total);
        let mut by_run = of(total, &groups);
        by_run.insert_run(run.clone());
        let mut all = groups;
        all.extend(run);
        prop_assert_eq!(by_run, of(total, &all));
    }

    #[test]
    fn runs_are_as_long_as_can_be((total, groups) in set()) {
        let have = of(total, &groups);
        let mut end = None;
        for run in have.runs() {
            prop_assert!(run.start < run.end);
            prop_assert!(end.is_none_or(|end| end < run.start));
            end = Some(run.end);
        }
    }

    #[test]
    fn it_goes_over_the_wire((total, groups) in set()) {
        let have = of(total, &groups);
        let wire = have.encode();
        prop_assert!(wire.len() <= 1 + total.div_ceil(8) as usize);
        prop_assert_eq!(Have::decode(total, &wire), Ok(have));
    }

    #[test]
    fn any_bytes_are_decoded_within_the_content(total in 0..300_u32, form in 0..3_u8, bytes: Vec<u8>) {
        let wire: Vec<u8> = std::iter::once(form).chain(bytes).collect();
        if let Ok(have) = Have::decode(total, &wire) {
            prop_assert_eq!(have.runs().flatten().count() as u32, have.count());
            prop_assert!(have.runs().all(|run| run.end <= total));
            prop_assert_eq!(Have::decode(total, &have.encode()), Ok(have));
        }
    }
}

#[test]
fn usual_sets_are_short_on_the_wire() {
    let mut half = Have::none(1 << 26);
    half.insert_run(0..1 << 25);
    for (have, due) in [(Have::none(1 << 26), 1), (half, 6), (Have::all(1 << 26), 6)] {
        assert_eq!(have.encode().len(), due);
        assert_eq!(Have::decode(1 << 26, &have.encode()), Ok(have));
    }
}

#[test]
fn what_is_no_set_is_refused() {
    let cases: [(&[u8], HaveError); 9] = [
        (&[], HaveError::Malformed),
        (&[2], HaveError::Malformed),
        (&[RUNS, 1], HaveError::Malformed),
        (&[RUNS, 1, 0], HaveError::Malformed),
        (&[RUNS, 0x80], HaveError::Malformed),
        (&[RUNS, 0xff, 0xff, 0xff, 0xff, 0xff], HaveError::Malformed),
        (&[RUNS, 1, 10], HaveError::Beyond),
        (&[BITMAP, 0xff], HaveError::Malformed),
        (&[BITMAP, 0xff, 0b100], HaveError::Beyond),
    ];
    for (bytes, due) in cases {
        assert_eq!(Have::decode(10, bytes), Err(due), "{bytes:?}");
    }
    assert_eq!(Have::decode(10, &[BITMAP, 0xff, 0b11]), Ok(Have::all(10)));
    let far = [RUNS, 1, 0xff, 0xff, 0xff, 0xff, 0x0f];
    assert_eq!(Have::decode(10, &far), Err(HaveError::Beyond));
}

#[test]
fn an_empty_content_is_had_by_all() {
    let have = Have::none(0);
    assert!(have.is_all());
    assert_eq!((have.runs().count(), have.missing().count()), (0, 0));
    assert_eq!(Have::decode(0, &have.encode()), Ok(have));
}
