use super::words::duration;
use super::*;
use crate::profile::{Field, Flaw};

#[test]
fn dates_are_those_of_the_calendar() {
    for (at_ms, written) in [
        (0, "1970-01-01 00:00:00 UTC"),
        (951_782_400_000, "2000-02-29 00:00:00 UTC"),
        (1_709_251_199_999, "2024-02-29 23:59:59 UTC"),
        (1_709_251_200_000, "2024-03-01 00:00:00 UTC"),
        (1_735_689_599_000, "2024-12-31 23:59:59 UTC"),
        (4_107_542_400_000, "2100-03-01 00:00:00 UTC"),
    ] {
        assert_eq!(date_time(at_ms), written);
    }
    assert!(date_time(u64::MAX).ends_with("UTC"));
}

/// Names, how many came, and how that is said.
type Came = (&'static [&'static str], usize, &'static str, &'static str);

#[test]
fn who_came_is_said_in_one_sentence_with_the_right_plural() {
    let cases: [Came; 6] = [
        (&["ana"], 1, "ana came in.", "ana entró."),
        (
            &["ana", "bob"],
            2,
            "ana and bob came in.",
            "ana y bob entraron.",
        ),
        (
            &["ana", "inés"],
            2,
            "ana and inés came in.",
            "ana e inés entraron.",
        ),
        (
            &["ana", "hielo"],
            2,
            "ana and hielo came in.",
            "ana y hielo entraron.",
        ),
        (
            &["ana", "bob"],
            3,
            "ana, bob and 1 other came in.",
            "ana, bob y 1 más entraron.",
        ),
        (
            &["ana", "bob"],
            14,
            "ana, bob and 12 others came in.",
            "ana, bob y 12 más entraron.",
        ),
    ];
    for (names, count, english, spanish) in cases {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let names = &names;
        assert_eq!(say(Language::English, News::Came { names, count }), english);
        assert_eq!(say(Language::Spanish, News::Came { names, count }), spanish);
    }
}

#[test]
fn one_is_said_otherwise_than_many() {
    let say = |language, listed: Listed<'_>| say(language, listed);
    for (count, english, spanish) in [
        (
            0,
            "0 rooms; * marks where you are.",
            "0 salas; * marca dónde estás.",
        ),
        (
            1,
            "1 room; * marks where you are.",
            "1 sala; * marca dónde estás.",
        ),
        (
            2,
            "2 rooms; * marks where you are.",
            "2 salas; * marca dónde estás.",
        ),
    ] {
        assert_eq!(say(Language::English, Listed::Rooms(count)), english);
        assert_eq!(say(Language::Spanish, Listed::Rooms(count)), spanish);
    }
}

#[test]
fn durations_are_said_in_a_unit_that_fits() {
    let words = [("s", "ss"), ("m", "mm"), ("h", "hh"), ("d", "dd")];
    for (seconds, said) in [
        (0, "0 ss"),
        (1, "1 s"),
        (119, "119 ss"),
        (120, "2 mm"),
        (3_601, "61 mm"),
        (7_200, "2 hh"),
        (172_800, "2 dd"),
    ] {
        assert_eq!(duration(seconds, words), said);
    }
}

#[test]
fn a_refusal_says_what_was_wrong_and_what_to_do() {
    let reason = Reason::Banned {
        room: "tech".to_owned(),
        until_ms: Some(0),
        reason: "spam".to_owned(),
    };
    assert_eq!(
        refusal(&reason, Language::English),
        "You are banned from tech until 1970-01-01 00:00:00 UTC: spam"
    );
    assert_eq!(
        refusal(&Reason::RoomTaken("tech".to_owned()), Language::Spanish),
        "Ya hay una sala tech. Elige otro nombre."
    );
}

#[test]
fn a_cause_is_said_unless_it_was_one_s_own_wish() {
    let gone = LeftCause::CreatorGone("ana".to_owned());
    assert_eq!(
        cause(&gone, "tech", Language::English),
        "tech is gone, because ana, who created it, left."
    );
    assert_eq!(cause(&LeftCause::Asked, "tech", Language::English), "");
    let banned = LeftCause::Banned {
        by: "ana".to_owned(),
        reason: "spam".to_owned(),
        until_ms: Some(0),
    };
    for (why, english, spanish) in [
        (
            &gone,
            "You are here now: the room is gone, because ana, who created it, left.",
            "Ahora estás aquí: la sala ya no existe, porque ana, que la creó, se fue.",
        ),
        (
            &banned,
            "You are here now: ana banned you until 1970-01-01 00:00:00 UTC: spam",
            "Ahora estás aquí: ana te expulsó hasta 1970-01-01 00:00:00 UTC: spam",
        ),
        (&LeftCause::Arrived, "", ""),
    ] {
        assert_eq!(brought(why, Language::English), english);
        assert_eq!(brought(why, Language::Spanish), spanish);
    }
    let flaw = Entry::Flawed {
        field: Field::Age,
        flaw: Flaw::Age { max: 150 },
    };
    assert_eq!(
        say(Language::Spanish, flaw),
        "La edad es un número de 1 a 150."
    );
}
