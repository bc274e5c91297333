//! Who writes to whom, and about what.

/// Languages differ in what must be encoded, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Language {
    pub(super) subjects: &'static [&'static str],
    pub(super) greeting: &'static str,
    pub(super) sentences: &'static [&'static str],
    pub(super) closing: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: &'static str,
    pub(super) address: &'static str,
}

pub(super) const PEOPLE: [Person; 12] = [
    Person { name: "Anna Lindqvist", address: "anna.lindqvist@fjord-shipping.example" },
    Person { name: "Jürgen Müller", address: "j.mueller@maschinenbau.example" },
    Person { name: "Chloé Lefèvre", address: "chloe@atelier-lefevre.example" },
    Person { name: "Marco De Santis", address: "m.desantis@vetro.example" },
    Person { name: "Keiko Tanaka", address: "tanaka@kyoto-denki.example" },
    Person { name: "田中 恵子", address: "keiko@kyoto-denki.example" },
    Person { name: "Дмитрий Соколов", address: "sokolov@vostok.example" },
    Person { name: "Sam O'Brien", address: "sam.obrien@harbour-supplies.example" },
    Person { name: "Priya Raman", address: "priya@raman-consulting.example" },
    Person { name: "Brown, Terry (Accounts)", address: "accounts@harbour-supplies.example" },
    Person { name: "", address: "noreply@parcel-tracking.example" },
    Person { name: "İpek Yılmaz", address: "ipek@bosphorus-textiles.example" },
];

pub(super) const ENGLISH: Language = Language {
    subjects: &[
        "Order 4471: two pallets short",
        "Minutes of Thursday's call",
        "Can the workshop be moved?",
        "Quotation for the spring delivery",
        "Your parcel is on its way",
    ],
    greeting: "Hello,",
    sentences: &[
        "we counted the delivery twice and two pallets are missing.",
        "The driver says that everything was loaded, so it may have gone to the other warehouse.",
        "Please let me know by Friday whether the new date works for you.",
        "The figures are in the attachment; line 14 is the one we argued about.",
        "I have asked accounts to hold the invoice until this is settled.",
        "From next month on, orders go to the new address only.",
    ],
    closing: "Kind regards",
};

pub(super) const GERMAN: Language = Language {
    subjects: &[
        "Rückfrage zur Prüfung der Maschine",
        "Grüße aus Köln und ein Terminvorschlag",
        "Angebot für Ersatzteile",
    ],
    greeting: "Guten Tag,",
    sentences: &[
        "können wir die Prüfung auf nächste Woche verschieben?",
        "Die Ersatzteile für die größere Presse fehlen noch.",
        "Der Preis beträgt 1.250,00 € zuzüglich Mehrwertsteuer.",
        "Bitte bestätigen Sie den Termin bis spätestens Donnerstag.",
    ],
    closing: "Mit freundlichen Grüßen",
};

pub(super) const FRENCH: Language = Language {
    subjects: &[
        "Devis à vérifier avant l'été",
        "Réunion reportée à mercredi",
        "Où est passée la facture n° 118 ?",
    ],
    greeting: "Bonjour,",
    sentences: &[
        "le devis a été révisé après notre échange d'hier.",
        "Les délais seront tenus, même en août.",
        "Le total s'élève à 980 € – frais de port compris.",
        "Merci de nous répondre dès que possible.",
    ],
    closing: "Bien à vous",
};

pub(super) const JAPANESE: Language = Language {
    subjects: &["打ち合わせの日程について", "見積書をお送りします"],
    greeting: "お世話になっております。",
    sentences: &[
        "来週の打ち合わせは水曜日の午後でよろしいでしょうか。",
        "見積書を添付いたしますので、ご確認ください。",
        "納期は三週間を予定しております。",
    ],
    closing: "よろしくお願いいたします。",
};

pub(super) const RUSSIAN: Language = Language {
    subjects: &["Вопрос по договору", "Счёт за октябрь"],
    greeting: "Добрый день!",
    sentences: &[
        "Договор подписан, оригинал отправлен почтой.",
        "Просим подтвердить получение счёта.",
        "Оплата ожидается до конца месяца.",
    ],
    closing: "С уважением",
};

/// English is commonest.
pub(super) const LANGUAGES: [Language; 7] = [ENGLISH, ENGLISH, ENGLISH, GERMAN, FRENCH, JAPANESE, RUSSIAN];
/// What Windows-1252 can write.
pub(super) const WESTERN: [Language; 3] = [ENGLISH, GERMAN, FRENCH];
