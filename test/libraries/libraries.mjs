// Libraries for Node make their tables where an address leads: libraries.mjs URL NAME
import connect from "connect-pg-simple";
import session from "express-session";
import worker from "graphile-worker";
import pg from "pg";
import PgBoss from "pg-boss";

const [url, name] = process.argv.slice(2);

const libraries = {
  "connect-pg-simple": async () => {
    const pool = new pg.Pool({ connectionString: url });
    const store = new (connect(session))({ pool, createTableIfMissing: true });
    const expires = new Date(Date.now() + 3_600_000);
    await new Promise((resolve, reject) =>
      store.set("one", { cookie: { expires } }, (error) => (error ? reject(error) : resolve())),
    );
    store.close();
    await pool.end();
  },
  "graphile-worker": async () => await worker.runMigrations({ connectionString: url }),
  "pg-boss": async () => {
    const boss = new PgBoss(url);
    await boss.start();
    await boss.createQueue("mail");
    await boss.stop({ graceful: false });
  },
};

await libraries[name]();
