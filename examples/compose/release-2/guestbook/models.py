from datetime import datetime

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, MetaData, Table, Text, func
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


likes = Table(
    "likes",
    Base.metadata,
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("guest_id", ForeignKey("guests.id"), primary_key=True, index=True),
)


class Entry(Base):
    __tablename__ = "entries"
    __table_args__ = (CheckConstraint("message <> ''", name="entries_message_check"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    guest_id: Mapped[int] = mapped_column(ForeignKey("guests.id"))
    message: Mapped[str]
    written_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
    guest: Mapped[Guest] = relationship(lazy="joined")
    liked_by: Mapped[set[Guest]] = relationship(secondary=likes)
