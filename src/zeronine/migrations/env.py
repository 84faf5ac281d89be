"""How Alembic runs the migrations: on the connection that ``store`` gives it, in its transaction."""

from alembic import context

from zeronine.store import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
