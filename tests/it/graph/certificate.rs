//! An application that proves itself with a certificate, to a certified provider that verifies it (`private_key_jwt`).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use mailplumb::engine::clock::SystemClock;
use mailplumb::model::clock::Clock;
use mailplumb::model::failure::{Cause, RemoteError, TestStep};
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::Name;
use mailplumb::model::profile::{Cloud, ServerKind};
use mailplumb::model::secret::Secret;
use mailplumb::model::server::{Destination, Login, TokenClient, TokenProof};
use mailplumb::net::Network;
use mailplumb::remote::connectors::Connectors;
use mailplumb::remote::{Remotes, Trace};

use super::story::Office;
use super::world::{ANNA, CLIENT, HandClock, TENANT, World, destination, options};
use crate::support::certificates::{Certificate, CertificateKind, certificate};
use crate::support::need::{Need, require};
use crate::support::provider::Provider;

/// A key pair that openssl has made, and what openssl says of it.
struct Pair {
    key: String,
    thumbprint: String,
    path: std::path::PathBuf,
}

fn openssl(arguments: &[&str], folder: &Path) -> String {
    let output = Command::new("openssl").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn pair(folder: &Path, name: &str, kind: &str) -> Pair {
    let (key, chain) = (format!("{name}.pem"), format!("{name}.crt"));
    let mut arguments = vec!["req", "-x509", "-nodes", "-newkey"];
    arguments.extend(kind.split(' '));
    arguments.extend(["-keyout", &key, "-out", &chain, "-days", "30", "-subj", "/CN=app"]);
    openssl(&arguments, folder);
    let said = openssl(&["x509", "-in", &chain, "-noout", "-fingerprint", "-sha256"], folder);
    let thumbprint = said.trim().rsplit('=').next().unwrap().replace(':', "");
    Pair { key: std::fs::read_to_string(folder.join(&key)).unwrap(), thumbprint, path: folder.join(&chain) }
}

struct Site {
    folder: tempfile::TempDir,
    provider: Provider,
    tls: Certificate,
    pair: Pair,
}

impl Site {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pair = pair(folder.path(), "app", "rsa:2048");
        let mut provider = Provider::prepare();
        let tls = certificate(CertificateKind::Good, provider.at.ip(), folder.path());
        let clients = serde_json::json!({ CLIENT: {
            "certificate": pair.path, "method": "private_key_jwt", "username": ANNA, "seconds": 3600,
        } });
        provider.start_at(&format!("/{TENANT}/oauth2/v2.0/token"), &tls, clients.to_string());
        Self { folder, provider, tls, pair }
    }

    /// Asks for a token as an application with that key, and goes to the playground's Graph with it.
    async fn opens(
        &self,
        world: &World,
        (thumbprint, key): (&str, &str),
        clock: Arc<dyn Clock>,
    ) -> RemoteError {
        let there = destination(ANNA);
        let client = TokenClient {
            url: format!("https://{}/{TENANT}/oauth2/v2.0/token", self.provider.at),
            trust: Some(Name::parse("provider").unwrap()),
            id: CLIENT.to_owned(),
            proof: TokenProof::Certificate {
                thumbprint: thumbprint.to_owned(),
                public_key: String::new(),
                key: Secret::new(key.to_owned()),
                name: "exo-app/private-key".to_owned(),
            },
            scope: "https://graph.microsoft.com/.default".to_owned(),
        };
        let there = Destination { login: Login::Oauth2 { username: ANNA.to_owned(), client }, ..there };
        let ca = self.folder.path().join("playground.pem");
        std::fs::write(&ca, world.playground.ca_pem()).unwrap();
        let host = HostSettings {
            trust: BTreeMap::from([
                (Name::parse("ca").unwrap(), ca),
                (Name::parse("provider").unwrap(), self.tls.authority.clone()),
            ]),
            connect: BTreeMap::from([(
                (Cloud::Global.hosts().graph.to_owned(), 443),
                world.playground.graph().address(),
            )]),
            ..HostSettings::default()
        };
        let connector = Connectors::new(Network::new(&host)).connector(ServerKind::ExchangeOnline).unwrap();
        let opened = connector.receive(&there, &mut Trace::new(clock)).await;
        super::world::error(opened.map(drop))
    }
}

