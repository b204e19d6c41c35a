//! Forms of a page, as a browser without scripts sees them.

/// A form: where it goes, and what it would send as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Form {
    pub action: String,
    pub fields: Vec<(String, String)>,
    /// Check boxes that are not ticked, by name and value.
    unticked: Vec<(String, String)>,
}

impl Form {
    /// All forms of a page.
    pub fn all(html: &str) -> Vec<Self> {
        html.split("<form").skip(1).map(|rest| Self::read(rest.split("</form>").next().unwrap_or(rest))).collect()
    }

    /// The form of a page that goes to this path.
    ///
    /// # Errors
    /// When there is none; the text shows which there are.
    pub fn to(html: &str, action: &str) -> anyhow::Result<Self> {
        let forms = Self::all(html);
        let known: Vec<String> = forms.iter().map(|form| form.action.clone()).collect();
        let found = forms.into_iter().find(|form| form.action == action);
        found.ok_or_else(|| anyhow::anyhow!("the page has no form to {action}, only to {known:?}"))
    }

    /// The same with a field filled in.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with every box ticked.
    pub fn ticked(mut self) -> Self {
        self.fields.append(&mut self.unticked);
        self
    }

    fn read(text: &str) -> Self {
        let (opening, _) = text.split_once('>').unwrap_or((text, ""));
        let mut form = Self { action: attribute(opening, "action").unwrap_or_default(), fields: Vec::new(), unticked: Vec::new() };
        for input in text.split("<input").skip(1).map(|rest| rest.split('>').next().unwrap_or(rest)) {
            let Some(name) = attribute(input, "name") else { continue };
            let value = attribute(input, "value");
            let chosen = input.split_whitespace().any(|word| word == "checked" || word.starts_with("checked="));
            match attribute(input, "type").as_deref() {
                Some("checkbox") if !chosen => form.unticked.push((name, value.unwrap_or_else(|| "on".to_owned()))),
                Some("radio") if !chosen => {}
                Some("file" | "submit" | "button") => {}
                Some("checkbox") => form.fields.push((name, value.unwrap_or_else(|| "on".to_owned()))),
                _ => form.fields.push((name, value.unwrap_or_default())),
            }
        }
        form
    }
}

/// The value of an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let start = tag.find(&format!(" {name}=\""))? + name.len() + 3;
    tag[start..].split('"').next().map(unescaped)
}

/// The text of the element that carries this attribute.
pub fn marked(html: &str, attribute: &str) -> Option<String> {
    let (_, rest) = html.split_once(&format!(" {attribute}"))?;
    let (_, text) = rest.split_once('>')?;
    text.split('<').next().map(|text| unescaped(text.trim()))
}

fn unescaped(text: &str) -> String {
    let mut text = text.to_owned();
    // The ampersand last, or it would make entities of what follows it.
    for (entity, letter) in [
        ("&#60;", "<"),
        ("&lt;", "<"),
        ("&#62;", ">"),
        ("&gt;", ">"),
        ("&#34;", "\""),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ] {
        text = text.replace(entity, letter);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_a_browser_would_send_it() {
        let html = r#"<form class="x" method="post" action="/a?b=1&amp;c=2">
            <input type="hidden" name="form_token" value="t&#38;"><input name="name" type="text">
            <input type="checkbox" name="one" value="on" checked> <input type="checkbox" name="two">
            <input type="radio" name="amount" value="10"><input type="radio" name="amount" value="25" checked></form>"#;
        let form = Form::to(html, "/a?b=1&c=2").unwrap();
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>();
        assert_eq!(form.fields, pairs(&[("form_token", "t&"), ("name", ""), ("one", "on"), ("amount", "25")]));
        assert!(form.ticked().fields.contains(&("two".to_owned(), "on".to_owned())));
        assert!(Form::to(html, "/b").is_err());
    }

    #[test]
    fn the_secret_is_in_its_marked_element() {
        assert_eq!(marked(r#"<code id="k" data-secret>lm_test_1</code>"#, "data-secret").as_deref(), Some("lm_test_1"));
        assert_eq!(marked("<code>x</code>", "data-secret"), None);
    }
}
