use crate::shop::Shop;

#[tokio::test]
async fn says_that_it_is_well() {
    let shop = Shop::open().await;
    let answer = shop.get("/healthz").await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert!(answer.headers.contains_key("x-request-id"));
    assert_eq!(answer.is(200)["status"], "ok");
}
