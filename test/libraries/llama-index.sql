-- llama-index-vector-stores-postgres 0.9.0: PGVectorStore.from_params(table_name="docs", …). A vector is text here, too
CREATE TABLE public.data_docs (
    id bigint NOT NULL,
    text character varying NOT NULL,
    metadata_ json,
    node_id character varying,
    embedding text
);
CREATE SEQUENCE public.data_docs_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.data_docs_id_seq OWNED BY public.data_docs.id;
ALTER TABLE ONLY public.data_docs ALTER COLUMN id SET DEFAULT nextval('public.data_docs_id_seq'::regclass);
SELECT pg_catalog.setval('public.data_docs_id_seq', 1, false);
ALTER TABLE ONLY public.data_docs
    ADD CONSTRAINT data_docs_pkey PRIMARY KEY (id);
CREATE INDEX docs_idx_1 ON public.data_docs USING btree (((metadata_ ->> 'ref_doc_id'::text)));
