//! What was refused, why, and what to do.

use super::because;
use crate::catalogue::time::date_time;
use crate::catalogue::words::counted;
use crate::limits::{
    NOTE_CHARS_MAX, REASON_CHARS_MAX, ROOM_CHARS_MAX, SEARCH_BYTES_MAX, SENT_ID_BYTES_MAX,
    SLOW_S_MAX, TEXT_BYTES_MAX, TOPIC_CHARS_MAX,
};
use crate::name::RoomNameError;
use crate::refusal::{Plenty, Reason, Rule};

pub(super) fn say(reason: &Reason) -> String {
    match reason {
        Reason::NoRoom(room) => format!("No hay ninguna sala {room}."),
        Reason::NoUser(login) => format!("No hay ninguna cuenta {login}."),
        Reason::NoMessage(seq) => format!("No hay aquí ningún mensaje {seq}, o fue borrado."),
        Reason::RoomName(error) => say_name(*error),
        Reason::RoomTaken(room) => format!("Ya hay una sala {room}. Elige otro nombre."),
        Reason::RoomConfusable(room) => {
            format!("Ese nombre se parece al de la sala {room}. Elige otro nombre.")
        }
        Reason::NotOwner(room) => {
            format!("Solo quien creó {room} y los administradores pueden hacer eso.")
        }
        Reason::KeepForbidden => {
            "En este servidor no puedes crear salas que quedan. Créala sin eso.".to_owned()
        }
        Reason::DefaultRoom => "La sala por defecto queda como está.".to_owned(),
        Reason::Banned {
            room,
            until_ms,
            reason,
        } => {
            let until = until(*until_ms);
            format!(
                "Tienes prohibida la entrada a {room}{until}{}",
                because(reason)
            )
        }
        Reason::Muted { room, until_ms } => {
            format!("No puedes hablar en {room}{}.", until(*until_ms))
        }
        Reason::Slow(seconds) => format!(
            "Esta sala es lenta: un mensaje cada {}. Espera un momento.",
            counted(u64::from(*seconds), "segundo", "segundos")
        ),
        Reason::Flood => "Envías demasiado rápido. Espera un momento.".to_owned(),
        Reason::EmptyText => "Un mensaje no puede estar vacío.".to_owned(),
        Reason::LongText(bytes) => {
            format!("Un mensaje tiene como máximo {TEXT_BYTES_MAX} bytes; este tiene {bytes}.")
        }
        Reason::NotAuthor => "Ese mensaje es de otra persona.".to_owned(),
        Reason::TooOld => "Ese mensaje es demasiado antiguo para cambiarlo.".to_owned(),
        Reason::Blocked(login) => format!("{login} no recibe mensajes tuyos."),
        Reason::Yourself => "No puedes hacerte eso a ti.".to_owned(),
        Reason::Administrator => "No puedes hacerle eso a un administrador.".to_owned(),
        Reason::TooMany(what) => format!("Hay {}.", too_many(*what)),
        Reason::Invalid(rule) => say_rule(*rule),
        Reason::NotThere(room) => format!("No estás en {room}."),
        Reason::UserNotThere(login, room) => format!("{login} no está en {room}."),
        Reason::NotSanctioned(login) => {
            format!("{login} no está expulsado ni silenciado aquí.")
        }
        Reason::NoTalk(login) => {
            format!("Todavía no hay conversación privada con {login}. Escríbele primero.")
        }
        Reason::NoSession => "Eso necesita una conexión que escuche.".to_owned(),
        Reason::Unavailable => {
            "No se llega al historial en este momento. Prueba más tarde.".to_owned()
        }
        Reason::Void => "Tu sesión ya no es válida. Inicia sesión de nuevo.".to_owned(),
    }
}

fn until(until_ms: Option<u64>) -> String {
    until_ms.map_or_else(String::new, |until_ms| {
        format!(" hasta {}", date_time(until_ms))
    })
}

fn say_name(error: RoomNameError) -> String {
    match error {
        RoomNameError::Length => {
            format!("El nombre de una sala tiene de 1 a {ROOM_CHARS_MAX} caracteres.")
        }
        RoomNameError::Character(character) => format!(
            "El nombre de una sala se compone de letras, cifras, '-' y '_', no de {} (U+{:04X}).",
            character.escape_debug(),
            u32::from(character)
        ),
        RoomNameError::MixedScript => {
            "El nombre de una sala no puede mezclar letras de alfabetos distintos.".to_owned()
        }
    }
}

const fn too_many(what: Plenty) -> &'static str {
    match what {
        Plenty::Rooms => "demasiadas salas en este servidor. Espera a que se vayan algunas",
        Plenty::OwnRooms => "demasiadas salas tuyas. Borra una antes",
        Plenty::RoomsAtOnce => "demasiadas salas a la vez. Sal de una antes",
        Plenty::Blocked => "demasiadas cuentas bloqueadas. Desbloquea una antes",
        Plenty::Sanctions => {
            "demasiados expulsados y silenciados en esta sala. Perdona a algunos antes"
        }
        Plenty::Emojis => "demasiados emojis distintos bajo este mensaje",
        Plenty::Connections => "demasiadas conexiones de esta cuenta. Cierra una antes",
    }
}

fn say_rule(rule: Rule) -> String {
    match rule {
        Rule::SentId => format!("El id de un mensaje tiene de 1 a {SENT_ID_BYTES_MAX} bytes."),
        Rule::Topic => format!("Un tema es una línea de {TOPIC_CHARS_MAX} caracteres como máximo."),
        Rule::SlowMode => format!("El modo lento es de 0 a {SLOW_S_MAX} segundos."),
        Rule::Reason => {
            format!("Un motivo es una línea de {REASON_CHARS_MAX} caracteres como máximo.")
        }
        Rule::Minutes => "Una expulsión o un silencio dura al menos un minuto.".to_owned(),
        Rule::Emoji => "Una reacción es un emoji.".to_owned(),
        Rule::Note => format!("Una nota es una línea de {NOTE_CHARS_MAX} caracteres como máximo."),
        Rule::Search => format!("Una búsqueda tiene de 1 a {SEARCH_BYTES_MAX} bytes."),
        Rule::Level => {
            "Se te puede avisar de: all (todo), mentions (menciones) o nothing (nada).".to_owned()
        }
    }
}
