//! Compressed forms, and which of them an asker takes.

use axum::http::{HeaderMap, header};

/// How a form of a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Brotli,
    Gzip,
}

impl Encoding {
    /// All, those that make files smaller first.
    pub(super) const ALL: [Self; 2] = [Self::Brotli, Self::Gzip];

    /// Splits the name of a compressed file.
    pub(super) fn of_name(name: &str) -> Option<(&str, Self)> {
        let brotli = name.strip_suffix(".br").map(|name| (name, Self::Brotli));
        brotli.or_else(|| Some((name.strip_suffix(".gz")?, Self::Gzip)))
    }

    /// Its word in headers.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// Says whether a request takes it: it is named, or everything is, and not with a weight of nothing.
    pub(super) fn is_taken(self, asked: &HeaderMap) -> bool {
        let values = asked.get_all(header::ACCEPT_ENCODING).iter();
        let items = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let mut by_star = false;
        for item in items {
            let (name, weight) = item.split_once(';').unwrap_or((item, ""));
            let weight = weight.trim().trim_start_matches("q=").parse::<f32>();
            let is_wanted = weight.is_ok_and(|weight| weight > 0.0) || !item.contains(';');
            if name.trim().eq_ignore_ascii_case(self.as_str()) {
                return is_wanted;
            }
            by_star |= name.trim() == "*" && is_wanted;
        }
        by_star
    }
}