#[tokio::test]
async fn a_certified_provider_gives_a_token_to_whoever_holds_the_key() {
    let Some(()) = require(Need::Provider) else { return };
    let (site, world) = (Site::start(), World::new());
    let now: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let own = (site.pair.thumbprint.as_str(), site.pair.key.as_str());
    let error = site.opens(&world, own, Arc::clone(&now)).await;
    // The playground does not know that provider's tokens, so it says no to one that the provider has given.
    assert_eq!(error.step, TestStep::Authenticate, "{error}\n{}", site.provider.log());
    assert!(error.to_string().contains("InvalidAuthenticationToken"), "{error}");
    assert!(!site.provider.log().contains("error"), "{}", site.provider.log());

    let other = pair(site.folder.path(), "other", "rsa:2048");
    let error = site.opens(&world, (&site.pair.thumbprint, &other.key), now).await;
    assert!(
        matches!(&error.cause, Cause::TokenRefused { said, .. } if said.contains("invalid_client")),
        "{error}"
    );

    // A clock that is decades off signs what has expired.
    let error = site.opens(&world, own, Arc::new(HandClock::default())).await;
    assert!(matches!(error.cause, Cause::TokenRefused { .. }), "{error}");
    assert_eq!(site.provider.asked_at("/oauth2/v2.0/token"), 3, "{}", site.provider.log());
}

#[tokio::test]
async fn a_key_that_cannot_sign_is_told_before_anybody_is_asked() {
    let Some(()) = require(Need::Provider) else { return };
    let (site, world) = (Site::start(), World::new());
    let now: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ec = pair(site.folder.path(), "ec", "ec -pkeyopt ec_paramgen_curve:prime256v1");
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let own = site.pair.thumbprint.as_str();
    for (thumbprint, key, says) in [
        (own, ec.key.as_str(), "no RSA key"),
        (own, locked, "pass phrase"),
        (own, "hunter2", "no private key in PEM"),
        ("", site.pair.key.as_str(), "apply the manifest again"),
    ] {
        let error = site.opens(&world, (thumbprint, key), Arc::clone(&now)).await;
        assert_eq!(error.step, TestStep::Token, "{error}");
        let words = error.to_string();
        assert!(words.contains(says) && words.contains("exo-app/private-key"), "{words}");
        assert!(!words.contains("hunter2"), "{words}");
    }
    assert_eq!(site.provider.asked_at("token"), 0);
}

#[test]
fn the_end_of_a_certificate_is_told_in_time_and_a_key_of_another_pair_before_anybody_is_asked() {
    let office = Office::opens("graph", options());
    let person = &office.person;
    let (own, other) =
        (pair(&person.at("mail"), "app", "rsa:2048"), pair(&person.at("mail"), "other", "rsa:2048"));
    person.replace(
        "mail/mailplumb.yaml",
        "clientSecret: { secret: mail, key: password }",
        "certificate: { chainFile: app.crt, privateKey: { secret: mail, key: password } }",
    );
    person.pipes("secrets set mail/password", &own.key).ends(0);
    let ends = openssl(
        &["x509", "-in", "app.crt", "-noout", "-enddate", "-dateopt", "iso_8601"],
        &person.at("mail"),
    );
    let day = ends.trim().trim_start_matches("notAfter=").split(' ').next().unwrap();
    let soon = "certificate `app.crt` of profile `exo` expires in 30 days";
    person.types("validate").ends(0).says("warning[MP0057]").says(soon).says(day);
    person.types("plan").says(soon);
    let day_before: jiff::civil::Date = day.parse().unwrap();
    let as_of = |days: i64| day_before.saturating_add(jiff::Span::new().days(days));
    person.types(&format!("validate --as-of {}", as_of(-31))).ends(0).does_not_say("MP0057");
    person.types(&format!("validate --as-of {}", as_of(1))).ends(0).says(&format!("expired on {day}"));

    person.types("apply --auto-approve --tests defer").ends(0).says(soon);
    person.types("describe profile/exo").ends(0).says(&format!("valid until {day}"));
    person.types("doctor").says("certificate `app.crt` of profile `exo` expires in 30 days");
    let asked = || office.playground.graph().calls().len();
    let before = asked();
    person.pipes("secrets set mail/password", &other.key).ends(0);
    person.types("apply --auto-approve").says("it is not the key of the certificate in `chainFile`");
    assert_eq!(asked(), before);
}
