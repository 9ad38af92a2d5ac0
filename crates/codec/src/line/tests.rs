use proptest::prelude::*;

use super::*;

/// Decodes what comes in pieces; what was heard, as text that tells its kinds apart.
fn heard(pieces: &[&[u8]]) -> Vec<String> {
    let mut decoder = LineDecoder::new(64);
    let mut all = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let (used, heard) = decoder.decode(rest);
            assert!(used <= rest.len());
            rest = rest.get(used..).unwrap_or_default();
            match heard {
                None => break,
                Some(Heard::Line(line)) => all.push(line.into_owned()),
                Some(Heard::TooLong) => all.push("<too long>".to_owned()),
                Some(Heard::NotText) => all.push("<not text>".to_owned()),
                Some(Heard::Telnet(answer)) => all.push(format!("<telnet {answer:?}>")),
            }
        }
        assert!(rest.is_empty(), "nothing is left: {rest:?}");
    }
    all
}

#[test]
fn lines_end_in_every_way_that_clients_end_them() {
    let cases: [(&[&[u8]], &[&str]); 13] = [
        (&[b"a\nb\n"], &["a", "b"]),
        (&[b"a\r\nb\r\n"], &["a", "b"]),
        (&[b"a\rb\r"], &["a", "b"]),
        (&[b"a\r\0b\r\0"], &["a", "b"]),
        (&[b"a\r", b"\nb\r", b"\0c\n"], &["a", "b", "c"]),
        (&[b"a\r", b"", b"\nb\n"], &["a", "b"]),
        (&[b"\n\r\n\r"], &["", "", ""]),
        (&[b"\n\n"], &["", ""]),
        (&[b"a\n\r"], &["a", ""]),
        (&[b"hal", b"f\n"], &["half"]),
        (&[b"half\r", b"\n"], &["half"]),
        (&[b"ha", b"lf\r\nx\n"], &["half", "x"]),
        (&[b"no end"], &[]),
    ];
    for (pieces, lines) in cases {
        assert_eq!(heard(pieces), lines, "{pieces:?}");
    }
}

#[test]
fn a_line_has_no_control_characters_but_tab() {
    let cases: [(&[&[u8]], &[&str]); 8] = [
        (&[b"a\0b\x07c\td\n"], &["abc\td"]),
        (&[b"\x1b[31mred\x1b[0m\n"], &["[31mred[0m"]),
        (
            "ni\u{9b}ño\n"
                .as_bytes()
                .chunks(1)
                .collect::<Vec<_>>()
                .leak(),
            &["niño"],
        ),
        (&["c1 \u{85}\u{9b}x\n".as_bytes()], &["c1 x"]),
        (&["ñandú\x08\x7f\x08u\n".as_bytes()], &["ñau"]),
        (&[b"\x08\x7fx\n"], &["x"]),
        (
            &["\u{202e}abc\u{200d}\n".as_bytes()],
            &["\u{202e}abc\u{200d}"],
        ),
        (&[b"\xc3(\n", b"fine\n"], &["<not text>", "fine"]),
    ];
    for (pieces, lines) in cases {
        assert_eq!(heard(pieces), lines, "{pieces:?}");
    }
}

#[test]
fn telnet_is_taken_out_wherever_it_is_split() {
    // WILL ECHO, DO SGA, DO ECHO, a subnegotiation with a line's end and IAC IAC in it, NOP.
    let bytes =
        b"a\xff\xfb\x01b\xff\xfd\x03\xff\xfd\x01c\xff\xfa\x18\n\r\xff\xffx\xff\xf0d\xff\xf1e\n";
    let expected = [
        "<telnet Some([255, 254, 1])>",
        "<telnet Some([255, 252, 3])>",
        "<telnet None>",
        "abcde",
    ];
    assert_eq!(heard(&[bytes]), expected);
    let single: Vec<_> = bytes.chunks(1).collect();
    assert_eq!(heard(&single), expected);
    for at in 0..bytes.len() {
        let (before, after) = bytes.split_at(at);
        assert_eq!(heard(&[before, after]), expected, "split at {at}");
    }
    assert_eq!(heard(&[b"\xff\xff\n"]), ["<not text>"], "255 is no text");
}

