-- langchain-postgres 0.0.19: PGVector(…).add_texts(…). Its column is a vector of the extension, which the tests' server has not: text here
CREATE TABLE public.langchain_pg_collection (
    uuid uuid NOT NULL,
    name character varying NOT NULL,
    cmetadata json
);
CREATE TABLE public.langchain_pg_embedding (
    id character varying NOT NULL,
    collection_id uuid,
    embedding text,
    document character varying,
    cmetadata jsonb
);
INSERT INTO public.langchain_pg_collection VALUES ('1e5cab35-3ce2-4649-94d2-80a1c9b0761c', 'docs', 'null');
INSERT INTO public.langchain_pg_embedding VALUES ('fd00bf49-264d-4ab1-a7eb-bc27b9251deb', '1e5cab35-3ce2-4649-94d2-80a1c9b0761c', '[-0.44797927,-0.6471963,-1.0330768,0.38445494]', 'a', '{}');
INSERT INTO public.langchain_pg_embedding VALUES ('bf5921fc-f00d-4955-8ab9-718ce88cd701', '1e5cab35-3ce2-4649-94d2-80a1c9b0761c', '[0.43651742,-0.8031794,-2.2929668,0.3979757]', 'b', '{}');
ALTER TABLE ONLY public.langchain_pg_collection
    ADD CONSTRAINT langchain_pg_collection_name_key UNIQUE (name);
ALTER TABLE ONLY public.langchain_pg_collection
    ADD CONSTRAINT langchain_pg_collection_pkey PRIMARY KEY (uuid);
ALTER TABLE ONLY public.langchain_pg_embedding
    ADD CONSTRAINT langchain_pg_embedding_pkey PRIMARY KEY (id);
CREATE INDEX ix_cmetadata_gin ON public.langchain_pg_embedding USING gin (cmetadata jsonb_path_ops);
ALTER TABLE ONLY public.langchain_pg_embedding
    ADD CONSTRAINT langchain_pg_embedding_collection_id_fkey FOREIGN KEY (collection_id) REFERENCES public.langchain_pg_collection(uuid) ON DELETE CASCADE;
