//! GetUserConfiguration, CreateUserConfiguration and UpdateUserConfiguration: a small dictionary of ours in a folder, which
//! its owner does not see.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getuserconfiguration-operation>

use std::collections::BTreeMap;

use super::element::Element;
use super::folder::{FolderRef, WellKnown};
use super::{EwsError, Operation, Xml, missing, only_message};

/// A dictionary of texts, in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConfiguration {
    pub folder: FolderRef,
    /// Letters, digits and dots.
    pub name: String,
    pub entries: BTreeMap<String, String>,
}

impl UserConfiguration {
    pub fn in_inbox(name: &str) -> Self {
        Self { folder: FolderRef::Own(WellKnown::Inbox), name: name.to_owned(), entries: BTreeMap::new() }
    }

    fn write(&self, xml: &mut Xml) {
        xml.element("m:UserConfiguration", &[], |xml| {
            self.write_name(xml, "t:UserConfigurationName");
            xml.element("t:Dictionary", &[], |xml| {
                for (key, value) in &self.entries {
                    xml.element("t:DictionaryEntry", &[], |xml| {
                        write_text(xml, "t:DictionaryKey", key);
                        write_text(xml, "t:DictionaryValue", value);
                    });
                }
            });
        });
    }

    fn write_name(&self, xml: &mut Xml, element: &str) {
        xml.element(element, &[("Name", &self.name)], |xml| self.folder.write(xml));
    }
}

fn write_text(xml: &mut Xml, element: &str, text: &str) {
    xml.element(element, &[], |xml| {
        xml.text("t:Type", "String").text("t:Value", text);
    });
}

/// Asks for the entries of a configuration; those given are ignored.
#[derive(Debug, Clone)]
pub struct GetUserConfiguration(pub UserConfiguration);

impl Operation for GetUserConfiguration {
    /// `None`: there is none of that name.
    type Response = Option<UserConfiguration>;
    const NAME: &'static str = "GetUserConfiguration";

    fn write(&self, xml: &mut Xml) {
        self.0.write_name(xml, "m:UserConfigurationName");
        xml.text("m:UserConfigurationProperties", "Dictionary");
    }

    fn read(&self, answer: &Element) -> Result<Option<UserConfiguration>, EwsError> {
        let message = match only_message(answer) {
            Err(error) if error.is("ErrorItemNotFound") => return Ok(None),
            other => other?,
        };
        let found = message.child("UserConfiguration").ok_or_else(|| missing("the configuration"))?;
        let entries = found.child("Dictionary").map_or(&[][..], |all| &all.children);
        let text = |entry: &Element, part: &str| entry.at(&[part, "Value"]).map(|value| value.text.clone());
        let entry = |entry: &Element| Some((text(entry, "DictionaryKey")?, text(entry, "DictionaryValue")?));
        Ok(Some(UserConfiguration { entries: entries.iter().filter_map(entry).collect(), ..self.0.clone() }))
    }
}

/// One of that name is refused with `ErrorItemSave`.
#[derive(Debug, Clone)]
pub struct CreateUserConfiguration(pub UserConfiguration);

impl Operation for CreateUserConfiguration {
    type Response = ();
    const NAME: &'static str = "CreateUserConfiguration";

    fn write(&self, xml: &mut Xml) {
        self.0.write(xml);
    }

    fn read(&self, answer: &Element) -> Result<(), EwsError> {
        only_message(answer).map(drop)
    }
}

/// All entries together.
#[derive(Debug, Clone)]
pub struct UpdateUserConfiguration(pub UserConfiguration);

impl Operation for UpdateUserConfiguration {
    type Response = ();
    const NAME: &'static str = "UpdateUserConfiguration";

    fn write(&self, xml: &mut Xml) {
        self.0.write(xml);
    }

    fn read(&self, answer: &Element) -> Result<(), EwsError> {
        only_message(answer).map(drop)
    }
}
