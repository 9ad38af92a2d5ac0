//! What a line of the client is answered.

use super::help::help;
use super::span;
use crate::catalogue::time::date_time;
use crate::catalogue::words::{counted, counted_here};
use crate::catalogue::{Answer, Listed};

pub(super) fn say(answer: &Answer<'_>) -> String {
    match *answer {
        Answer::Nowhere { enter } => {
            format!("No estás en ninguna sala. {enter} y un nombre entra en una.")
        }
        Answer::InDefaultRoom => "Ya estás en la sala por defecto.".to_owned(),
        Answer::NothingSaid { history } => format!(
            "Aún no has dicho nada aquí. Da el número de un mensaje; {history} los muestra."
        ),
        Answer::Echo(true) => "Se te muestran tus propios mensajes.".to_owned(),
        Answer::Echo(false) => "Ya no se te muestran tus propios mensajes.".to_owned(),
        Answer::LanguageChosen => "Hablamos español.".to_owned(),
        Answer::TextMode => "Se te muestra texto.".to_owned(),
        Answer::LineTooLong { bytes_max } => {
            format!(
                "Esa línea era demasiado larga y nadie la recibió: como máximo {bytes_max} bytes."
            )
        }
        Answer::NotText => "Esa línea no era UTF-8 y nadie la recibió.".to_owned(),
        Answer::Time {
            t1_us: None, t2_us, ..
        } => format!("Hora del servidor: {} ({t2_us} µs)", clock(t2_us)),
        Answer::Time {
            t1_us: Some(t1_us),
            t2_us,
            t3_us,
        } => format!("Hora: t1={t1_us} t2={t2_us} t3={t3_us}"),
        Answer::UnknownCommand {
            command,
            meant,
            help,
            literal,
        } => {
            let meant = meant.map_or_else(String::new, |meant| format!(" ¿Querías decir {meant}?"));
            format!(
                "Orden desconocida {command}; nadie la recibió.{meant} {help} muestra las órdenes; {literal} empieza un mensaje con #."
            )
        }
        Answer::Misused { command, topic } => {
            let (arguments, _) = help(topic);
            format!("Uso: {}", format!("{command} {arguments}").trim_end())
        }
        Answer::TopicIs { room, topic: "" } => format!("{room} no tiene tema."),
        Answer::TopicIs { room, topic } => format!("Tema de {room}: {topic}"),
        Answer::RetryIn { seconds } => format!("Prueba de nuevo en {}.", span(seconds)),
        Answer::Listed(listed) => say_listed(&listed),
        Answer::PrivateMark => "privado".to_owned(),
        Answer::PrivateMarkTo(login) => format!("privado a {login}"),
        Answer::EditedMark => "(editado)".to_owned(),
        Answer::DeletedMark => "(borrado)".to_owned(),
        Answer::DefaultMark => "(sala por defecto)".to_owned(),
        Answer::HelpBegins => "Órdenes:".to_owned(),
        Answer::HelpEnds { help, literal } => format!(
            "Una línea que no es una orden va a todos en tu sala; {literal} empieza una con #. {help} y una orden la explica."
        ),
        Answer::Goodbye => "Adiós.".to_owned(),
        Answer::Done => "Hecho.".to_owned(),
    }
}

fn say_listed(listed: &Listed<'_>) -> String {
    match *listed {
        Listed::Rooms(count) => {
            let rooms = counted_here(count, "sala", "salas");
            format!("{rooms}; * marca dónde estás.")
        }
        Listed::Users { count, present } => {
            let accounts = counted_here(count, "cuenta", "cuentas");
            format!("{accounts}, {present} en línea.")
        }
        Listed::Members { room, count } => {
            format!("{} en {room}.", counted_here(count, "miembro", "miembros"))
        }
        Listed::History {
            place,
            count,
            older,
        } => {
            let messages = counted_here(count, "mensaje", "mensajes");
            let older = older.map_or_else(String::new, |older| format!(" Anteriores: {older}"));
            format!("{messages} de {place}.{older}")
        }
        Listed::Found { count: 0, .. } => "No se encontró nada.".to_owned(),
        Listed::Found { count, has_more } => {
            let messages = counted_here(count, "mensaje encontrado", "mensajes encontrados");
            let more = if has_more {
                ", y hay más: usa más palabras"
            } else {
                ""
            };
            format!("{messages}{more}.")
        }
        Listed::Conversations { count: 0, .. } => "No tienes conversaciones privadas.".to_owned(),
        Listed::Conversations { count, unread } => {
            let conversations = counted_here(count, "conversación", "conversaciones");
            let unread = counted(unread, "mensaje sin leer", "mensajes sin leer");
            format!("{conversations}, {unread}.")
        }
        Listed::Blocked(0) => "No has bloqueado a nadie.".to_owned(),
        Listed::Blocked(count) => {
            let accounts = counted_here(count, "cuenta bloqueada", "cuentas bloqueadas");
            format!("{accounts}.")
        }
    }
}

/// A time to the second.
fn clock(at_us: i64) -> String {
    date_time(u64::try_from(at_us / 1_000).unwrap_or_default())
}
