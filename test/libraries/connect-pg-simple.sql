-- connect-pg-simple 10.0.0, for express-session: createTableIfMissing, and a session
CREATE TABLE public.session (
    sid character varying NOT NULL,
    sess json NOT NULL,
    expire timestamp(6) without time zone NOT NULL
);
INSERT INTO public.session VALUES ('sid1', '{"cookie":{"expires":"2026-11-30T19:37:57.658Z"}}', '2026-11-30 19:37:58');
ALTER TABLE ONLY public.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (sid);
CREATE INDEX "IDX_session_expire" ON public.session USING btree (expire);
