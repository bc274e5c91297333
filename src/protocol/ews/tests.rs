//! Requests as they are written, and answers as they are read. Whether they validate is shown in `tests/it/protocol`.

use super::*;
use crate::model::failure::Cause;

pub(crate) fn soap(body: &str) -> Vec<u8> {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"{ENVELOPE}\"><s:Header><h:ServerVersionInfo xmlns:h=\"{TYPES}\" \
         MajorVersion=\"15\" MinorVersion=\"2\" MajorBuildNumber=\"2562\" MinorBuildNumber=\"17\"/></s:Header><s:Body>\
         {body}</s:Body></s:Envelope>"
    )
    .into_bytes()
}

fn response(operation: &str, class: &str, inside: &str) -> Vec<u8> {
    soap(&format!(
        "<m:{operation}Response xmlns:m=\"{MESSAGES}\" xmlns:t=\"{TYPES}\"><m:ResponseMessages><m:{operation}ResponseMessage \
         ResponseClass=\"{class}\">{inside}</m:{operation}ResponseMessage></m:ResponseMessages></m:{operation}Response>"
    ))
}

fn header() -> Header {
    Header { version: ServerVersion::FIRST, impersonated: None, time_zone: None }
}

const SYNC: SyncFolderItems =
    SyncFolderItems { folder: FolderRef::Own(WellKnown::Inbox), state: None, changes_max: 512, further: &[] };

#[test]
fn changes_of_all_kinds_are_read() {
    let inside = "<m:ResponseCode>NoError</m:ResponseCode><m:SyncState>H4s=</m:SyncState>\
        <m:IncludesLastItemInRange>false</m:IncludesLastItemInRange><m:Changes><t:Create><t:Message><t:ItemId Id=\"AAk=\" \
        ChangeKey=\"CQ\"/><t:ItemClass>IPM.Note</t:ItemClass><t:DateTimeReceived>2026-11-01T10:00:00Z</t:DateTimeReceived>\
        <t:Size>5</t:Size></t:Message></t:Create><t:Delete><t:ItemId Id=\"B\"/></t:Delete><t:ReadFlagChange><t:ItemId \
        Id=\"C\"/><t:IsRead>true</t:IsRead></t:ReadFlagChange><t:Whatever/></m:Changes>";
    let changes = read(&SYNC, &response("SyncFolderItems", "Success", inside)).unwrap();
    assert_eq!((changes.state.as_str(), changes.is_last, changes.changes.len()), ("H4s=", false, 3));
    let ItemChange::Created(item) = &changes.changes[0] else { panic!() };
    assert_eq!((item.id.id.as_str(), item.size, item.is_mail()), ("AAk=", Some(5), true));
    assert_eq!(item.received.unwrap().to_string(), "2026-11-01T10:00:00Z");
}

#[test]
fn a_state_that_is_not_valid_any_more_has_its_own_code() {
    let inside = "<m:MessageText>Synchronization state data is corrupt or otherwise invalid.</m:MessageText>\
        <m:ResponseCode>ErrorInvalidSyncStateData</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>\
        <m:SyncState/><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>";
    let error = read(&SYNC, &response("SyncFolderItems", "Error", inside)).unwrap_err();
    assert!(error.is("ErrorInvalidSyncStateData"), "{error}");
    assert!(matches!(error.cause(), Cause::Exchange { .. }));
}

#[test]
fn one_item_that_is_gone_leaves_the_others() {
    let message = |class, inside: &str| {
        format!("<m:GetItemResponseMessage ResponseClass=\"{class}\">{inside}</m:GetItemResponseMessage>")
    };
    let gone = message(
        "Error",
        "<m:MessageText>gone</m:MessageText><m:ResponseCode>ErrorItemNotFound</m:ResponseCode><m:Items/>",
    );
    let there = message(
        "Success",
        "<m:ResponseCode>NoError</m:ResponseCode><m:Items><t:MeetingRequest><t:MimeContent>0</t:MimeContent>\
         <t:ItemId Id=\"B\"/></t:MeetingRequest></m:Items>",
    );
    let answer = soap(&format!(
        "<m:GetItemResponse xmlns:m=\"{MESSAGES}\" xmlns:t=\"{TYPES}\"><m:ResponseMessages>{gone}{there}\
         </m:ResponseMessages></m:GetItemResponse>"
    ));
    let ids = vec![ItemId::new("A"), ItemId::new("B")];
    let operation = GetItem { ids, mime: item::WithMime::Yes, fields: &[] };
    let gotten = read(&operation, &answer).unwrap();
    assert_eq!(gotten[0].as_ref().unwrap_err().code, "ErrorItemNotFound");
    assert_eq!(gotten[1].as_ref().unwrap().mime, Some(0));
    let alone = GetItem { ids: vec![ItemId::new("A")], ..operation };
    assert!(read(&alone, &answer).is_err(), "two answers to one id");
}

#[test]
fn an_answer_to_another_request_is_none() {
    let error = read(&SYNC, &response("GetFolder", "Success", "")).unwrap_err();
    assert!(error.to_string().contains("GetFolderResponse"), "{error}");
    let page = read(&SYNC, b"<html><body>Proxy error</body></html>").unwrap_err();
    assert!(page.to_string().contains("not SOAP"), "{page}");
}

#[test]
fn the_server_says_its_version() {
    assert_eq!(server_version(&soap("")).as_deref(), Some("15.2.2562.17"));
    assert_eq!(server_version(b"<a/>"), None);
}

#[test]
fn whoever_is_impersonated_stands_in_the_header() {
    let address = Address::parse("anna@contoso.example").unwrap();
    let header = Header { impersonated: Some(address), ..header() };
    let text = envelope(&SYNC, &header);
    assert!(text.contains("<t:ConnectingSID><t:SmtpAddress>anna@contoso.example<"), "{text}");
}
