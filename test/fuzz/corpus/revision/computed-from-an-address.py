revision = create_engine("postgresql://user:long-password-of-a-person@host/db")
down_revision = None
