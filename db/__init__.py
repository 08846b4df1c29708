"""What is remembered: tables, engine, migrations, and queries for reading."""