#[test]
fn a_line_that_is_too_long_is_said_once_and_skipped_without_being_held() {
    let mut decoder = LineDecoder::new(64);
    let piece = [b'x'; 4096];
    assert_eq!(decoder.decode(&piece), (4096, Some(Heard::TooLong)));
    for _ in 0..256 {
        assert_eq!(decoder.decode(&piece), (4096, None));
        assert_eq!(decoder.held_bytes(), 0);
    }
    assert_eq!(
        decoder.decode(b"end\r\nnext\n"),
        (10, Some(Heard::Line("next".into())))
    );
    let whole = [b"x".repeat(65), b"\nnext\n".to_vec()].concat();
    assert_eq!(heard(&[&whole]), ["<too long>", "next"]);
    let fits = [b"x".repeat(64), b"\n".to_vec()].concat();
    assert_eq!(heard(&[&fits]), ["x".repeat(64)]);
}

#[test]
fn nothing_is_held_between_two_lines() {
    let mut decoder = LineDecoder::new(64);
    let line = decoder.decode(b"whole\n").1;
    assert!(matches!(
        line,
        Some(Heard::Line(std::borrow::Cow::Borrowed("whole")))
    ));
    assert_eq!(decoder.held_bytes(), 0);
    decoder.decode(b"hal");
    assert!(decoder.held_bytes() > 0);
    decoder.decode(b"f\n");
    assert_eq!(decoder.held_bytes(), 0);
}

fn here(here: Here<'_>) -> Spoken<'_> {
    Spoken::Here(here)
}

fn own(own: Own<'_>) -> Spoken<'_> {
    Spoken::Own(own)
}

fn history<'a>(place: Option<&'a str>, count: Option<u32>, before: Option<u64>) -> Spoken<'a> {
    Spoken::History {
        place,
        count,
        before,
    }
}

