//! Writing HTML: markup is ours and known at compile time, everything else is escaped.

/// A page that is being written.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Writes markup. It is part of the program, so that nothing from outside can be taken for it.
    pub(super) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Writes text, escaped for elements and for quoted attributes.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                _ => self.0.push(character),
            }
        }
        self
    }

    /// Writes a name that may go on in the next line behind its dots, slashes and underscores.
    pub(super) fn breakable(&mut self, name: &str) -> &mut Self {
        for part in name.split_inclusive(['.', '/', '_']) {
            self.text(part).markup("<wbr>");
        }
        self
    }

    /// Writes text in which what stands between backticks is code.
    pub(super) fn line(&mut self, text: &str) -> &mut Self {
        let mut parts = text.split('`').peekable();
        let mut is_code = false;
        while let Some(part) = parts.next() {
            // A backtick without its other one is a character like others.
            if is_code && parts.peek().is_some() {
                self.markup("<code>").text(part).markup("</code>");
            } else if is_code {
                self.text("`").text(part);
            } else {
                self.text(part);
            }
            is_code = !is_code;
        }
        self
    }

    /// Writes paragraphs, which empty lines part.
    pub(super) fn paragraphs(&mut self, text: &str) -> &mut Self {
        let paragraphs = text.split("\n\n").map(str::trim);
        for paragraph in paragraphs.filter(|paragraph| !paragraph.is_empty()) {
            self.markup("<p>").line(paragraph).markup("</p>\n");
        }
        self
    }

    /// The finished page.
    pub(super) fn finish(self) -> String {
        self.0
    }
}
