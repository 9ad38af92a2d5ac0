use super::*;

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

#[test]
fn columns_line_up_and_numbers_stand_to_the_right() {
    let rows = [row(&["tasks", "1200"]), row(&["a", "7"])];
    assert_eq!(
        render_table(&["NAME", "READY"], &rows, false),
        "NAME   READY\ntasks   1200\na          7\n"
    );
}

#[test]
fn a_name_cannot_send_escape_sequences_to_the_terminal() {
    let rows = [row(&["\x1b[2Jx\u{202e}"])];
    let text = render_table(&["NAME"], &rows, false);
    assert!(text.contains("\\u{1b}[2Jx\\u{202e}"), "{text}");
}

#[test]
fn a_list_without_rows_still_has_its_heading() {
    assert_eq!(render_table(&["NAME"], &[], false), "NAME\n");
}