fn check(cases: &[(&str, Spoken<'_>)]) {
    for (line, spoken) in cases {
        assert_eq!(parse(line), *spoken, "{line}");
    }
}

#[test]
fn lines_that_are_no_commands_are_text() {
    check(&[
        ("", Spoken::Nothing),
        ("  \t", Spoken::Nothing),
        ("hola", Spoken::Text("hola")),
        (" #exit", Spoken::Text(" #exit")),
        ("a #exit", Spoken::Text("a #exit")),
        ("##exit", Spoken::Text("#exit")),
        ("###", Spoken::Text("##")),
    ]);
}

#[test]
fn the_commands_of_rooms_are_those_that_clients_use() {
    let keep = |room, keep| Spoken::CreateRoom { room, keep };
    let private = |login, text| Spoken::Private { login, text };
    check(&[
        ("#cR tech", keep("tech", false)),
        ("#CR tech keep", keep("tech", true)),
        ("#cr tech KEEP", keep("tech", true)),
        ("#cR", Spoken::Misused(Verb::CreateRoom)),
        ("#cR tech stay", Spoken::Misused(Verb::CreateRoom)),
        ("#gR  tech ", Spoken::EnterRoom("tech")),
        ("#gR a b", Spoken::Misused(Verb::EnterRoom)),
        ("#eR", Spoken::LeaveRoom),
        ("#exit", own(Own::Exit)),
        ("#quit", own(Own::Exit)),
        ("#exit now", Spoken::Misused(Verb::Exit)),
        ("#lR", Spoken::ListRooms),
        ("#rooms", Spoken::ListRooms),
        ("#dR tech", Spoken::DeleteRoom("tech")),
        ("#dR", Spoken::Misused(Verb::DeleteRoom)),
        ("#show users", Spoken::ShowUsers),
        ("#SHOW  Users", Spoken::ShowUsers),
        ("#users", Spoken::ShowUsers),
        ("#show", Spoken::Misused(Verb::ShowUsers)),
        ("#show rooms", Spoken::Misused(Verb::ShowUsers)),
        (
            "#\\private<ana> hola a todos",
            private("ana", "hola a todos"),
        ),
        ("#\\private<ana>hola", private("ana", "hola")),
        ("#\\private <ana> hola", private("ana", "hola")),
        ("#\\private ana hola", private("ana", "hola")),
        ("#private @ana hola", private("ana", "hola")),
        ("#pm ana  hola", private("ana", "hola")),
        ("#\\private<ana>", Spoken::Misused(Verb::Private)),
        ("#\\private<ana hola", Spoken::Misused(Verb::Private)),
        ("#\\private<> hola", Spoken::Misused(Verb::Private)),
        ("#pm ana", Spoken::Misused(Verb::PrivateShort)),
    ]);
}

#[test]
fn the_commands_of_history_and_listings_take_what_they_say() {
    check(&[
        ("#history", history(None, None, None)),
        ("#history 5", history(None, Some(5), None)),
        ("#history 5 135", history(None, Some(5), Some(135))),
        ("#history tech", history(Some("tech"), None, None)),
        (
            "#history @ana 5 12",
            history(Some("@ana"), Some(5), Some(12)),
        ),
        ("#history 0", Spoken::Misused(Verb::History)),
        ("#history tech many", Spoken::Misused(Verb::History)),
        ("#search dos palabras", Spoken::Search("dos palabras")),
        ("#search", Spoken::Misused(Verb::Search)),
        ("#who", Spoken::Who(None)),
        ("#who tech", Spoken::Who(Some("tech"))),
        ("#who a b", Spoken::Misused(Verb::Who)),
        ("#unread", Spoken::Unread),
        ("#blocked", Spoken::Blocked),
        ("#topic", here(Here::Topic(None))),
        ("#topic de todo", here(Here::Topic(Some("de todo")))),
        ("#away comiendo ya", Spoken::Away("comiendo ya")),
        ("#away", Spoken::Away("")),
        ("#back", Spoken::Back),
    ]);
}

#[test]
fn the_commands_about_messages_know_a_number_from_a_text() {
    let edit = |seq, text| here(Here::Edit { seq, text });
    let react = |is_on| {
        here(Here::React {
            seq: 3,
            emoji: "👍",
            is_on,
        })
    };
    check(&[
        ("#me ríe", here(Here::Action("ríe"))),
        ("#me", Spoken::Misused(Verb::Me)),
        ("#edit 3 mejor", edit(Some(3), "mejor")),
        ("#edit mejor así", edit(None, "mejor así")),
        ("#edit 3", edit(None, "3")),
        ("#edit", Spoken::Misused(Verb::Edit)),
        ("#del", here(Here::Delete(None))),
        ("#delete 7", here(Here::Delete(Some(7)))),
        ("#del x", Spoken::Misused(Verb::Delete)),
        ("#del 0", Spoken::Misused(Verb::Delete)),
        (
            "#reply 3 sí",
            here(Here::Reply {
                seq: 3, text: "sí"
            }),
        ),
        ("#reply 3", Spoken::Misused(Verb::Reply)),
        ("#reply sí", Spoken::Misused(Verb::Reply)),
        ("#react 3 👍", react(true)),
        ("#react 3 👍 off", react(false)),
        ("#react 3", Spoken::Misused(Verb::React)),
    ]);
}

#[test]
fn the_commands_of_moderation_take_minutes_and_a_reason() {
    let login = "bob";
    let how = |minutes, reason| Some(Sanctioned { minutes, reason });
    let ban = |sanction| here(Here::Ban { login, sanction });
    let mute = |sanction| here(Here::Mute { login, sanction });
    let block = |is_on| Spoken::Block { login, is_on };
    check(&[
        ("#kick bob", here(Here::Kick { login, reason: "" })),
        (
            "#kick @bob por spam",
            here(Here::Kick {
                login,
                reason: "por spam",
            }),
        ),
        ("#kick", Spoken::Misused(Verb::Kick)),
        ("#ban bob", ban(how(None, ""))),
        ("#ban bob 10", ban(how(Some(10), ""))),
        ("#ban bob 10 por spam", ban(how(Some(10), "por spam"))),
        ("#ban bob por spam", ban(how(None, "por spam"))),
        ("#unban bob", ban(None)),
        ("#unban bob 10", Spoken::Misused(Verb::Unban)),
        ("#mute bob 5", mute(how(Some(5), ""))),
        ("#unmute bob", mute(None)),
        ("#slow 30", here(Here::Slow(30))),
        ("#slow -1", Spoken::Misused(Verb::Slow)),
        ("#keep on", here(Here::Keep(true))),
        ("#keep OFF", here(Here::Keep(false))),
        ("#keep", Spoken::Misused(Verb::Keep)),
        ("#block bob", block(true)),
        ("#unblock @bob", block(false)),
        ("#block", Spoken::Misused(Verb::Block)),
    ]);
}

#[test]
fn the_commands_of_the_connection_are_its_own() {
    check(&[
        ("#time", own(Own::Time(None))),
        (
            "#time 1700000000000000",
            own(Own::Time(Some(1_700_000_000_000_000))),
        ),
        ("#time now", Spoken::Misused(Verb::Time)),
        ("#lang es", own(Own::Language("es"))),
        ("#lang", Spoken::Misused(Verb::Language)),
        ("#mode json", own(Own::Mode(Shown::Json))),
        ("#mode Text", own(Own::Mode(Shown::Text))),
        ("#mode xml", Spoken::Misused(Verb::Mode)),
        ("#echo off", own(Own::Echo(false))),
        ("#echo", Spoken::Misused(Verb::Echo)),
        ("#telnet", own(Own::Telnet)),
        ("#help", own(Own::Help(None))),
        ("#help gr", own(Own::Help(Some(Verb::EnterRoom)))),
        ("#help #show users", own(Own::Help(Some(Verb::ShowUsers)))),
    ]);
}

#[test]
fn unknown_commands_are_no_messages_and_have_a_guess() {
    let cases = [
        ("#", "", None),
        ("# title", "", None),
        ("#1", "1", None),
        ("#xR lobby", "xR", Some(Verb::CreateRoom)),
        ("#exti", "exti", Some(Verb::Exit)),
        ("#histroy 3", "histroy", Some(Verb::History)),
        ("#privat<ana> hola", "privat", Some(Verb::Private)),
        ("#gRlobby", "gRlobby", Some(Verb::EnterRoom)),
        ("#exit#exit", "exit#exit", Some(Verb::Exit)),
        ("#zzzzzz", "zzzzzz", None),
        ("#help exti", "exti", Some(Verb::Exit)),
    ];
    for (line, name, meant) in cases {
        assert_eq!(parse(line), Spoken::Unknown { name, meant }, "{line}");
    }
}

#[test]
fn every_command_is_found_by_its_word_in_any_case() {
    for verb in Verb::ALL {
        let word = verb.word();
        let name = word.split(' ').next().expect("a word");
        assert_eq!(Verb::of(name), Some(verb), "{word}");
        assert_eq!(Verb::of(&name.to_uppercase()), Some(verb), "{word}");
    }
}

fn sanitised(text: &str) -> String {
    let mut out = Vec::new();
    sanitise(text, &mut out);
    String::from_utf8(out).expect("text stays text")
}

#[test]
fn what_a_terminal_would_act_on_is_shown_instead() {
    for (text, shown) in [
        ("hola", "hola"),
        ("¿qué tal, señor? 你好 שלום", "¿qué tal, señor? 你好 שלום"),
        ("\x1b[2J\x07\0\r\n\x7f", "␛[2J␇␀␍␊␡"),
        ("a\tb", "a    b"),
        ("\u{9b}31m", "\\u{9b}31m"),
        ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
        ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
        ("line\u{2028}break", "line\\u{2028}break"),
        ("a\u{200d}b", "a\\u{200d}b"),
        (
            "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f} 1\u{fe0f}\u{20e3}",
            "👨\u{200d}👩\u{200d}👧 ❤\u{fe0f} 1\u{fe0f}\u{20e3}",
        ),
        ("🏳\u{fe0f}\u{200d}🌈", "🏳\u{fe0f}\u{200d}🌈"),
        ("é\u{200d}\u{200d}", "é\u{200d}\\u{200d}"),
    ] {
        assert_eq!(sanitised(text), shown);
    }
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_give_the_same_clean_lines(
        bytes in prop::collection::vec(
            prop_oneof![Just(255u8), Just(b'\r'), Just(b'\n'), Just(0u8), Just(8u8), 240..=255u8, any::<u8>()], 0..300),
        size in 1..20usize,
    ) {
        let whole = heard(&[&bytes]);
        let pieces: Vec<_> = bytes.chunks(size).collect();
        prop_assert_eq!(heard(&pieces), whole.clone());
        for line in whole {
            prop_assert!(!line.contains(|c: char| c.is_control() && c != '\t'));
            let _ = parse(&line);
        }
    }

    #[test]
    fn no_text_leaves_a_control_character(text in any::<String>()) {
        let shown = sanitised(&text);
        prop_assert!(!shown.contains(char::is_control));
        prop_assert_eq!(sanitised(&shown), shown.clone(), "what is harmless stays");
        if is_plain(&text) {
            prop_assert_eq!(shown, text);
        }
    }

    #[test]
    fn any_line_can_be_read(line in "#{0,2}[a-zR\\\\<> ]{0,8}[ \\PC]{0,20}") {
        let is_command = line.starts_with('#') && !line.starts_with("##");
        prop_assert_eq!(matches!(parse(&line), Spoken::Text(_)), !is_command && !line.trim().is_empty());
    }
}
