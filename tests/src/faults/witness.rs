//! Who wrote what, by the database itself: on PostgreSQL each worker comes in under a role of its own,
//! named as it is, and a trigger notes each order and receipt written by somebody who does not hold
//! the lane at that moment. The check of leases locks the lane's row until its commit, so with it
//! there can be none; no word of the engine's is taken for that.

use crate::peek::Peek;

/// Roles whose writes are watched begin with this.
pub const ROLE: &str = "efface_worker_";

/// Makes the trigger.
pub async fn watch(peek: &Peek) {
    peek.execute(&format!(
        "CREATE TABLE stale_commit (wrote text NOT NULL, lane text NOT NULL, role text NOT NULL, owner text);
         CREATE FUNCTION witness() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE held text;
         BEGIN
           SELECT owner INTO held FROM lane WHERE name = NEW.lane;
           IF session_user LIKE '{ROLE}%' AND held IS DISTINCT FROM session_user THEN
             INSERT INTO stale_commit VALUES (TG_TABLE_NAME, NEW.lane, session_user, held);
           END IF;
           RETURN NULL;
         END $$;
         CREATE TRIGGER witness AFTER INSERT OR UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION witness();
         CREATE TRIGGER witness AFTER INSERT OR UPDATE ON receipt FOR EACH ROW EXECUTE FUNCTION witness();"
    ))
    .await;
}

/// A role for one worker; the URL it comes in by.
pub async fn role(peek: &Peek, url: &str, name: &str) -> String {
    assert!(name.starts_with(ROLE), "{name} would not be watched");
    peek.execute(&format!("CREATE ROLE {name} SUPERUSER LOGIN PASSWORD '{name}'")).await;
    let at = url.find('@').expect("a URL with a user");
    format!("postgres://{name}:{name}{}", &url[at..])
}

/// How many commits came from somebody who did not hold the lane.
pub async fn stale_commits(peek: &Peek) -> i64 {
    peek.number("SELECT count(*) FROM stale_commit").await
}

/// The first of them, for a failure's message.
pub async fn told(peek: &Peek) -> Vec<String> {
    let sql = "SELECT wrote || ' of lane ' || lane || ' by ' || role || ' while ' || coalesce(owner, 'nobody') || ' held it' FROM stale_commit LIMIT 10";
    let rows = peek.rows(sql).await;
    rows.iter().map(|r| r.try_get_by_index(0).expect("words")).collect()
}
