//! What stands behind the names of commands, and what they do.

use crate::catalogue::Topic;

pub(in crate::catalogue) const fn help(topic: Topic) -> (&'static str, &'static str) {
    match topic {
        Topic::CreateRoom => ("SALA [keep]", "crear una sala y entrar; con keep, queda"),
        Topic::EnterRoom => ("SALA", "entrar en una sala"),
        Topic::LeaveRoom => ("", "salir a la sala por defecto"),
        Topic::Exit => ("", "desconectarse"),
        Topic::ListRooms => ("", "mostrar las salas y cuántos hay en ellas"),
        Topic::DeleteRoom => ("SALA", "borrar una sala que creaste"),
        Topic::ShowUsers => ("", "mostrar a todos en el sistema"),
        Topic::Private => ("<USUARIO> TEXTO", "enviar un mensaje privado"),
        Topic::PrivateShort => ("USUARIO TEXTO", "enviar un mensaje privado"),
        Topic::Help => ("[ORDEN]", "mostrar las órdenes, o explicar una"),
        Topic::Unread => ("", "mostrar las conversaciones privadas y lo no leído"),
        Topic::History => (
            "[SALA o @USUARIO] [CUÁNTOS] [ANTES DE]",
            "mostrar lo que se dijo, con los números de los mensajes",
        ),
        Topic::Search => ("PALABRAS", "buscar en todo lo que puedes leer"),
        Topic::Who => ("[SALA]", "mostrar quién está en una sala"),
        Topic::Topic => ("[TEXTO]", "mostrar o poner el tema de la sala"),
        Topic::Time => (
            "[T1]",
            "mostrar la hora del servidor; con la tuya (µs), para un reloj",
        ),
        Topic::Me => ("TEXTO", "decir qué haces"),
        Topic::Edit => (
            "[NÚMERO] TEXTO",
            "cambiar un mensaje tuyo; sin número, el último",
        ),
        Topic::Delete => ("[NÚMERO]", "borrar un mensaje tuyo; sin número, el último"),
        Topic::Reply => ("NÚMERO TEXTO", "responder a un mensaje"),
        Topic::React => (
            "NÚMERO EMOJI [off]",
            "poner un emoji a un mensaje, o quitarlo",
        ),
        Topic::Kick => ("USUARIO [MOTIVO]", "sacar a alguien de tu sala"),
        Topic::Ban => (
            "USUARIO [MINUTOS] [MOTIVO]",
            "no dejar entrar a alguien en tu sala",
        ),
        Topic::Unban => ("USUARIO", "dejar entrar a alguien de nuevo"),
        Topic::Mute => (
            "USUARIO [MINUTOS] [MOTIVO]",
            "no dejar hablar a alguien en tu sala",
        ),
        Topic::Unmute => ("USUARIO", "dejar hablar a alguien de nuevo"),
        Topic::Slow => (
            "SEGUNDOS",
            "un mensaje por persona en tantos segundos; 0 lo termina",
        ),
        Topic::Keep => ("on|off", "si tu sala queda cuando te vas"),
        Topic::Block => ("USUARIO", "no recibir nada más de alguien"),
        Topic::Unblock => ("USUARIO", "recibirlo de nuevo"),
        Topic::Blocked => ("", "mostrar a quién has bloqueado"),
        Topic::Away => ("[NOTA]", "decir que estás ausente"),
        Topic::Back => ("", "decir que volviste"),
        Topic::Language => ("en|es", "elegir un idioma"),
        Topic::Mode => (
            "json|text",
            "un objeto JSON por línea, para programas; o texto",
        ),
        Topic::Echo => ("on|off", "si se te muestran tus propios mensajes"),
        Topic::Telnet => ("", "decir que usas telnet: las contraseñas no se ven"),
    }
}
