-- What thirteen libraries were seen to make when they start, cut down to what tells whose it is: names, columns, and one of each kind of object
-- beside the tables. Seen with APScheduler 3.11.3, casbin-sqlalchemy-adapter 1.4.0, Celery 5.7.0, connect-pg-simple 10.0.0, dramatiq-pg 0.12.0,
-- Flask-Session 0.8.0, graphile-worker 0.17.3, langchain-postgres 0.0.19, langgraph-checkpoint-postgres 3.2.0,
-- llama-index-vector-stores-postgres 0.9.0, pg-boss 10.4.2, pgqueuer 1.6.0, procrastinate 3.10.0. Vectors are text here.
CREATE TABLE public.apscheduler_jobs (id varchar(191) PRIMARY KEY, next_run_time float8, job_state bytea NOT NULL);
CREATE INDEX ix_apscheduler_jobs_next_run_time ON public.apscheduler_jobs (next_run_time);

CREATE TABLE public.casbin_rule (id serial PRIMARY KEY, ptype varchar, v0 varchar, v1 varchar, v2 varchar);

CREATE SEQUENCE public.task_id_sequence;
CREATE SEQUENCE public.taskset_id_sequence;
CREATE TABLE public.celery_taskmeta (id int PRIMARY KEY, task_id varchar UNIQUE, status varchar, result bytea);
CREATE TABLE public.celery_tasksetmeta (id int PRIMARY KEY, taskset_id varchar UNIQUE, result bytea);

CREATE TABLE public.session (sid varchar PRIMARY KEY, sess json NOT NULL, expire timestamp NOT NULL);
CREATE INDEX "IDX_session_expire" ON public.session (expire);
CREATE TABLE public.sessions (id serial PRIMARY KEY, session_id varchar UNIQUE, data bytea, expiry timestamp);

CREATE TABLE public.checkpoint_migrations (v int PRIMARY KEY);
CREATE TABLE public.checkpoints (thread_id text, checkpoint_ns text, checkpoint_id text, checkpoint jsonb, PRIMARY KEY (thread_id, checkpoint_ns, checkpoint_id));
CREATE TABLE public.checkpoint_blobs (thread_id text, checkpoint_ns text, channel text, version text, blob bytea, PRIMARY KEY (thread_id, checkpoint_ns, channel, version));
CREATE TABLE public.checkpoint_writes (thread_id text, checkpoint_ns text, task_id text, idx int, blob bytea, PRIMARY KEY (thread_id, checkpoint_ns, task_id, idx));
CREATE INDEX checkpoints_thread_id_idx ON public.checkpoints (thread_id);

CREATE TABLE public.langchain_pg_collection (uuid uuid PRIMARY KEY, name varchar UNIQUE, cmetadata json);
CREATE TABLE public.langchain_pg_embedding (id varchar PRIMARY KEY, collection_id uuid REFERENCES public.langchain_pg_collection ON DELETE CASCADE, embedding text, document varchar);
CREATE TABLE public.data_docs (id bigserial PRIMARY KEY, text varchar, metadata_ jsonb, node_id varchar, embedding text);
CREATE INDEX data_docs_idx_1 ON public.data_docs ((metadata_ ->> 'ref_doc_id'));

CREATE TYPE public.pgqueuer_status AS ENUM ('queued', 'picked');
CREATE TABLE public.pgqueuer (id serial PRIMARY KEY, priority int NOT NULL, status public.pgqueuer_status NOT NULL, payload bytea);
CREATE TABLE public.pgqueuer_log (id bigserial PRIMARY KEY, job_id bigint NOT NULL, status public.pgqueuer_status NOT NULL);
CREATE TABLE public.pgqueuer_schedules (id serial PRIMARY KEY, expression text, entrypoint text, UNIQUE (expression, entrypoint));
CREATE UNIQUE INDEX pgqueuer_unique_priority ON public.pgqueuer (priority) WHERE status = 'queued';
CREATE FUNCTION public.fn_pgqueuer_changed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER tg_pgqueuer_changed AFTER INSERT ON public.pgqueuer FOR EACH STATEMENT EXECUTE FUNCTION public.fn_pgqueuer_changed();

CREATE TYPE public.procrastinate_job_status AS ENUM ('todo', 'doing');
CREATE TYPE public.procrastinate_job_to_defer_v1 AS (queue_name varchar, priority int);
CREATE TABLE public.procrastinate_workers (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, last_heartbeat timestamptz NOT NULL DEFAULT now());
CREATE TABLE public.procrastinate_jobs (id bigserial PRIMARY KEY, status public.procrastinate_job_status NOT NULL DEFAULT 'todo', worker_id bigint REFERENCES public.procrastinate_workers ON DELETE SET NULL, CHECK (id > 0));
CREATE TABLE public.procrastinate_periodic_defers (id bigserial PRIMARY KEY, job_id bigint REFERENCES public.procrastinate_jobs);
CREATE TABLE public.procrastinate_events (id bigserial PRIMARY KEY, job_id bigint NOT NULL REFERENCES public.procrastinate_jobs ON DELETE CASCADE);
CREATE FUNCTION public.procrastinate_register_worker_v1() RETURNS TABLE (worker_id bigint) LANGUAGE sql AS 'SELECT 1::bigint';
CREATE FUNCTION public.procrastinate_notify_queue_job_inserted_v1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 AFTER INSERT ON public.procrastinate_jobs FOR EACH ROW EXECUTE FUNCTION public.procrastinate_notify_queue_job_inserted_v1();

-- In schemas of their own, two of them with a table of versions.
CREATE SCHEMA dramatiq;
CREATE TYPE dramatiq.state AS ENUM ('queued', 'done');
CREATE TABLE dramatiq.queue (message_id uuid PRIMARY KEY, state dramatiq.state, message jsonb);
CREATE SCHEMA graphile_worker;
CREATE TABLE graphile_worker.migrations (id int PRIMARY KEY, ts timestamptz NOT NULL DEFAULT now(), breaking boolean NOT NULL DEFAULT false);
INSERT INTO graphile_worker.migrations (id) VALUES (1), (18);
CREATE TABLE graphile_worker._private_jobs (id bigint PRIMARY KEY, attempts int NOT NULL DEFAULT 0, is_available boolean GENERATED ALWAYS AS (attempts < 25) STORED NOT NULL);
CREATE SCHEMA pgboss;
CREATE TABLE pgboss.version (version int PRIMARY KEY, maintained_on timestamptz);
INSERT INTO pgboss.version (version) VALUES (24);
CREATE TABLE pgboss.job (id uuid, name text NOT NULL, PRIMARY KEY (name, id)) PARTITION BY LIST (name);
CREATE TABLE pgboss.j0 PARTITION OF pgboss.job FOR VALUES IN ('mail');
