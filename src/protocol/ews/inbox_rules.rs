//! GetInboxRules and UpdateInboxRules: the rule that forwards a mailbox's mail.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getinboxrules-operation>
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/updateinboxrules-operation>

use super::element::Element;
use super::refusal::{self, Refusal};
use super::{EwsError, Operation, Xml};
use crate::model::failure::server_words;
pub use crate::model::forwarding::{InboxRule, RuleChange, RuleHealth, RuleReach};
use crate::model::name::Address;

#[derive(Debug, Clone)]
pub struct GetInboxRules {
    pub mailbox: Address,
}

impl Operation for GetInboxRules {
    type Response = Vec<InboxRule>;
    const NAME: &'static str = "GetInboxRules";

    fn write(&self, xml: &mut Xml) {
        xml.text("m:MailboxSmtpAddress", self.mailbox.as_str());
    }

    fn read(&self, answer: &Element) -> Result<Vec<InboxRule>, EwsError> {
        // The answer is its own response message.
        match refusal::judge(answer) {
            Err(refusal) if refusal.code == "ErrorInboxRulesValidationError" => return Err(refusal.into()),
            // What a mailbox without any rules answers.
            Err(refusal) if refusal.code == "ErrorItemNotFound" => return Ok(Vec::new()),
            other => other?,
        }
        let rules = answer.child("InboxRules").map_or(&[][..], |rules| &rules.children);
        Ok(rules.iter().filter_map(rule).collect())
    }
}

fn rule(element: &Element) -> Option<InboxRule> {
    let forward = element.at(&["Actions", "ForwardAsAttachmentToRecipients"]);
    let recipients = forward.map_or(&[][..], |recipients| &recipients.children);
    let address = |recipient: &Element| recipient.text_of("EmailAddress").map(str::to_owned);
    let is_true = |element: &Element, name| matches!(element.text_of(name), Some("true" | "1"));
    let says_something = |name| element.child(name).is_some_and(|predicates| !predicates.children.is_empty());
    Some(InboxRule {
        id: element.text_of("RuleId").map(str::to_owned),
        name: element.text_of("DisplayName")?.to_owned(),
        priority: element.text_of("Priority").and_then(|text| text.parse().ok()).unwrap_or(1),
        is_enabled: is_true(element, "IsEnabled"),
        health: if is_true(element, "IsInError") { RuleHealth::InError } else { RuleHealth::Works },
        reach: match says_something("Conditions") || says_something("Exceptions") {
            true => RuleReach::SomeMessages,
            false => RuleReach::EveryMessage,
        },
        stops: element.child("Actions").is_some_and(|actions| is_true(actions, "StopProcessingRules")),
        forward_as_attachment_to: recipients.iter().filter_map(address).collect(),
    })
}

/// `RemoveOutlookRuleBlob` is never true: with it the server throws away what Outlook keeps beside the rules of the server, which
/// are the rules that a person switched off there and those that only Outlook carries out. Where there are such rules the
/// operation is refused with `ErrorOutlookRuleBlobExists` instead.
#[derive(Debug, Clone)]
pub struct UpdateInboxRules {
    pub mailbox: Address,
    pub changes: Vec<RuleChange>,
}

impl Operation for UpdateInboxRules {
    type Response = ();
    const NAME: &'static str = "UpdateInboxRules";

    fn write(&self, xml: &mut Xml) {
        xml.text("m:MailboxSmtpAddress", self.mailbox.as_str()).text("m:RemoveOutlookRuleBlob", "false");
        xml.element("m:Operations", &[], |xml| self.changes.iter().for_each(|change| change.write(xml)));
    }

    fn read(&self, answer: &Element) -> Result<(), EwsError> {
        refusal::judge(answer).map_err(|refusal| match objections(answer) {
            objections if objections.is_empty() => refusal.into(),
            objections => EwsError::Refused(Refusal { said: objections, ..refusal }),
        })
    }
}

/// What the server has against the fields of a rule (`RuleOperationErrors`), in its words.
fn objections(answer: &Element) -> String {
    let all = answer.child("RuleOperationErrors").map_or(&[][..], |errors| &errors.children);
    let fields =
        all.iter().filter_map(|one| one.child("ValidationErrors")).flat_map(|errors| &errors.children);
    let words = fields.take(OBJECTIONS_MAX).filter_map(|error| {
        let (field, code) = (error.text_of("FieldURI")?, error.text_of("ErrorCode")?);
        let said = error.text_of("ErrorMessage").unwrap_or_default();
        Some(server_words(&format!("{field}: {code}: {said}")))
    });
    words.collect::<Vec<_>>().join("; ")
}

/// Those that are told.
const OBJECTIONS_MAX: usize = 5;

impl RuleChange {
    fn write(&self, xml: &mut Xml) {
        match self {
            Self::Create(rule) => xml.element("t:CreateRuleOperation", &[], |xml| rule.write(xml)),
            Self::Set(rule) => xml.element("t:SetRuleOperation", &[], |xml| rule.write(xml)),
            Self::Delete(id) => xml.element("t:DeleteRuleOperation", &[], |xml| {
                xml.text("t:RuleId", id);
            }),
        };
    }
}

impl InboxRule {
    fn write(&self, xml: &mut Xml) {
        xml.element("t:Rule", &[], |xml| {
            if let Some(id) = &self.id {
                xml.text("t:RuleId", id);
            }
            xml.text("t:DisplayName", &self.name).text("t:Priority", &self.priority.to_string());
            xml.text("t:IsEnabled", if self.is_enabled { "true" } else { "false" });
            xml.empty("t:Conditions", &[]);
            xml.element("t:Actions", &[], |xml| {
                xml.element("t:ForwardAsAttachmentToRecipients", &[], |xml| {
                    for address in &self.forward_as_attachment_to {
                        xml.element("t:Address", &[], |xml| {
                            xml.text("t:EmailAddress", address);
                        });
                    }
                });
                if self.stops {
                    xml.text("t:StopProcessingRules", "true");
                }
            });
        });
    }
}
