"""Stores of vectors make their tables where an address leads: vectors.py URL langchain|llama-index"""

import sys

from psycopg.conninfo import conninfo_to_dict


def langchain(url: str) -> None:
    from langchain_core.embeddings import FakeEmbeddings
    from langchain_postgres import PGVector

    address = url.replace("postgresql://", "postgresql+psycopg://")
    store = PGVector(embeddings=FakeEmbeddings(size=4), collection_name="docs", connection=address)
    store.add_texts(["one", "another"])


def llama_index(url: str) -> None:
    from llama_index.vector_stores.postgres import PGVectorStore

    address = conninfo_to_dict(url)
    store = PGVectorStore.from_params(
        host=address["host"],
        port=address.get("port", "5432"),
        database=address["dbname"],
        user=address["user"],
        password=address.get("password", "none"),
        table_name="docs",
        embed_dim=4,
    )
    store._initialize()


_, url, name = sys.argv
{"langchain": langchain, "llama-index": llama_index}[name](url)
