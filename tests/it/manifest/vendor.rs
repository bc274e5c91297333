//! The table of the vendor's labels: every label stands on the vendor's page, no label of the pages is left out, and every
//! key is one of the manifest.

use std::collections::BTreeSet;
use std::path::Path;

use mailplumb::manifest;
use serde_json::Value;

use crate::support::need::{Need, require, vendor_data};

/// Lines of the pages that name no setting: titles, headings, notes, links, the example of a location, the small print.
const NO_SETTINGS: &[&str] = &[
    "Freigeben über",
    "Erstellen von E-Mail-Serverprofilen und Hinzufügen von Postfächern mithilfe der serverseitigen Synchronisierung",
    "Veröffentlicht: November 2016",
    "Gilt für: Dynamics CRM 2015",
    "In diesem Thema",
    "Erstellen eines E-Mail-Serverprofils",
    "Postfächer einem E-Mail-Serverprofil hinzufügen",
    "Hinweis",
    "Felder",
    "https://outlook.office365.com/EWS/Exchange.asmx",
    "-ODER-",
    "Datenschutzbestimmungen",
    "Siehe auch",
    "Serverseitige Synchronisierung konfigurieren",
    "Testen der E-Mail-Konfiguration von Postfächern, die durch serverseitige Synchronisierung installiert wurden",
    "Weiterleitungspostfächer erstellen oder Postfächer bearbeiten",
    "© 2016 Microsoft Corporation. Alle Rechte vorbehalten. Copyright",
    "Oprette forbindelse fra Dynamics 365 (til det lokale miljø) til Exchange Server (til det lokale miljø)",
    "Udgivet: februar 2017",
    "Gælder for: Dynamics 365 (on-premises), Dynamics CRM 2016",
    "Dette emne indeholder",
    "Oprette en mailserverprofil",
    "Konfigurere standardmailbehandling og synkronisering",
    "Konfigurere postkasser",
    "Godkend mailadresse",
    "Teste mailkonfiguration af postkasser",
    "Teste mailkonfigurationen for alle postkasser, der er knyttet til en mailserverprofil",
    "Felter",
    "Bemærk",
    "System Settings for server-side synchronization",
    "Angive postkasser til standardprofilen",
    "Rediger postkasser for at angive profil- og leveringsmetoder",
    "Tip",
    "Se også",
    "Fejlfinding og overvågning af synkronisering på serversiden",
    "Test mailflow med Remote Connectivity Analyzer",
    "Integrere (synkronisere) dit mailsystem med Microsoft Dynamics 365",
    "Installer serversidesynkronisering af e-mail, aftaler, kontaktpersoner og opgaver",
    "Synkronisering på serversiden",
    "Autodiscover-tjeneste",
    "Administrer tjenesten Autodiscover",
    "© 2017 Microsoft. Alle rettigheder forbeholdes. Ophavsret",
];

/// The rows of all tables, cell by cell.
fn rows() -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/vendor-fields.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| Deutsch"));
    let rows: Vec<Vec<String>> = rows
        .map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect())
        .collect();
    assert!(rows.len() > 50 && rows.iter().all(|row| row.len() == 5), "{rows:#?}");
    rows
}

fn words(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c == '\u{a0}')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// What looks like the label of a field or of a choice: a line that is no sentence, and the beginning of a bullet.
fn labels(page: &str) -> BTreeSet<String> {
    let label = |line: &str| {
        let line = words(line);
        match line.strip_prefix('•') {
            Some(bullet) => {
                let end =
                    bullet.find(". ").into_iter().chain(bullet.find(".. ")).chain(bullet.find(": ")).min();
                Some(bullet[..end.unwrap_or(bullet.len())].trim().trim_end_matches('.').to_owned())
            }
            None if line.is_empty() || line.ends_with(['.', ':']) => None,
            None => Some(line),
        }
    };
    page.lines().filter_map(label).collect()
}

#[test]
fn every_label_of_the_vendors_pages_is_in_the_table() {
    let Some(()) = require(Need::Pages) else { return };
    let mut pages: Vec<_> = std::fs::read_dir(vendor_data().unwrap().join("seeds"))
        .unwrap()
        .map(|it| it.unwrap().path())
        .collect();
    pages.sort();
    assert_eq!(pages.len(), 2, "{pages:?}");
    let rows = rows();
    for (column, path) in pages.iter().enumerate() {
        let page = std::fs::read_to_string(path).unwrap();
        let listed: BTreeSet<&str> =
            rows.iter().map(|row| row[column].as_str()).filter(|cell| *cell != "–").collect();
        let text = words(&page);
        for label in &listed {
            assert!(text.contains(label), "`{label}` is not on {}", path.display());
        }
        let labels = labels(&page);
        assert!(labels.len() > 40, "{labels:#?}");
        let missing: Vec<_> = labels
            .iter()
            .filter(|label| !listed.contains(label.as_str()) && !NO_SETTINGS.contains(&label.as_str()))
            .collect();
        assert!(missing.is_empty(), "not in docs/vendor-fields.md: {missing:#?}");
    }
}

/// The schema behind references.
fn resolve<'a>(root: &'a Value, mut node: &'a Value) -> &'a Value {
    loop {
        let reference = node.get("$ref").or_else(|| node.get("allOf")?.get(0)?.get("$ref"));
        let Some(name) = reference.and_then(Value::as_str).and_then(|path| path.rsplit('/').next()) else {
            return node;
        };
        node = &root["definitions"][name];
    }
}

/// Whether a kind has a key with this path below its spec.
fn has(root: &Value, kind: &str, path: &str) -> bool {
    let cases = root["allOf"].as_array().unwrap();
    let Some(case) = cases.iter().find(|case| case["if"]["properties"]["kind"]["const"] == kind) else {
        return false;
    };
    let spec = &case["then"]["properties"]["spec"];
    let mut keys = path.split('.').filter(|key| *key != "spec");
    keys.try_fold(spec, |node, key| resolve(root, node).get("properties")?.get(key)).is_some()
}

#[test]
fn every_key_of_the_table_is_one_of_the_manifest() {
    let schema = manifest::schema();
    assert!(
        has(&schema, "Mailbox", "claim.takeOverFrom")
            && !has(&schema, "Mailbox", "claim.takeOver")
            && !has(&schema, "Mail", "spec")
    );
    let host_file =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/host-file.md")).unwrap();
    for row in rows() {
        for key in row[3].split("<br>") {
            if let Some(switch) = key.strip_prefix("host file: ") {
                assert!(host_file.contains(switch), "{row:?}");
                continue;
            }
            let key = key.trim_matches('`');
            if key.starts_with("mailplumb ") {
                continue; // Commands of all pages are checked together.
            }
            let (kind, path) = key.split_once(": ").unwrap_or((key, "spec"));
            assert!(has(&schema, kind, path), "no `{key}` in the manifest: {row:?}");
        }
    }
}
