from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from .database import engine
from .models import Entry, Guest

app = FastAPI(title="Guest book", version="1")


def session() -> Iterator[Session]:
    with Session(engine) as opened, opened.begin():
        yield opened


Database = Annotated[Session, Depends(session)]


class Words(BaseModel):
    email: str
    message: str


@app.get("/")
def read(database: Database) -> list[str]:
    newest = select(Entry).order_by(Entry.written_at.desc()).limit(20)
    return [f"{entry.guest.name}: {entry.message}" for entry in database.scalars(newest)]


@app.post("/", status_code=201)
def write(words: Words, database: Database) -> str:
    guest = database.scalar(select(Guest).where(Guest.email == words.email))
    guest = guest or Guest(email=words.email, name=words.email.split("@")[0])
    database.add(Entry(guest=guest, message=words.message))
    return f"Thank you, {guest.name}!"


@app.get("/health")
def health(database: Database) -> str:
    database.scalar(select(1))
    return f"release {app.version}"
