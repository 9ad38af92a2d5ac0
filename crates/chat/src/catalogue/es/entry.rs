//! Before and at the login.

use directory::account::LoginNameError;
use directory::limits::LOGIN_BYTES_MAX;

use super::span;
use crate::catalogue::Entry;
use crate::catalogue::time::date_time;
use crate::catalogue::words::counted;
use crate::profile::{Field, Flaw};

pub(super) fn say(entry: &Entry<'_>) -> String {
    match *entry {
        Entry::Welcome {
            server,
            version,
            time_ms,
        } => format!(
            "{server} {version}. Hora del servidor: {}",
            date_time(time_ms)
        ),
        Entry::TelnetHint { telnet } => {
            format!("En telnet, escribe primero {telnet}: así no se ve tu contraseña.")
        }
        Entry::AskLogin { new: Some(new) } => {
            format!("Usuario (o {new} para crear una cuenta):")
        }
        Entry::AskLogin { new: None } => "Usuario:".to_owned(),
        Entry::AskPassword => "Contraseña:".to_owned(),
        Entry::RegistrationBegins { exit } => {
            format!("Una cuenta nueva. Responde cada pregunta con una línea; {exit} lo termina.")
        }
        Entry::AskField(field) => ask(field).to_owned(),
        Entry::Flawed { field, flaw } => say_flaw(field, flaw),
        Entry::Rejected { field, detail } => match detail {
            Some(detail) => format!("{}: no puede ser así: {detail}.", name(field)),
            None => format!("{}: no puede ser así. Prueba otra cosa.", name(field)),
        },
        Entry::WrongLogin { new: Some(new) } => {
            format!("Usuario o contraseña incorrectos. Prueba de nuevo; {new} crea una cuenta.")
        }
        Entry::WrongLogin { new: None } => {
            "Usuario o contraseña incorrectos. Prueba de nuevo.".to_owned()
        }
        Entry::WrongToken => "Este token es desconocido o ha caducado.".to_owned(),
        Entry::LockedOut { retry_after_s } => format!(
            "Demasiadas contraseñas incorrectas. Prueba de nuevo en {}.",
            span(retry_after_s)
        ),
        Entry::Busy => "Demasiada gente está entrando. Prueba de nuevo en un momento.".to_owned(),
        Entry::Forbidden => "Esta cuenta no puede usar el chat desde aquí.".to_owned(),
        Entry::RegistrationClosed => {
            "Este servidor no crea cuentas para desconocidos. Pide una a un administrador."
                .to_owned()
        }
        Entry::WrongInvitation => "Esta invitación es desconocida o ya se usó.".to_owned(),
        Entry::LoginTaken => "Este nombre de usuario ya existe. Elige otro.".to_owned(),
        Entry::Unavailable => "No es posible en este momento. Prueba más tarde.".to_owned(),
        Entry::TooManyFailures => "Demasiados intentos fallidos. Conéctate de nuevo.".to_owned(),
        Entry::LoginTimeout => "Tardaste demasiado en entrar. Conéctate de nuevo.".to_owned(),
        Entry::LoggedIn {
            login,
            time_ms,
            help,
        } => format!(
            "Hola, {login}. Son las {}. {help} muestra las órdenes.",
            date_time(time_ms)
        ),
        Entry::UnreadPrivate { count, unread } => format!(
            "Tienes {}: {unread} muestra de quién.",
            counted(
                count,
                "mensaje privado sin leer",
                "mensajes privados sin leer"
            )
        ),
    }
}

const fn ask(field: Field) -> &'static str {
    match field {
        Field::FirstNames => "Nombres:",
        Field::LastNames => "Apellidos:",
        Field::Login => "Nombre de usuario, por el que otros te conocen:",
        Field::Password => "Contraseña:",
        Field::Age => "Edad (una línea vacía la omite):",
        Field::Gender => "Género (una línea vacía lo omite):",
        Field::Invitation => "Código de tu invitación:",
    }
}

const fn name(field: Field) -> &'static str {
    match field {
        Field::FirstNames => "Nombres",
        Field::LastNames => "Apellidos",
        Field::Login => "Nombre de usuario",
        Field::Password => "Contraseña",
        Field::Age => "Edad",
        Field::Gender => "Género",
        Field::Invitation => "Invitación",
    }
}

fn say_flaw(field: Field, flaw: Flaw) -> String {
    let name = name(field);
    match flaw {
        Flaw::Empty => format!("{name}: no puede faltar."),
        Flaw::TooLong { chars_max } => format!("{name}: como máximo {chars_max} caracteres."),
        Flaw::Invisible => format!("{name}: sin caracteres invisibles."),
        Flaw::Login(LoginNameError::Empty) => "El nombre de usuario no puede faltar.".to_owned(),
        Flaw::Login(LoginNameError::TooLong { .. }) => {
            format!("El nombre de usuario tiene como máximo {LOGIN_BYTES_MAX} caracteres.")
        }
        Flaw::Login(LoginNameError::Dots) => {
            "El nombre de usuario no puede ser solo puntos.".to_owned()
        }
        Flaw::Login(
            LoginNameError::OuterSpace
            | LoginNameError::Character(_)
            | LoginNameError::NotPlain(_),
        ) => "El nombre de usuario se compone de las letras a-z y A-Z sin tilde, cifras, '.', '_' y '-'."
            .to_owned(),
        Flaw::PasswordShort { chars_min } => {
            format!("La contraseña necesita al menos {chars_min} caracteres.")
        }
        Flaw::PasswordLong { bytes_max } => {
            format!("La contraseña tiene como máximo {bytes_max} bytes.")
        }
        Flaw::Age { max } => format!("La edad es un número de 1 a {max}."),
    }
}
