//! What Autodiscover found: the last finding of a mailbox, which goes with it.

use mailplumb::model::discovered::Discovered;
use mailplumb::model::plan::Effect;

use super::World;
use crate::store::samples::*;

fn found(url: &str, second: i64) -> Discovered {
    Discovered {
        address: address("anna@contoso.example"),
        url: url.to_owned(),
        said_by: "https://contoso.example/autodiscover/autodiscover.svc".to_owned(),
        found_at: at(second),
    }
}

pub async fn the_last_finding_of_a_mailbox_is_kept_and_goes_with_it(world: &World) {
    let store = &*world.store;
    set_up(store, &["anna"]).await;
    let anna = name("anna");
    assert_eq!(store.discovered(&anna).await.unwrap(), None);
    store.note_discovered(&anna, &found("https://one/", 1)).await.unwrap();
    store.note_discovered(&anna, &found("https://two/", 2)).await.unwrap();
    store.note_discovered(&name("nobody"), &found("https://three/", 3)).await.unwrap();
    let again = (world.again)();
    assert_eq!(again.discovered(&anna).await.unwrap(), Some(found("https://two/", 2)));
    assert_eq!(again.discovered(&name("nobody")).await.unwrap(), None);
    apply(store, vec![Effect::DeleteMailbox(anna.clone())]).await.unwrap();
    apply(store, vec![put_effect("anna", "c1")]).await.unwrap();
    assert_eq!(store.discovered(&anna).await.unwrap(), None, "another mailbox of that name");
}
