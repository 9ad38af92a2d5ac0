use std::path::PathBuf;

use super::*;

#[track_caller]
fn check(error: impl Into<anyhow::Error>, exit: Exit) {
    assert_eq!(classify(&error.into()), exit);
}

fn refused(code: ErrorCode) -> AdminError {
    AdminError::Refused {
        code,
        message: "no".to_owned(),
    }
}

#[test]
fn every_kind_of_error_has_its_exit_code() {
    let data_dir = PathBuf::from("d");
    check(AdminError::NotRunning { data_dir }, Exit::Unreachable);
    check(refused(ErrorCode::NotFound), Exit::NotFound);
    check(refused(ErrorCode::AlreadyExists), Exit::Exists);
    check(refused(ErrorCode::Invalid), Exit::Usage);
    check(refused(ErrorCode::Refused), Exit::Refused);
    check(refused(ErrorCode::Failed), Exit::Failed);
    check(CommandError::new(Exit::Refused, "no"), Exit::Refused);
    let closed = |code| ClientError::ChannelClosed {
        code,
        text: "no".to_owned(),
    };
    check(closed(404), Exit::NotFound);
    check(closed(403), Exit::Refused);
    check(ClientError::Cut, Exit::Unreachable);
    check(anyhow::anyhow!("anything else"), Exit::Failed);
    check(
        ConfigError::Rule {
            key: "shards",
            message: "too many".to_owned(),
        },
        Exit::Usage,
    );
}

#[test]
fn context_does_not_hide_the_exit_code() {
    let wrapped = anyhow::Error::from(refused(ErrorCode::NotFound)).context("while deleting");
    assert_eq!(classify(&wrapped), Exit::NotFound);
}
