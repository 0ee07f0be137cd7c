"""The database: tables, migrations, and one store for each kind of thing kept."""
