use super::*;

const ANNA: &str = "anna@contoso.example";

fn search(named: &[&str]) -> Search {
    let named: Vec<String> = named.iter().map(|&host| host.to_owned()).collect();
    Search::new(&Address::parse(ANNA).unwrap(), &named)
}

fn not_found() -> Heard {
    Heard::Failed(Cause::Exchange { code: "HTTP 404".to_owned(), said: "Not Found".to_owned() })
}

/// What is asked when nobody but the given places answers, and how it ends.
fn run(mut search: Search, answers: &[(&str, Heard)]) -> (Vec<String>, Result<String, Cause>) {
    let mut asked = Vec::new();
    while let Some(ask) = search.next_ask() {
        asked.push(ask.to_string());
        assert!(asked.len() <= limits::AUTODISCOVER_ASKS_MAX);
        let known = answers.iter().find(|(place, _)| *place == ask.to_string());
        let heard = known.map_or_else(not_found, |(_, heard)| heard.clone());
        if let Some(found) = search.hear(&ask, heard).found {
            return (asked, Ok(found.to_string()));
        }
    }
    (asked, Err(search.failure()))
}

fn moved(url: &str) -> Heard {
    Heard::Moved(url.to_owned())
}

fn services(urls: &[&str]) -> Heard {
    Heard::Answer(Answer::Services(urls.iter().map(|&url| url.to_owned()).collect()))
}

fn unreachable() -> Heard {
    let (host, detail) = ("h".to_owned(), "no address".to_owned());
    Heard::Failed(Cause::NameNotResolved { host, detail })
}

const DOMAIN: [&str; 2] = [
    "https://contoso.example/autodiscover/autodiscover.svc",
    "https://contoso.example/autodiscover/autodiscover.xml",
];
const BELOW: [&str; 2] = [
    "https://autodiscover.contoso.example/autodiscover/autodiscover.svc",
    "https://autodiscover.contoso.example/autodiscover/autodiscover.xml",
];
const LOOK: &str = "http://autodiscover.contoso.example/autodiscover/autodiscover.xml";
const RECORDS: &str = "SRV _autodiscover._tcp.contoso.example";
const EWS: &str = "https://mail.contoso.example/EWS/Exchange.asmx";

#[test]
fn the_order_is_that_of_the_vendor_and_both_dialects_are_asked() {
    let (asked, end) = run(search(&[]), &[]);
    assert_eq!(asked, [DOMAIN[0], DOMAIN[1], BELOW[0], BELOW[1], LOOK, RECORDS]);
    let Err(Cause::NotDiscovered { address, tried }) = end else { panic!("{end:?}") };
    assert_eq!((address.as_str(), tried.len()), (ANNA, 6));
    assert!(tried[0].ends_with("HTTP 404: Not Found"), "{tried:?}");
}

#[test]
fn a_host_that_cannot_be_reached_is_asked_once() {
    let (asked, _) = run(search(&[]), &[(DOMAIN[0], unreachable()), (BELOW[0], unreachable())]);
    assert_eq!(asked, [DOMAIN[0], BELOW[0], LOOK, RECORDS]);
}

#[test]
fn a_refused_login_at_one_place_is_not_final_and_is_not_repeated_there() {
    let refused = Heard::Failed(Cause::LoginRefused { said: "401".to_owned() });
    let (asked, end) = run(search(&[]), &[(DOMAIN[0], refused.clone()), (BELOW[1], services(&[EWS]))]);
    assert_eq!(asked, [DOMAIN[0], BELOW[0], BELOW[1]]);
    assert_eq!(end, Ok(EWS.to_owned()));
    let (_, end) = run(search(&[]), &[(DOMAIN[0], refused)]);
    assert!(matches!(end, Err(Cause::LoginRefused { .. })), "{end:?}");
}

#[test]
fn a_refused_login_is_not_final_while_a_better_place_cannot_answer() {
    let refused = || Heard::Failed(Cause::LoginRefused { said: "401".to_owned() });
    let down = || Heard::Failed(Cause::TemporarilyRefused { said: "[THROTTLED] HTTP 503".to_owned() });
    let (_, end) = run(search(&[]), &[(DOMAIN[0], refused()), (BELOW[0], down()), (BELOW[1], down())]);
    let Err(Cause::NotDiscovered { tried, .. }) = end else { panic!("{end:?}") };
    assert!(tried.iter().any(|said| said.contains("HTTP 503")), "{tried:?}");
    // A web site that is slow says nothing about a password that the service after it has refused.
    let slow = || Heard::Failed(Cause::TimedOut { seconds: 10 });
    let (_, end) = run(search(&[]), &[(DOMAIN[0], slow()), (BELOW[0], refused()), (LOOK, slow())]);
    assert!(matches!(end, Err(Cause::LoginRefused { .. })), "{end:?}");
}

