use super::qr_code;

const LINK: &str = "http://192.0.2.7:8080/#/join/chi_0123456789012345678901234567890123456789012";

/// The modules of a drawing, true where it is drawn, row by row.
fn drawn(text: &str) -> Vec<Vec<bool>> {
    let rows = text.lines().flat_map(|line| {
        let half = |halves: [char; 2]| line.chars().map(|it| halves.contains(&it)).collect();
        [half(['█', '▀']), half(['█', '▄'])]
    });
    rows.collect()
}

#[test]
fn without_colours_the_light_is_drawn_and_with_them_the_dark() {
    let plain = qr_code(LINK, false).expect("it is short enough");
    assert!(plain.chars().all(|it| " █▀▄\n".contains(it)), "{plain}");
    let coloured = qr_code(LINK, true).expect("it is short enough");
    assert!(
        coloured
            .lines()
            .all(|line| line.starts_with("\x1b[30;107m"))
    );
    let bare = coloured.replace("\x1b[30;107m", "").replace("\x1b[0m", "");
    let (plain, bare) = (drawn(&plain), drawn(&bare));
    let width = bare[0].len();
    for row in 0..width {
        for column in 0..width {
            assert_ne!(plain[row][column], bare[row][column], "{row} {column}");
        }
    }
    // Four modules of light around, then the corner of the first finder.
    assert!(bare[3].iter().all(|is_dark| !is_dark));
    assert!(bare[4][4..11].iter().all(|is_dark| *is_dark) && !bare[4][11]);
}

#[test]
fn what_no_code_holds_is_not_drawn() {
    assert_eq!(qr_code(&"x".repeat(5_000), false), None);
}
