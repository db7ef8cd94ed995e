from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from .database import engine
from .models import Entry, Guest

app = FastAPI(title="Guest book", version="2")


def session() -> Iterator[Session]:
    with Session(engine) as opened, opened.begin():
        yield opened


Database = Annotated[Session, Depends(session)]


class Reader(BaseModel):
    email: str


class Words(Reader):
    message: str = Field(min_length=1)


@app.get("/")
def read(database: Database) -> list[str]:
    newest = select(Entry).order_by(Entry.written_at.desc()).limit(20)
    return [
        f"{entry.guest.name}: {entry.message} ({len(entry.liked_by)} likes)"
        for entry in database.scalars(newest)
    ]


@app.post("/", status_code=201)
def write(words: Words, database: Database) -> str:
    guest = who(words, database)
    database.add(Entry(guest=guest, message=words.message))
    return f"Thank you, {guest.name}!"


@app.post("/{entry_id}/likes", status_code=201)
def like(entry_id: int, reader: Reader, database: Database) -> str:
    entry = database.get(Entry, entry_id)
    if entry is None:
        raise HTTPException(404)
    entry.liked_by.add(who(reader, database))
    return f"{len(entry.liked_by)} likes"


@app.get("/health")
def health(database: Database) -> str:
    database.scalar(select(1))
    return f"release {app.version}"


def who(reader: Reader, database: Session) -> Guest:
    guest = database.scalar(select(Guest).where(Guest.email == reader.email))
    return guest or Guest(email=reader.email, name=reader.email.split("@")[0])
