//! GetServerTimeZones: which time zones the server knows.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getservertimezones-operation>

use super::element::Element;
use super::{EwsError, Operation, Xml, only_message};

#[derive(Debug, Clone)]
pub struct GetServerTimeZones {
    /// Empty: all of them.
    pub ids: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone {
    /// Windows' own: `W. Europe Standard Time`.
    pub id: String,
    pub name: Option<String>,
}

impl Operation for GetServerTimeZones {
    type Response = Vec<TimeZone>;
    const NAME: &'static str = "GetServerTimeZones";

    fn attributes(&self) -> Vec<(&'static str, &str)> {
        vec![("ReturnFullTimeZoneData", "false")]
    }

    fn write(&self, xml: &mut Xml) {
        if !self.ids.is_empty() {
            xml.element("m:Ids", &[], |xml| {
                self.ids.iter().for_each(|id| {
                    xml.text("t:Id", id);
                })
            });
        }
    }

    fn read(&self, answer: &Element) -> Result<Vec<TimeZone>, EwsError> {
        let zones = only_message(answer)?.child("TimeZoneDefinitions").map_or(&[][..], |all| &all.children);
        let zone = |zone: &Element| {
            let name = zone.attribute("Name").map(str::to_owned);
            zone.attribute("Id").map(|id| TimeZone { id: id.to_owned(), name })
        };
        Ok(zones.iter().filter_map(zone).collect())
    }
}
