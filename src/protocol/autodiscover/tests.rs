use super::*;

fn soap(user: &str) -> String {
    format!(
        "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><GetUserSettingsResponseMessage \
         xmlns=\"http://schemas.microsoft.com/exchange/2010/Autodiscover\"><Response><ErrorCode>NoError</ErrorCode>\
         <UserResponses><UserResponse>{user}</UserResponse></UserResponses></Response></GetUserSettingsResponseMessage>\
         </s:Body></s:Envelope>"
    )
}

fn pox(account: &str) -> String {
    format!("<Autodiscover><Response><Account>{account}</Account></Response></Autodiscover>")
}

#[test]
fn services_from_outside_come_first() {
    let settings = "<ErrorCode>NoError</ErrorCode><UserSettings>\
        <UserSetting><Name>InternalEwsUrl</Name><Value>https://in/</Value></UserSetting>\
        <UserSetting><Name>ExternalEwsUrl</Name><Value>https://out/</Value></UserSetting></UserSettings>";
    let expected = Ok(Answer::Services(vec!["https://out/".to_owned(), "https://in/".to_owned()]));
    assert_eq!(Dialect::Soap.read(soap(settings).as_bytes()), expected);
    let protocols = "<Action>settings</Action><Protocol><Type>EXCH</Type><EwsUrl>https://in/</EwsUrl></Protocol>\
        <Protocol><Type>WEB</Type></Protocol><Protocol><Type>EXPR</Type><ASUrl>https://out/</ASUrl></Protocol>";
    assert_eq!(Dialect::Pox.read(pox(protocols).as_bytes()), expected);
}

#[test]
fn a_user_who_is_not_known_and_a_fault_are_told_in_the_servers_words() {
    let unknown = |dialect: Dialect, text: &str| match dialect.read(text.as_bytes()) {
        Ok(Answer::Unknown(said)) => said,
        other => panic!("{other:?}"),
    };
    let user = "<ErrorCode>InvalidUser</ErrorCode><ErrorMessage>Invalid user: 'x'</ErrorMessage>";
    assert_eq!(unknown(Dialect::Soap, &soap(user)), "InvalidUser Invalid user: 'x'");
    let nothing = "<ErrorCode>NoError</ErrorCode><UserSettings/>";
    assert!(unknown(Dialect::Soap, &soap(nothing)).contains("names no Exchange Web Services"));
    let fault = "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>\
        <faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>";
    assert_eq!(unknown(Dialect::Soap, fault), "fault: no");
    assert!(unknown(Dialect::Pox, &pox("<Action>settings</Action>")).contains("names no"));
}

#[test]
fn what_is_no_answer_is_refused() {
    let deep = format!("{}{}", "<Autodiscover>".repeat(200), "</Autodiscover>".repeat(200));
    let entities = "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><Autodiscover>&b;</Autodiscover>";
    let large = format!("<Autodiscover>{}</Autodiscover>", "<a/>".repeat(200_000));
    for text in [
        "",
        "<html><title>Proxy</title></html>",
        "{}",
        "<Autodiscover/>",
        entities,
        &deep,
        &large,
        "<Autodiscover>",
    ] {
        for dialect in [Dialect::Pox, Dialect::Soap] {
            assert!(dialect.read(text.as_bytes()).is_err(), "{dialect:?}: {:.60}", text);
        }
    }
    assert!(Dialect::Pox.read(pox("<Action>redirectUrl</Action>").as_bytes()).is_err());
}

#[test]
fn nothing_of_an_address_breaks_out_of_a_question() {
    let address = Address::parse("a&b@contoso.example").unwrap();
    let url = WebAddress::parse("https://contoso.example/autodiscover/autodiscover.svc").unwrap();
    for dialect in [Dialect::Pox, Dialect::Soap] {
        let request = dialect.request(&address, &url);
        assert!(request.contains("a&amp;b@contoso.example"), "{request}");
        assert!(element::read(request.as_bytes()).is_ok());
    }
}
