//! What the engine does and never does, rule by rule.

use super::world::World;

#[tokio::test]
async fn what_is_declared_is_tested_and_enabled() {
    let world = World::start();
    let desk = world.site.desk();
    let tested = desk.apply().await;
    assert_eq!((tested.passed, tested.failed, tested.deferred), (8, 0, 0), "{:#?}", desk.heard.take());
    let (_, plan) = desk.plan().await;
    assert!(plan.is_empty() && plan.blocked.is_empty());
}
