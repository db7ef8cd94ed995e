from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, MetaData, Text, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention={"ix": "%(table_name)s_%(column_0_name)s_idx"})
    type_annotation_map = {str: Text, datetime: DateTime(timezone=True)}


class Guest(Base):
    __tablename__ = "guests"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    joined_at: Mapped[datetime] = mapped_column(server_default=func.now())
    name: Mapped[str]


class Entry(Base):
    __tablename__ = "entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    guest_id: Mapped[int] = mapped_column(ForeignKey("guests.id"))
    message: Mapped[str]
    written_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    guest: Mapped[Guest] = relationship(lazy="joined")
