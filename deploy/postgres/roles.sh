#!/bin/bash
# Gives each owner its role and its schema in the new database; a role reads no schema but its own.
# The passwords are files, named like the settings, in the folder SETTINGS_DIR.
set -euo pipefail

run() {
    psql --set ON_ERROR_STOP=1 --quiet --no-psqlrc --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"
}

run --set database="$POSTGRES_DB" <<'SQL'
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL
for owner in gateway scheduler spaces_writer; do
    password=$(cat "$SETTINGS_DIR/${owner^^}_DATABASE_PASSWORD")
    run --set database="$POSTGRES_DB" --set owner="$owner" --set password="$password" <<'SQL'
CREATE ROLE :"owner" LOGIN PASSWORD :'password';
ALTER ROLE :"owner" IN DATABASE :"database" SET search_path = :"owner";
GRANT CONNECT ON DATABASE :"database" TO :"owner";
CREATE SCHEMA :"owner" AUTHORIZATION :"owner";
SQL
done
# The spaces-writer shows readers its data by the views of a second schema.
run <<'SQL'
CREATE SCHEMA spaces_writer_published AUTHORIZATION spaces_writer;
SQL