#[test]
fn a_redirect_is_followed_to_allowed_hosts_over_https_only() {
    let target = "https://Mail.fabrikam.example:8443/Autodiscover/Autodiscover.xml";
    let soap = "https://Mail.fabrikam.example:8443/Autodiscover/autodiscover.svc";
    let found = services(&["https://mail.fabrikam.example/EWS/Exchange.asmx"]);
    let answers = [(LOOK, moved(target)), (soap, found)];
    let (asked, end) = run(search(&["mail.fabrikam.example"]), &answers);
    assert_eq!(asked.last().map(String::as_str), Some(soap));
    assert!(end.is_ok(), "{end:?}");
    let (asked, end) = run(search(&[]), &answers);
    assert!(!asked.contains(&soap.to_owned()), "a host that nobody named is shown no login: {asked:?}");
    assert!(end.unwrap_err().to_string().contains("`allowedHosts` adds others"));
    for bad in
        ["http://mail.contoso.example/autodiscover/autodiscover.xml", "ftp://contoso.example/", "/x", ""]
    {
        let (asked, end) = run(search(&[]), &[(LOOK, moved(bad))]);
        assert_eq!(asked.len(), 6, "{bad}: {asked:?}");
        assert!(end.is_err());
    }
}

#[test]
fn redirects_that_lead_in_a_circle_or_nowhere_end() {
    let circle = [(DOMAIN[0], moved(BELOW[0])), (BELOW[0], moved(DOMAIN[0]))];
    let (asked, end) = run(search(&[]), &circle);
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert!(end.unwrap_err().to_string().contains("in a circle"));

    let mut endless = search(&[]);
    let (mut asks, mut last) = (0, String::new());
    while let Some(ask) = endless.next_ask() {
        asks += 1;
        let heard = moved(&format!("https://h{asks}.contoso.example/autodiscover/autodiscover.xml"));
        last.clone_from(&endless.hear(&ask, heard).words);
    }
    assert!(asks <= limits::AUTODISCOVER_ASKS_MAX, "{asks}");
    assert!(last.contains("more than 10 times"), "{last}");
}

#[test]
fn an_address_that_is_renamed_is_asked_for_in_its_own_domain() {
    let rename = |to: &str| Heard::Answer(Answer::RedirectAddress(to.to_owned()));
    let other = "https://autodiscover.eu.contoso.example/autodiscover/autodiscover.svc";
    let answers = [(DOMAIN[0], rename("anna@eu.contoso.example")), (other, services(&[EWS]))];
    assert_eq!(run(search(&[]), &answers).1, Ok(EWS.to_owned()));
    for bad in ["anna@evil.example", "nobody", "anna@contoso.example"] {
        let (asked, end) = run(search(&[]), &[(DOMAIN[0], rename(bad))]);
        assert_eq!((asked.len(), end.is_err()), (6, true), "{bad}: {asked:?}");
    }
}

#[test]
fn records_name_a_host_and_a_port() {
    let answers = [
        (
            RECORDS,
            Heard::Records(vec![("evil.example".to_owned(), 443), ("mx.contoso.example".to_owned(), 444)]),
        ),
        ("https://mx.contoso.example:444/autodiscover/autodiscover.svc", services(&[EWS])),
    ];
    assert_eq!(run(search(&[]), &answers).1, Ok(EWS.to_owned()));
}

#[test]
fn a_service_that_is_not_allowed_is_passed_over() {
    let evil = "https://evil.example/EWS/Exchange.asmx";
    let (_, end) = run(search(&[]), &[(DOMAIN[0], services(&[evil, EWS]))]);
    assert_eq!(end, Ok(EWS.to_owned()));
    let mut told = search(&[]);
    let ask = told.next_ask().unwrap();
    let words = told.hear(&ask, services(&[evil, EWS])).words;
    assert!(words.starts_with(&format!("found {EWS}; not used: it leads to `{evil}`")), "{words}");
    assert!(words.contains("`allowedHosts` adds others"), "{words}");
    let (asked, end) = run(search(&[]), &[(DOMAIN[0], services(&[evil]))]);
    assert_eq!(asked.len(), 6);
    assert!(end.unwrap_err().to_string().contains("evil.example"));
    let clear = "http://mail.contoso.example/EWS/Exchange.asmx";
    assert!(run(search(&[]), &[(DOMAIN[0], services(&[clear]))]).1.is_err());
}
