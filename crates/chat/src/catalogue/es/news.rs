//! What happens in the chat.

use super::{because, people};
use crate::catalogue::News;
use crate::catalogue::time::date_time;
use crate::catalogue::words::counted;
use crate::event::LeftCause;

pub(super) fn say(news: &News<'_>) -> String {
    match *news {
        News::Entered {
            room,
            members,
            topic,
        } => {
            let there = match members {
                0 | 1 => "no hay nadie más aquí".to_owned(),
                members => format!("{members} personas aquí"),
            };
            let topic = match topic {
                "" => String::new(),
                topic => format!(" Tema: {topic}"),
            };
            format!("Estás en {room}, {there}.{topic}")
        }
        News::Skipped { count, history } => format!(
            "{}: {history} los tiene.",
            counted(
                count,
                "mensaje anterior no se muestra",
                "mensajes anteriores no se muestran"
            )
        ),
        News::Moved { cause, room } => say_cause(cause, room),
        News::Brought(cause) => say_brought(cause),
        News::Came { names, count } => {
            let verb = if count == 1 { "entró" } else { "entraron" };
            format!("{} {verb}.", people(names, count))
        }
        News::Went { names, count } => {
            let verb = if count == 1 { "salió" } else { "salieron" };
            format!("{} {verb}.", people(names, count))
        }
        News::Away(login) => format!("{login} está ausente."),
        News::Mentioned { by, place, enter } => {
            format!("{by} te mencionó en {place}: {enter} {place}")
        }
        News::Edited { by, seq } => format!("{by} cambió el mensaje {seq}:"),
        News::Deleted { by, seq } => format!("El mensaje {seq} de {by} fue borrado."),
        News::Reactions { by, seq, emojis } => match emojis {
            "" => format!("El mensaje {seq} de {by} ya no tiene reacciones."),
            emojis => format!("El mensaje {seq} de {by}: {emojis}"),
        },
        News::TopicSet { by, topic } => match topic {
            "" => format!("{by} quitó el tema."),
            topic => format!("{by} puso el tema: {topic}"),
        },
        News::KeepSet { by, keep: true } => {
            format!("{by} hizo que la sala quede cuando quien la creó se va.")
        }
        News::KeepSet { by, keep: false } => {
            format!("{by} hizo que la sala se borre cuando quien la creó se va.")
        }
        News::SlowSet { by, slow_s: 0 } => format!("{by} terminó el modo lento."),
        News::SlowSet { by, slow_s } => format!(
            "{by} hizo lenta la sala: un mensaje cada {}.",
            match slow_s {
                1 => "segundo".to_owned(),
                slow_s => counted(slow_s.into(), "segundo", "segundos"),
            }
        ),
        News::Muted {
            by,
            login,
            is_on: true,
        } => format!("{by} silenció a {login}."),
        News::Muted {
            by,
            login,
            is_on: false,
        } => format!("{by} deja hablar a {login} de nuevo."),
    }
}

fn say_cause(cause: &LeftCause, room: &str) -> String {
    match cause {
        LeftCause::Asked => format!("Saliste de {room}."),
        LeftCause::Arrived => format!("Llegaste a {room}."),
        LeftCause::Deleted(by) => format!("{by} borró {room}."),
        LeftCause::CreatorGone(creator) => {
            format!("{room} ya no existe, porque {creator}, que la creó, se fue.")
        }
        LeftCause::Kicked { by, reason } => {
            format!("{by} te sacó de {room}{}", because(reason))
        }
        LeftCause::Banned {
            by,
            reason,
            until_ms,
        } => {
            let until = until(*until_ms);
            format!("{by} te expulsó de {room}{until}{}", because(reason))
        }
    }
}

fn say_brought(cause: &LeftCause) -> String {
    let why = match cause {
        LeftCause::Asked | LeftCause::Arrived => return "Ahora estás aquí.".to_owned(),
        LeftCause::Deleted(by) => format!("{by} borró la sala."),
        LeftCause::CreatorGone(creator) => {
            format!("la sala ya no existe, porque {creator}, que la creó, se fue.")
        }
        LeftCause::Kicked { by, reason } => format!("{by} te sacó{}", because(reason)),
        LeftCause::Banned {
            by,
            reason,
            until_ms,
        } => format!("{by} te expulsó{}{}", until(*until_ms), because(reason)),
    };
    format!("Ahora estás aquí: {why}")
}

fn until(until_ms: Option<u64>) -> String {
    until_ms.map_or_else(String::new, |until_ms| {
        format!(" hasta {}", date_time(until_ms))
    })
}
