//! A database that cannot be written for a while: nothing is lost, nothing is done twice, and the server says so.

use std::time::{Duration, Instant};

use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use crate::database::{Database, Lock, is_encrypted};
use crate::notifications::signed_payment;
use crate::shop::{APPROVED, Answer, DECLINED_51, Shop, logs};

async fn impatient() -> Shop {
    Shop::with(&[
        ("CARDSEAL__DATABASE__BUSY_TIMEOUT_MS", "20"),
        ("CARDSEAL__LIMITS__IDEMPOTENCY_WAIT_MS", "20000"),
        ("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "20000"),
    ])
    .await
}

/// Waits until something is so, on however busy a machine.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let patience = Instant::now() + Duration::from_secs(60);
    while !condition().await {
        assert!(Instant::now() < patience, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn slow(shop: &Shop, route: &str) {
    let mut slow = Fault::new("greenpay", route, Kind::DelayAfterCommit);
    slow.ms = 1500;
    shop.sandbox.inject(slow).unwrap();
}

fn refused(answer: &Answer) {
    answer.problem(503, "storage_unavailable");
    assert_eq!(answer.headers["retry-after"], "5");
}

async fn status(shop: &Shop, payment: &Value) -> Value {
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    shop.get(&path).await.is(200)["status"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_stored_is_refused_before_the_platform_hears_of_it() {
    let shop = impatient().await;
    let token = shop.token(APPROVED).await;
    let paid = shop.charge(&token, "before").await.is(201);
    let session = shop.session().await;
    let path = format!("/v1/payments/{}", paid["id"].as_str().unwrap());
    let lock = Lock::take(&shop.database()).await;

    refused(&shop.page("/v1/sessions", &json!({})).await);
    refused(&shop.page("/v1/tokens", &shop.seal(&session, APPROVED)).await);
    refused(&shop.charge(&token, "k").await);
    refused(&shop.merchant("POST", &format!("{path}/refund"), None).await);
    // What needs no writing goes on.
    assert_eq!(status(&shop, &paid).await, "approved");
    shop.get("/livez").await.is(200);
    let ready = shop.get("/readyz").await;
    assert_eq!(ready.headers["cache-control"], "no-store");
    let ready = ready.is(503);
    assert_eq!(ready["status"], "not_ready");
    assert_eq!(
        ready["checks"],
        json!({ "reader": "ok", "writer": "failing", "migrations": "ok" })
    );
    shop.get("/healthz").await.problem(503, "storage_unavailable");

    lock.release().await;
    // The first call after it works, and a caller who sends the same again gets it done once.
    shop.page("/v1/sessions", &json!({})).await.is(201);
    shop.charge(&token, "k").await.is(201);
    assert_eq!(shop.transactions().len(), 2);
    shop.page("/v1/tokens", &shop.seal(&session, APPROVED))
        .await
        .is(201);
    assert_eq!(
        shop.merchant("POST", &format!("{path}/refund"), None)
            .await
            .is(200)["status"],
        "refunded"
    );
    until("the server is well again", async || {
        shop.get("/healthz").await.status == 200
    })
    .await;
    assert_eq!(shop.get("/readyz").await.is(200)["status"], "ready");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_charge_came_to_is_stored_as_soon_as_that_is_possible() {
    let shop = impatient().await;
    for (number, outcome) in [(APPROVED, "approved"), (DECLINED_51, "declined")] {
        let token = shop.token(number).await;
        slow(&shop, "merchant/tokenPayment");
        let booked = shop.transactions().len();
        let (answer, lock) = tokio::join!(shop.charge(&token, outcome), async {
            until("the charge is booked", async || {
                shop.transactions().len() > booked
            })
            .await;
            Lock::take(&shop.database()).await
        });
        // The platform has decided; here it is not known yet, and that is what the caller is told.
        let payment = answer.is(202);
        assert_eq!(payment["status"], "unknown");
        lock.release().await;
        until(outcome, async || status(&shop, &payment).await == outcome).await;
        // The same request again gets the outcome.
        let again = shop.charge(&token, outcome).await.is(201);
        assert_eq!(
            (&again["id"], &again["status"]),
            (&payment["id"], &json!(outcome))
        );
        assert_eq!(shop.transactions().len(), booked + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_that_the_platform_refused_does_not_stay_under_way() {
    let shop = Shop::with(&[
        ("CARDSEAL__PLATFORMS__GREENPAY__TERMINALS__1__TERMINAL", "nothing"),
        ("CARDSEAL__DATABASE__BUSY_TIMEOUT_MS", "20"),
        ("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "20000"),
    ])
    .await;
    let token = shop.token(APPROVED).await;
    let mut late = Fault::new("greenpay", "*", Kind::Delay);
    late.ms = 1500;
    shop.sandbox.inject(late).unwrap();
    let under_way = async || shop.get("/v1/payments").await.json["data"][0]["status"] == "unknown";
    let (answer, lock) = tokio::join!(shop.charge(&token, "k"), async {
        until("the payment is under way", under_way).await;
        Lock::take(&shop.database()).await
    });
    let payment = answer.is(202);
    lock.release().await;
    until("it has failed", async || {
        status(&shop, &payment).await == "failed"
    })
    .await;
    shop.charge(&token, "k").await.problem(502, "platform_setup");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_void_or_refund_came_to_is_stored_as_soon_as_that_is_possible() {
    let shop = impatient().await;
    let token = shop.token(APPROVED).await;
    for (verb, route, unknown, done) in [
        ("void", "merchant/transactions/void", "void_unknown", "voided"),
        (
            "refund",
            "merchant/transactions/refund",
            "refund_unknown",
            "refunded",
        ),
    ] {
        let payment = shop.charge(&token, verb).await.is(201);
        let path = format!("/v1/payments/{}/{verb}", payment["id"].as_str().unwrap());
        slow(&shop, route);
        let (answer, lock) = tokio::join!(shop.merchant("POST", &path, None), async {
            until("the change is under way", async || {
                status(&shop, &payment).await == unknown
            })
            .await;
            Lock::take(&shop.database()).await
        });
        assert_eq!(answer.is(202)["status"], unknown);
        lock.release().await;
        until(done, async || status(&shop, &payment).await == done).await;
        assert_eq!(shop.merchant("POST", &path, None).await.is(200)["status"], done);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_the_platform_has_stored_is_not_lost() {
    let shop = impatient().await;
    let session = shop.session().await;
    let sealed = shop.seal(&session, APPROVED);
    slow(&shop, "*");
    let cards = || {
        let state = shop.sandbox.state();
        let cards = state["greenpay"]["card_tokens"].as_array().unwrap();
        cards.iter().filter(|card| card["deleted"] == false).count()
    };
    let (answer, lock) = tokio::join!(shop.page("/v1/tokens", &sealed), async {
        until("the card is stored", async || cards() > 0).await;
        Lock::take(&shop.database()).await
    });
    refused(&answer);
    lock.release().await;
    // The same request again gets the card that the platform has, and not another one.
    let token = shop.page("/v1/tokens", &sealed).await.is(201);
    assert_eq!((cards(), &token["status"]), (1, &json!("active")));
    shop.charge(&token, "k").await.is(201);

    // Forgotten by the platform, and here as soon as that can be stored.
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    slow(&shop, "*");
    let (answer, lock) = tokio::join!(shop.merchant("DELETE", &path, None), async {
        until("the platform has forgotten the card", async || cards() == 0).await;
        Lock::take(&shop.database()).await
    });
    refused(&answer);
    lock.release().await;
    until("it is deleted", async || {
        shop.get(&path).await.json["status"] == "deleted"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_that_cannot_be_stored_is_not_acknowledged() {
    let shop = impatient().await;
    let (_, notification) = signed_payment(&shop).await;
    let lock = Lock::take(&shop.database()).await;
    refused(&shop.notify("/", &notification).await);
    lock.release().await;
    // The platform sends it again.
    shop.notify("/", &notification).await.is(200);
    let payments = shop.get("/v1/payments").await.is(200);
    assert_eq!(payments["data"][0]["status"], "approved");
}

/// What was wiped or deleted is in none of the database's files.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_sessions_and_deleted_cards_leave_the_disk_while_the_server_runs() {
    let shop = Shop::open().await;
    let ask = json!({ "kind": "payment", "mode": "direct", "amount": "7.70", "currency": "USD" });
    let session = shop.merchant("POST", "/v1/sessions", Some(&ask)).await.is(201);
    let token = shop.token(APPROVED).await;
    let state = shop.sandbox.state();
    let of_session = session["session"].as_str().unwrap().to_owned();
    let of_card = state["greenpay"]["card_tokens"][0]["token"]
        .as_str()
        .unwrap()
        .to_owned();
    let nickname = "My Visa".to_owned();
    for secret in [&of_session, &of_card, &nickname] {
        let found = shop.has_written(secret).await;
        assert_eq!(found, !is_encrypted(), "the search finds nothing");
    }
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    shop.merchant("DELETE", &path, None).await.is(200);
    shop.app.clock.advance(3 * 60 * 60);
    for secret in [&of_session, &of_card, &nickname] {
        until("wiped", async || !shop.has_written(secret).await).await;
    }
}

/// As a bad sector would change it, past the checks of the database.
async fn damage(shop: &Shop, statement: &'static str) {
    let mut database = Database::open(&shop.database()).await;
    let past_the_checks = match &database {
        Database::Sqlite(_) => "PRAGMA ignore_check_constraints = ON",
        Database::Postgres(_) => {
            "ALTER TABLE payments DROP CONSTRAINT IF EXISTS payments_status_check;
            ALTER TABLE tokens DROP CONSTRAINT IF EXISTS tokens_status_check"
        }
    };
    database.run(past_the_checks).await;
    database.run(statement).await;
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_row_is_reported_by_name_and_hides_no_other() {
    crate::secrets::listen();
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    shop.token(APPROVED).await;
    let first = shop.charge(&token, "a").await.is(201);
    let second = shop.charge(&token, "b").await.is(201);
    damage(&shop, "UPDATE payments SET status = 'approvee' WHERE seq = 1").await;
    damage(&shop, "UPDATE tokens SET status = 'activf' WHERE seq = 1").await;

    let id = first["id"].as_str().unwrap();
    let answer = shop.get(&format!("/v1/payments/{id}")).await;
    answer.problem(500, "record_unreadable");
    assert_eq!(answer.json["payment"], *id);
    let log = || String::from_utf8_lossy(&logs().lock().unwrap()).into_owned();
    assert!(log().contains(&format!("row {id} of table payments cannot be read")));
    let payments = shop.get("/v1/payments").await.is(200);
    assert_eq!(payments["data"], json!([second]));
    let card = token["id"].as_str().unwrap();
    shop.get(&format!("/v1/tokens/{card}"))
        .await
        .problem(500, "record_unreadable");
    assert!(log().contains(&format!("row {card} of table tokens cannot be read")));
    let tokens = shop.get("/v1/tokens").await.is(200);
    assert_eq!(tokens["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn readiness_tells_how_a_platform_answered_last_and_does_not_depend_on_it() {
    let shop = Shop::with(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "20000")]).await;
    let platforms = async || shop.get("/readyz").await.is(200)["platforms"].clone();
    assert_eq!(platforms().await, json!({ "greenpay": "unknown" }));
    shop.session().await;
    assert_eq!(platforms().await, json!({ "greenpay": "reachable" }));
    shop.fault("*", Kind::DropBefore);
    shop.page("/v1/sessions", &json!({})).await;
    assert_eq!(platforms().await, json!({ "greenpay": "unreachable" }));
    shop.session().await;
    assert_eq!(platforms().await, json!({ "greenpay": "reachable" }));
}

/// What the platform says could not be stored: it is asked once it can be.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_is_not_asked_for_what_cannot_be_stored() {
    let shop = Shop::gp_api(&[
        ("CARDSEAL__DATABASE__BUSY_TIMEOUT_MS", "20"),
        ("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "1000"),
    ])
    .await;
    let token = shop.gp_token(crate::gp_api::APPROVED).await;
    shop.gp_fault("transactions", Kind::DropAfterCommit, 0, 0);
    shop.gp_fault("transactions/list", Kind::Html, 0, 0);
    let payment = shop.gp_pay(&token, "7.01", &json!({}), "k").await.is(202);
    let lock = Lock::take(&shop.database()).await;
    until("the database is seen to fail", async || {
        shop.get("/healthz").await.status == 503
    })
    .await;
    // What was being asked then has its answer by now.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let reached = async || shop.get("/readyz").await.json["platforms"]["gp_api"].clone();
    let before = reached().await;
    shop.sandbox.clear_faults();
    // The next call would change what is said of the platform.
    shop.gp_fault(
        "*",
        if before == "reachable" {
            Kind::DropBefore
        } else {
            Kind::Html
        },
        0,
        0,
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(reached().await, before);
    shop.sandbox.clear_faults();
    lock.release().await;
    until("approved", async || status(&shop, &payment).await == "approved").await;
    assert_eq!(shop.booked().len(), 1);
}

/// The real program, on a disk of its own.
#[cfg(target_os = "linux")]
mod disk {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use cardseal::crypto::public_key::PublicKey;
    use cardseal::greenpay::GreenPay;
    use cardseal_sandbox::RunningSandbox;
    use tempfile::TempDir;

    use super::*;
    use crate::crash::{Program, SERVER, call};
    use crate::shop::{client, file_config_text, sandbox, seal};

    struct Server {
        sandbox: RunningSandbox,
        program: Program,
        client: reqwest::Client,
        _folder: TempDir,
    }

    impl Server {
        async fn start(prepare: impl Fn(&Path) -> Command) -> Self {
            let sandbox = sandbox().await;
            let folder = tempfile::tempdir().unwrap();
            let disk = folder.path().join("disk");
            std::fs::create_dir(&disk).unwrap();
            let config = folder.path().join("cardseal.toml");
            let text = file_config_text(&sandbox, &disk.join("x.sqlite"), "127.0.0.1:0", "");
            std::fs::write(&config, text).unwrap();
            Self {
                program: Program::start_by(prepare(&disk), &config),
                client: client(),
                sandbox,
                _folder: folder,
            }
        }

        async fn call(
            &self,
            method: &str,
            path: &str,
            body: Option<&Value>,
            key: Option<&str>,
        ) -> (u16, Value) {
            let url = format!("{}{path}", self.program.url);
            call(&self.client, method, url, body, key).await.unwrap()
        }

        fn booked(&self) -> usize {
            let state = self.sandbox.state();
            state["greenpay"]["transactions"].as_array().unwrap().len()
        }

        /// A charge is under way when the disk fills up; then the disk is free again.
        async fn survives(&self, fill: impl AsyncFn(), free: impl AsyncFn()) {
            let key =
                GreenPay::new(PublicKey::parse(&self.sandbox.info().platforms.greenpay.public_key).unwrap());
            let (status, session) = self.call("POST", "/v1/sessions", Some(&json!({})), None).await;
            assert_eq!(status, 201, "{session}");
            let (_, token) = self
                .call("POST", "/v1/tokens", Some(&seal(&key, &session, APPROVED)), None)
                .await;
            let mut slow = Fault::new("greenpay", "merchant/tokenPayment", Kind::DelayAfterCommit);
            slow.ms = 2500;
            self.sandbox.inject(slow).unwrap();
            let order = json!({ "token": token["id"], "amount": "5.00", "currency": "USD" });
            let charge = self.call("POST", "/v1/payments", Some(&order), Some("k"));
            let pressure = async {
                until("the charge is booked", async || self.booked() == 1).await;
                // Again and again: the server itself frees a little whenever it empties its log.
                loop {
                    fill().await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let (status, payment) =
                tokio::select! { answer = charge => answer, () = pressure => unreachable!() };
            assert_eq!(
                (status, &payment["status"]),
                (202, &json!("unknown")),
                "{payment}"
            );
            let mut refused = Value::Null;
            for (method, path) in [("GET", "/readyz"), ("GET", "/healthz"), ("POST", "/v1/sessions")] {
                let body = (method == "POST").then(|| json!({}));
                let patience = Instant::now() + Duration::from_secs(60);
                loop {
                    fill().await;
                    let (status, answer) = self.call(method, path, body.as_ref(), None).await;
                    if status == 503 {
                        refused[path] = answer;
                        break;
                    }
                    assert!(Instant::now() < patience, "{path} is well: {answer}");
                }
            }
            let checks = &refused["/readyz"]["checks"];
            assert_eq!(
                (&checks["writer"], &checks["reader"]),
                (&json!("failing"), &json!("ok"))
            );
            for path in ["/healthz", "/v1/sessions"] {
                assert_eq!(refused[path]["code"], "storage_unavailable", "{path}");
            }
            assert_eq!(self.call("GET", "/livez", None, None).await.0, 200);

            free().await;
            // The first call after it.
            let (status, session) = self.call("POST", "/v1/sessions", Some(&json!({})), None).await;
            assert_eq!(status, 201, "{session}");
            let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
            until("the charge is settled", async || {
                self.call("GET", &path, None, None).await.1["status"] == "approved"
            })
            .await;
            let (status, again) = self.call("POST", "/v1/payments", Some(&order), Some("k")).await;
            assert_eq!((status, &again["id"]), (201, &payment["id"]));
            assert_eq!(self.booked(), 1);
            until("the server is well again", async || {
                self.call("GET", "/healthz", None, None).await.0 == 200
            })
            .await;
        }
    }

    /// In a name space of its own, so that the mount is gone with the program.
    fn mounted(disk: &Path) -> Command {
        let mut command = Command::new("unshare");
        let script = "mount -t tmpfs -o size=2m none \"$0\" && exec \"$@\"";
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
        command.arg(disk);
        command
    }

    fn can_mount() -> bool {
        let folder = tempfile::tempdir().unwrap();
        let status = mounted(folder.path()).arg("true").status();
        status.is_ok_and(|status| status.success())
    }

    /// No file may grow any more, which is told to the program as an error of the disk.
    fn limited(_: &Path) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ && exec \"$@\"", "sh", SERVER]);
        command
    }

    fn limit(process: u32, bytes: &str) {
        let process = process.to_string();
        let status = Command::new("prlimit")
            .args(["--pid", &process, &format!("--fsize={bytes}")])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Every write fails for a while.
    async fn survives_a_disk_that_fails(server: &Server) {
        let id = server.program.id();
        server
            .survives(
                async || limit(id, "1:unlimited"),
                async || limit(id, "unlimited:unlimited"),
            )
            .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_disk_that_fails_for_a_while_is_survived() {
        let server = Server::start(limited).await;
        survives_a_disk_that_fails(&server).await;
    }

    /// As when the log is on the full disk, too.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_log_that_cannot_be_written_ends_no_work() {
        let server = Server::start(|_| {
            let mut command = Command::new("sh");
            command.args(["-c", "trap '' XFSZ && exec \"$@\" 2>/dev/full", "sh", SERVER]);
            command
        })
        .await;
        survives_a_disk_that_fails(&server).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_disk_that_is_full_for_a_while_is_survived() {
        if !can_mount() {
            // The store's own tests fill the database in another way.
            println!("this system lets no test mount a file system");
            return;
        }
        let server = Server::start(|disk| {
            let mut command = mounted(disk);
            command.arg(SERVER);
            command
        })
        .await;
        let root = PathBuf::from(format!("/proc/{}/root", server.program.id()));
        let disk = server._folder.path().join("disk");
        let filler = root.join(disk.strip_prefix("/").unwrap()).join("filler");
        server
            .survives(
                async || {
                    let mut file = OpenOptions::new()
                        .create(true)
                        .append(true)
                        .open(&filler)
                        .unwrap();
                    while file.write_all(&[0; 4096]).is_ok() {}
                },
                async || std::fs::remove_file(&filler).unwrap(),
            )
            .await;
    }

    #[test]
    fn a_database_that_cannot_be_written_is_explained_and_nothing_starts() {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        std::fs::create_dir(&disk).unwrap();
        let text = tokio::runtime::Runtime::new().unwrap().block_on(async {
            file_config_text(&sandbox().await, &disk.join("x.sqlite"), "127.0.0.1:0", "")
        });
        let config = folder.path().join("cardseal.toml");
        std::fs::write(&config, text).unwrap();
        std::fs::write(disk.join("x.sqlite"), "").unwrap();
        std::fs::write(disk.join("x.sqlite.lock"), "").unwrap();
        let mut permissions = std::fs::metadata(disk.join("x.sqlite")).unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(disk.join("x.sqlite"), permissions).unwrap();
        // Root may write everything, unless it gives that up.
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-dac_override", "--inh-caps=-dac_override", SERVER]);
        let output = command
            .arg("--config")
            .arg(&config)
            .current_dir(folder.path())
            .env_clear()
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("readonly") || text.contains("read-only"), "{text}");
    }
}
