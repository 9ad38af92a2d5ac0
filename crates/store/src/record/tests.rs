use super::{
    Record, Turn, put_ack, put_drop, put_message, put_note, put_purge, put_settled, put_state, take,
};
use crate::fields::Fields;
use crate::ids::{QueueId, Sequence};

fn sample() -> Vec<u8> {
    let mut buffer = Vec::new();
    let turn = Turn {
        shard: 3,
        rotation: 9,
    };
    put_settled(&mut buffer, turn);
    put_message(
        &mut buffer,
        &[(QueueId(1), Sequence(2)), (QueueId(3), Sequence(4))],
        &[b"head", b"", b"body"],
    );
    put_ack(&mut buffer, QueueId(1), Sequence(5), Sequence(u64::MAX));
    put_note(&mut buffer, QueueId(1), Sequence(6), 7);
    put_purge(&mut buffer, QueueId(1), Sequence(8));
    put_drop(&mut buffer, QueueId(u64::MAX));
    put_state(&mut buffer, turn, |body| body.extend_from_slice(b"state"));
    buffer
}

#[test]
fn records_are_read_as_they_were_written() {
    let bytes = sample();
    let mut fields = Fields::new(&bytes);
    let turn = Turn {
        shard: 3,
        rotation: 9,
    };
    assert_eq!(take(&mut fields), Some(Record::Settled(turn)));
    let Some(Record::Message { targets, payload }) = take(&mut fields) else {
        panic!("the second record is the message");
    };
    let expected = [(QueueId(1), Sequence(2)), (QueueId(3), Sequence(4))];
    assert_eq!(targets.iter().collect::<Vec<_>>(), expected);
    assert_eq!(payload, b"headbody");
    let queue = QueueId(1);
    let rest = [
        Record::Ack {
            queue,
            first: Sequence(5),
            last: Sequence(u64::MAX),
        },
        Record::Note {
            queue,
            sequence: Sequence(6),
            note: 7,
        },
        Record::Purge {
            queue,
            below: Sequence(8),
        },
        Record::Drop {
            queue: QueueId(u64::MAX),
        },
        Record::State {
            turn,
            body: b"state",
        },
    ];
    for record in rest {
        assert_eq!(take(&mut fields), Some(record));
    }
    assert_eq!(fields.rest(), b"");
}

#[test]
fn a_record_that_is_cut_short_is_none() {
    let bytes = sample();
    let whole = |bytes: &[u8]| {
        let mut fields = Fields::new(bytes);
        let mut count = 0;
        while take(&mut fields).is_some() {
            count += 1;
        }
        count
    };
    assert_eq!(whole(&bytes), 7);
    for length in 0..bytes.len() {
        assert!(whole(&bytes[..length]) < 7, "cut to {length}");
    }
}

#[test]
fn an_unknown_kind_is_none() {
    assert_eq!(take(&mut Fields::new(&[0; 64])), None);
    assert_eq!(take(&mut Fields::new(&[8; 64])), None);
}
